"""`history`, `explain` and `top`: past probes, from the running daemon or from the history's file."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from monitor.cli.bundle import bundle, write
from monitor.cli.common import COMPLETE, FAILED_TO_TELL, is_http, own_address, refuse
from monitor.cli.completion import target_names
from monitor.cli.config_file import load_or_exit
from monitor.cli.event_loop import raised_by_ctrl_c, run_loop
from monitor.cli.keyboard import keyboard, keys
from monitor.cli.probe_source import LARGEST, WITHIN, Daemon, File, ProbeSource, ProbeSourceError, UnknownProbeError
from monitor.cli.terminal import explanation, lines, width_of
from monitor.cli.top import Screen, draw, fitted
from monitor.config import Config, load
from monitor.http.fetch import fetch
from monitor.record.probe_event import EventError, read
from monitor.record.target_summary import TargetSummary
from monitor.redaction import ascii_only, visible
from monitor.settings import Network

T = TypeVar("T")


REDRAWN_EVERY = 2.0
"""The refresh interval of `top` in seconds."""

_DEFAULT_URL = "http://127.0.0.1:9877"
_url_option = click.option(
    "--url",
    show_default=_DEFAULT_URL,
    metavar="URL",
    envvar="CHAT_MONITOR_URL",  # for a URL with a password, because other users can read a command line
    show_envvar=True,
    help="The address of the running daemon.",
)


_db_option = click.option(
    "--db", type=click.Path(path_type=Path), help="Read this history file instead; works while the daemon runs."
)


_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The daemon's config: without --url and --db, its address is the first of [web] listen.",
)


@click.command()
@click.argument("target", required=False, shell_complete=target_names)
@click.option("--failed", is_flag=True, help="Only probes that found the target unavailable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event per line.")
@click.option(
    "-n", "limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="The maximum number of probes."
)
@_url_option
@_db_option
@_config_option
def history(  # noqa: PLR0913 - a parameter for each option
    target: str | None,
    *,
    failed: bool,
    as_json: bool,
    limit: int,
    url: str | None,
    db: Path | None,
    config_file: Path | None,
) -> int:
    """List the newest probes of one target, or of all: the one that began last first."""
    source = _source(url, db, _config(config_file))
    found = _query(lambda: source.newest(limit, target, failed=failed))
    if not found and target is not None and not _query(lambda: source.newest(1, target)):
        wrong = f"no probe of a target {target!r} is stored: `chat-monitor top` lists the targets"
        raise refuse(visible(wrong), FAILED_TO_TELL)
    if not found:
        click.echo("no such probe is stored", err=True)
    if as_json:
        for event in found:
            click.echo(ascii_only(json.dumps(event).encode()))
        return COMPLETE
    console = Console(highlight=False, soft_wrap=True)
    events = _query(lambda: [read(event) for event in found])
    for line in lines(events, width_of(console)) if events else ():
        console.print(line)
    return COMPLETE


@click.command()
@click.argument("probe_id")
@click.option(
    "--bundle",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a new file for the server's support: the probe and the last good one with their times and "
    "request ids, and the request as a curl command. It contains no secrets, labels, target names or answer text.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The daemon's config: without --url and --db, its address is the first of [web] listen. With --bundle, the "
    "curl command has the prompt of its target; without it, the default prompt.",
)
@_url_option
@_db_option
def explain(probe_id: str, *, file: Path | None, config_file: Path | None, url: str | None, db: Path | None) -> int:
    """Show a stored probe: its waterfall, the last bytes and the diagnosis.

    The beginning of an id is enough, if no other id begins so.
    """
    config = _config(config_file)
    source = _source(url, db, config)
    event = _query(lambda: read(_found(source, probe_id)))
    console = Console(highlight=False, soft_wrap=True)
    for line in explanation(event, width_of(console)):
        console.print(line)
    if file is not None:
        target = next((one for one in config.targets if one.name == event.target), None) if config else None
        wrong = write(_query(lambda: bundle(source, event, target)), file)
        if wrong is not None:
            raise refuse(visible(wrong), FAILED_TO_TELL)
        click.echo(visible(f"written to {file}: read it before you send it"), err=True)
    return COMPLETE


def _found(source: ProbeSource, probe_id: str) -> dict[str, Any]:
    """Return the event of a probe by its id or the beginning of it; if that is a target's name, the error says so."""
    try:
        return source.find(probe_id)
    except UnknownProbeError:
        alike = [read(event).probe_id for event in source.newest(2, None, begins=probe_id)]
        if len(alike) == 1:
            return source.find(alike[0])
        if alike:
            raise ProbeSourceError(
                f"{probe_id!r} begins the ids of several probes, such as {alike[0]} and {alike[1]}: give more of the id"
            ) from None
        if source.newest(1, probe_id):
            raise ProbeSourceError(
                f"{probe_id!r} is a target and not the id of a probe: `chat-monitor history {probe_id}` lists its ids"
            ) from None
        raise


