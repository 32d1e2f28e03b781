"""The config of a command: where it is searched, its mistakes as lines, and the targets of its sources."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from monitor.cli.common import USAGE, refuse
from monitor.cli.event_loop import run_loop
from monitor.config import Config, ConfigError, load
from monitor.discovery import DiscoveryCallbacks, of_config
from monitor.target import Target

T = TypeVar("T")


CONFIG_VARIABLE = "CHAT_MONITOR_CONFIG"
"""The environment variable that names the config."""
SYSTEM_CONFIG = Path("/etc/chat-monitor/config.toml")

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help=f"The config file; default ${CONFIG_VARIABLE}, ./config.toml, $CONFIGURATION_DIRECTORY/config.toml, "
    f"{SYSTEM_CONFIG}.",
)


def config_path(config_file: Path | None) -> Path:
    """Return the config to read: the given one, that of the environment, else the first that exists."""
    named = config_file or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    places = config_places()
    return next((place for place in places if place.exists()), places[0])


def config_places() -> list[Path]:
    """Return the default places of a config; systemd sets the directory with `ConfigurationDirectory=`."""
    directory = os.environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0]
    return [Path("config.toml"), *([Path(directory) / "config.toml"] if directory else []), SYSTEM_CONFIG]


def load_or_exit(load: Callable[[], T]) -> T:
    """Return the result of `load`; print a line for each mistake and exit with 2 if there are any."""
    try:
        return load()
    except ConfigError as error:
        for warning in error.warnings:
            click.echo(f"warning: {warning}", err=True)
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(USAGE) from None


def is_named(config_file: Path | None) -> bool:
    """Whether the command line or the environment names a config."""
    return config_file is not None or bool(os.environ.get(CONFIG_VARIABLE))


def existing_config(config_file: Path | None) -> Path:
    """Return the config to read; exit with 2 if none is given and none exists in the default places."""
    path = config_path(config_file)
    if not is_named(config_file) and not path.exists():
        looked = ", ".join(map(str, config_places()))
        raise refuse(
            f"no config found ({looked}): name one by --config or ${CONFIG_VARIABLE}, or run chat-monitor init"
        )
    return path


def read_config(config_file: Path | None) -> Config:
    """Return the config of that file, else the first one in the default places."""
    path = existing_config(config_file)
    return load_or_exit(lambda: load(path, os.environ))


def discovered(config: Config, *, urls: bool) -> tuple[tuple[Target, ...], list[str]]:
    """Return the targets of a config's sources, and a line for each error; `urls` reads URLs, too."""
    wrong: list[str] = []
    callbacks = DiscoveryCallbacks(
        refreshed=lambda *_: None,
        wrong=lambda source, text: wrong.append(f"discovery {source}: {text}"),
        failed=lambda error: wrong.append(f"discovery: {type(error).__name__}"),
    )
    return run_loop(of_config(config, callbacks, os.environ, urls=urls).refresh()), wrong
