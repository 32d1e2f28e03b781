"""`history`, `explain` and `top`: what was probed, from the running daemon or from the history's file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from monitor.cli.common import COMPLETE, FAILED_TO_TELL, refuse
from monitor.cli.completion import target_names
from monitor.cli.event_loop import raised_by_ctrl_c, run_loop
from monitor.cli.probe_source import LARGEST, WITHIN, Daemon, File, ProbeSource, ProbeSourceError
from monitor.cli.terminal import explanation, lines, overview
from monitor.http import fetch
from monitor.record.probe_event import EventError, read
from monitor.redaction import ascii_only, visible
from monitor.settings import Network

T = TypeVar("T")


REDRAWN_EVERY = 2.0
"""Seconds between two tables of `top`."""

_url_option = click.option(
    "--url",
    default="http://127.0.0.1:9877",
    show_default=True,
    metavar="URL",
    envvar="CHAT_MONITOR_URL",  # for a URL with a password: other users can see a command line
    show_envvar=True,
    help="The address of the running daemon.",
)


_db_option = click.option(
    "--db", type=click.Path(path_type=Path), help="Read this history file instead; works while the daemon runs."
)


@click.command()
@click.argument("target", required=False, shell_complete=target_names)
@click.option("--failed", is_flag=True, help="Only probes that found the target unavailable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event per line.")
@click.option(
    "-n", "limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="The number of probes at most."
)
@_url_option
@_db_option
def history(  # noqa: PLR0913 - a parameter for each option
    target: str | None, *, failed: bool, as_json: bool, limit: int, url: str, db: Path | None
) -> int:
    """List the newest probes of one target, or of all, newest first."""
    place = _lookback(url, db)
    found = _looked_up(lambda: place.newest(limit, target, failed=failed))
    if not found and target is not None and not _looked_up(lambda: place.newest(1, target, failed=False)):
        raise refuse(visible(f"no probe of a target {target!r} is kept"), FAILED_TO_TELL)
    if not found:
        click.echo("no such probe is kept", err=True)
    if as_json:
        for event in found:
            click.echo(ascii_only(json.dumps(event).encode()))
        return COMPLETE
    console = Console(highlight=False, soft_wrap=True)
    for line in lines(_looked_up(lambda: [read(event) for event in found])):
        console.print(line)
    return COMPLETE


@click.command()
@click.argument("probe_id")
@_url_option
@_db_option
def explain(probe_id: str, *, url: str, db: Path | None) -> int:
    """Show what is kept of one probe: where its time went, the last bytes, and the diagnosis."""
    place = _lookback(url, db)
    event = _looked_up(lambda: read(place.find(probe_id)))
    console = Console(highlight=False, soft_wrap=True)
    for line in explanation(event):
        console.print(line)
    return COMPLETE


@click.command()
@_url_option
@_db_option
def top(*, url: str, db: Path | None) -> int:
    """Show all targets as a table, failing ones first.

    On a terminal the table is redrawn until Ctrl-C.
    """
    place = _lookback(url, db)
    table, console = _looked_up(lambda: _overview(place)), Console(highlight=False)
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        Console(highlight=False, width=250, height=25).print(table)  # rich minds a width beside a height alone
        return COMPLETE
    with raised_by_ctrl_c(), Live(table, console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(REDRAWN_EVERY)
            try:
                table = _overview(place)
                table.caption = None
            except ProbeSourceError as error:  # the last table stays on the screen
                table.caption = visible(str(error))
            live.update(table, refresh=True)


def _overview(place: ProbeSource) -> Table:

    return overview(place.summaries(), datetime.now(UTC))


def _lookback(url: str, db: Path | None) -> ProbeSource:
    """Return the history file if one is given, else the daemon."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise click.BadParameter("must be an http:// or https:// URL", param_hint="--url")
    return File(db) if db else Daemon(url, lambda it: run_loop(fetch(it, Network(), within=WITHIN, at_most=LARGEST)))


def _looked_up(ask: Callable[[], T]) -> T:
    """Return the answer; if there is none, print why and exit with 1."""
    try:
        return ask()
    except (ProbeSourceError, EventError) as error:
        raise refuse(visible(str(error)), FAILED_TO_TELL) from None