@click.command()
@_url_option
@_db_option
@_config_option
def top(*, url: str | None, db: Path | None, config_file: Path | None) -> int:
    """Show all targets as a table, failing ones first.

    On a terminal the table is redrawn until q or Ctrl-C; s sorts, / filters, and the arrow keys scroll.
    """
    source = _source(url, db, _config(config_file))
    summaries, console = _query(source.summaries), Console(highlight=False)
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        plain = Console(highlight=False, soft_wrap=True)
        for line in draw(summaries, Screen(), datetime.now(UTC), (width_of(plain), None)):
            plain.print(line)
        return COMPLETE
    show_until_quit(source, summaries, console)
    return COMPLETE


def show_until_quit(
    source: ProbeSource, summaries: list[TargetSummary], console: Console, head: Text | None = None
) -> None:
    """Draw the table until the user quits: again after a key, and every two seconds with new figures.

    `head` stays above it.
    """
    screen, wrong = Screen(), ""
    above = [] if head is None else [head]
    with raised_by_ctrl_c(), keyboard() as descriptor, Live(console=console, screen=True, auto_refresh=False) as live:
        due = time.monotonic() + REDRAWN_EVERY
        while not screen.quit:
            size = console.width, console.height - len(above)
            lines = [*(fitted(line, console.width) for line in above)]
            lines += draw(summaries, screen, datetime.now(UTC), size)
            if wrong:
                lines.append(fitted(Text(wrong, style="red"), console.width))
            live.update(Text("\n").join(lines), refresh=True)
            for key in keys(descriptor, max(due - time.monotonic(), 0.0)):
                screen = screen.pressed(key)
            if time.monotonic() < due:
                continue
            due = time.monotonic() + REDRAWN_EVERY
            try:
                summaries, wrong = source.summaries(), ""
            except ProbeSourceError as error:  # the last table stays on the screen
                wrong = visible(str(error))


def _config(file: Path | None) -> Config | None:
    return None if file is None else load_or_exit(partial(load, file, os.environ))


def _source(url: str | None, db: Path | None, config: Config | None) -> ProbeSource:
    """Return the history file if one is given, else the daemon at the URL, else that of the config."""
    if url is None:
        url = _DEFAULT_URL if config is None else f"http://{own_address(config.settings)}"
    if not is_http(url):
        raise click.BadParameter("must be an http:// or https:// URL", param_hint="--url")
    return File(db) if db else daemon_at(url)


def daemon_at(url: str) -> Daemon:
    """Return the daemon at a URL."""
    return Daemon(url, lambda it: run_loop(fetch(it, Network(), within=WITHIN, at_most=LARGEST)))


def _query(ask: Callable[[], T]) -> T:
    """Return the result; on an error, print it and exit with 1."""
    try:
        return ask()
    except (ProbeSourceError, EventError) as error:
        raise refuse(visible(str(error)), FAILED_TO_TELL) from None
