"""The config that a command reads: where it is looked for, its mistakes as lines, and the targets of its sources."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from monitor.cli.common import USAGE
from monitor.cli.event_loop import run_loop
from monitor.config import Config, ConfigError, load
from monitor.discovery import DiscoveryCallbacks, of_config
from monitor.target import Target

T = TypeVar("T")


CONFIG_PLACES = (Path("config.toml"), Path("/etc/chat-monitor/config.toml"))


config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The config file; default ./config.toml, then /etc/chat-monitor/config.toml.",
)


def config_path(config_file: Path | None) -> Path:
    """Return the config to read: the one asked for, else the first that exists."""
    if config_file is not None:
        return config_file
    return next((place for place in CONFIG_PLACES if place.exists()), CONFIG_PLACES[0])


def load_or_exit(load: Callable[[], T]) -> T:
    """Return what `load` reads; print a line for each mistake and exit with 2 if there are any."""
    try:
        return load()
    except ConfigError as error:
        for warning in error.warnings:
            click.echo(f"warning: {warning}", err=True)
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(USAGE) from None


def read_config(config_file: Path | None) -> Config:
    """Return the config of that file, else of the first place that has one."""
    return load_or_exit(lambda: load(config_path(config_file), os.environ))


def discovered(config: Config, *, urls: bool) -> tuple[tuple[Target, ...], list[str]]:
    """Return the targets that the sources of a config list now, and a line for each error; `urls` reads URLs, too."""
    wrong: list[str] = []
    told = DiscoveryCallbacks(
        refreshed=lambda *_: None,
        wrong=lambda source, text: wrong.append(f"discovery {source}: {text}"),
        failed=lambda error: wrong.append(f"discovery: {type(error).__name__}"),
    )
    return run_loop(of_config(config, told, os.environ, urls=urls).refresh()), wrong
