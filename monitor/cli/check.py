"""`chat-monitor check`: a config's mistakes, its cost, and whether its targets can be reached."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console

from monitor import __version__
from monitor.cli.common import COMPLETE, FAILED_TO_TELL, is_loopback
from monitor.cli.config_file import config_option, discovered, existing_config, read_config
from monitor.cli.event_loop import run_loop
from monitor.cli.terminal import plan_table
from monitor.config import Config
from monitor.config.capacity import Process, enough, of_each
from monitor.config.plan import Footprint, Plan
from monitor.config.plan import plan as planned
from monitor.http import HttpRequest
from monitor.http.reachability import Reachability, reach
from monitor.keys.durations import elapsed
from monitor.keys.units import rounded_size
from monitor.record.rollup import HOUR, KEPT, MINUTE
from monitor.settings import MIB, Buckets, MetricsSettings
from monitor.sinks.history_rollups import retention, rollup_bytes
from monitor.sinks.history_store import tables_of
from monitor.sinks.metrics.sink import bytes_per_target, series_per_target
from monitor.target import Http, Target


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Open a connection to every target; nothing is sent on it.")
@click.option(
    "--plan",
    is_flag=True,
    help="Print the cost of this config: requests and tokens a day, money, series, bytes a scrape, cores, memory.",
)
@click.option(
    "--shards",
    metavar="N",
    type=click.IntRange(1, 10_000),
    help="Print the plan for this many shards in each location; --plan takes as many as are enough.",
)
def check(config_file: Path | None, *, connect: bool, plan: bool, shards: int | None) -> int:
    """Check a config and print every mistake with its line.

    No connection is opened unless --connect is given.
    """
    path = existing_config(config_file)
    config = read_config(path)
    found, wrong = discovered(config, urls=connect)
    for warning in (*config.warnings, *wrong):
        click.echo(f"warning: {warning}", err=True)
    config = config.along_with(found)
    count = len(config.targets)
    if lacking := [one.name for one in config.targets if _lacks_model(one)]:
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        click.echo(
            f"warning: {path}: no model is set for {', '.join(lacking[:_NAMED])}{more}; most servers of the protocol "
            "require one",
            err=True,
        )
    if why := _history_refused(config.settings.history.path):
        click.echo(f"warning: {config.document.mistake(('history', 'path'), why)}", err=True)
    if (many := _series(config.settings.metrics)) is not None:
        click.echo(f"warning: {config.document.mistake(('metrics', 'buckets'), many)}", err=True)
    if not all(is_loopback(host) for host, _ in config.settings.web.addresses):
        message = (
            "is not a loopback address: the daemon needs --web.config.file or --web.allow-unprotected to listen there"
        )
        click.echo(f"warning: {config.document.mistake(('web', 'listen'), message)}", err=True)
    click.echo(
        f"{path}: ok, {count} target{'s' if count != 1 else ''}" + (f", {len(found)} discovered" if found else "")
    )
    if not connect:
        for source in (one.name for one in config.settings.discovery if one.http_sd):
            click.echo(f"discovery {source}: its URLs are only read with --connect")
    if plan or shards is not None:
        _print_plan(config, shards)
    status = _try_connections(config) if connect else COMPLETE
    return FAILED_TO_TELL if wrong else status


_NAMED = 5
"""The most targets that one warning names."""
_MODEL_REQUIRED = frozenset({
    "openai-chat", "openai-completions", "openai-responses", "anthropic-messages", "ollama-chat", "ollama-generate",
    "cohere-v2",
})  # fmt: skip
"""The protocols whose servers require a model, as a rule."""
_MODEL_IN_PATH = frozenset({"deployments", "models"})
"""Parts of a path before the name of a model: Azure OpenAI and Vertex AI."""


def _lacks_model(target: Target) -> bool:
    """Whether a request has no model although its server very likely requires one; the lab requires none."""
    parts = urlsplit(target.url).path.split("/")
    has = target.model is not None or "model" in target.body or not _MODEL_IN_PATH.isdisjoint(parts)
    return target.protocol in _MODEL_REQUIRED and not has and parts[1:2] != [target.protocol]


def _history_refused(path: str | None) -> str | None:
    """Return a warning if the file of the history cannot be written by this user."""
    if path is None:
        return None
    file = Path(path)
    checks = (
        (not file.parent.is_dir(), "its directory does not exist"),
        (file.is_dir(), "is a directory"),
        (not all(os.access(one, os.W_OK) for one in (file.parent, file) if one.exists()), "this user cannot write it"),
    )
    why = next((text for wrong, text in checks if wrong), None)
    return why and f"{why}: the daemon runs without a history until it can write there"


def _series(metrics: MetricsSettings) -> str | None:
    """Return a warning if the configured buckets make more series per target than its detail allows."""
    if metrics.buckets == Buckets():
        return None

    series, most = series_per_target(metrics), {"full": 250, "lean": 120}[metrics.detail]
    return f"make {series} series of each target, more than the {most} of the default ones" if series > most else None


def _print_plan(config: Config, shards: int | None) -> None:

    metrics = config.settings.metrics
    series, size = series_per_target(metrics), _sizes(metrics)

    def footprint(target: Target) -> Footprint:
        return Footprint(series, size(target))

    found = planned(config, footprint)
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(plan_table(found))
    places = max(len(config.settings.monitor.locations), 1)
    processes = enough(found, config.settings.limits, places) if shards is None else shards * places
    each = of_each(found, processes, config.settings.limits)
    _print_processes(each, processes, places)
    _print_history(config, each.targets, " of each process" if processes > 1 else "")
    number = _at_once(config)
    endless = "1 stream is endless" if number == 1 else f"{number} streams are endless at once"
    click.echo(f"memory, at most: MemoryMax={-(-found.memory // MIB)}M, if {endless}")
    click.echo(_scrape(config, found, " of all processes" if processes > 1 else ""))


_MANY = 1000
"""The number of targets from which on `lean` is recommended."""


def _scrape(config: Config, found: Plan, whose: str) -> str:
    """Return the size of /metrics of all targets; for many, also its size at lean detail."""
    size, metrics = found.footprint, config.settings.metrics
    text = f"/metrics{whose}: {rounded_size(size.bytes)} and {size.series:,} series a scrape, before compression"
    if len(config.here) < _MANY or metrics.detail == "lean":
        return text
    smaller = sum(map(_sizes(replace(metrics, detail="lean")), config.here))
    return (
        f'{text}; [metrics] detail = "lean" makes it {rounded_size(smaller)}, and is advised from {_MANY:,} targets on'
    )


_LONG_SCRAPE = 1.0
"""Seconds of a scrape from which on more shards are recommended."""


def _print_processes(each: Process, processes: int, places: int) -> None:
    """Print the resources of each process, by a model with measured figures (docs/scaling.md)."""
    where = f" in {places} locations" if places > 1 else ""
    targets = f"{each.targets:,} target{'s' if each.targets != 1 else ''}"
    click.echo(
        f"processes: {processes}{where}, each about {each.cores:.2f} cores and {each.memory // MIB} MiB for "
        f"{targets}, {each.series:,} series and {rounded_size(each.scrape_bytes)} a scrape"
    )
    if each.scrape_seconds > _LONG_SCRAPE:
        most = int(each.targets * _LONG_SCRAPE / each.scrape_seconds)
        click.echo(
            f"a scrape takes about {each.scrape_seconds:.1f} s; it takes longer than {_LONG_SCRAPE:g} s above {most:,} "
            "targets in one process: use more shards (--shards N)"
        )


def _print_history(config: Config, targets: int, whose: str) -> None:
    """Print the largest size of the history's file, and for how long it keeps the figures of the pages."""
    settings = config.settings.history
    if settings.path is None:
        click.echo(
            "history: none; the pages show the probes since the start, and a restart probes all targets at once "
            "([history] path keeps both)"
        )
        return
    kept = retention(targets, tables_of(settings.max_bytes))
    rollups = min(rollup_bytes() * targets, tables_of(settings.max_bytes) // 2)
    click.echo(
        f"history, at most: {settings.max_bytes // MIB} MiB in {settings.path}{whose}, of which the figures of the "
        f"pages take about {-(-rollups // MIB)} MiB: by the minute for {elapsed(kept[MINUTE])}, "
        f"by the hour for {elapsed(kept[HOUR])}"
    )
    if kept != KEPT:
        enough = -(-rollup_bytes() * targets * 32 // 11 // MIB)
        whole = " and ".join(elapsed(seconds) for seconds in KEPT.values())
        click.echo(f'  [history] max_bytes = "{enough}MiB" keeps them for {whole}')


def _sizes(metrics: MetricsSettings) -> Callable[[Target], int]:
    """Return a target's share of a scrape in bytes: computed once for all with labels of the same length."""
    known: dict[int, int] = {}

    def size(target: Target) -> int:
        labels = {"target": target.name, **target.labels}
        length = sum(len(f'{name}="{value}",'.encode()) for name, value in labels.items())
        if length not in known:
            known[length] = bytes_per_target(metrics, labels)
        return known[length]

    return size


def _at_once(config: Config) -> int:
    """Return the number of streams that can run at once."""
    return min(config.settings.limits.concurrency, len(config.here))


def _try_connections(config: Config) -> int:

    async def trying() -> list[Reachability]:
        return list(await asyncio.gather(*(reach(_request(one), config.settings.network) for one in config.targets)))

    lines = list(map(_came_of, config.targets, run_loop(trying())))
    for target, (line, _) in zip(config.targets, lines, strict=True):
        click.echo(f"{target.name}: {line}")
    return COMPLETE if all(well for _, well in lines) else FAILED_TO_TELL


def _request(target: Target) -> HttpRequest:
    """Return a request for which a connection is dialled as for a probe of this target; it is not sent."""
    proxy = None if target.proxy is None else target.proxy.reveal()
    headers = {"User-Agent": f"chat-monitor/{__version__}"}
    return HttpRequest("POST", target.url, headers, b"", target.timeouts, tls=target.tls, proxy=proxy, http=target.http)


def _came_of(target: Target, reached: Reachability) -> tuple[str, bool]:
    """Return what to print of a try, and whether a probe would have its connection."""
    secure = target.url.lower().startswith("https:")
    if reached.why_not:
        return reached.why_not, False
    if target.http is Http.TWO and secure and reached.agreed != "h2":
        return 'connected, but the server does not offer HTTP/2 (ALPN: none), and http is "2": write "auto"', False
    if target.proxy is not None:
        how = (
            "connected through its proxy"
            if secure
            else "connected to its proxy, which was not asked to connect further"
        )
    else:
        how = "connected"
    if target.http is Http.TWO and not secure:
        return f"{how}; nothing was sent to try HTTP/2", True
    if target.http is Http.ONE or not secure:
        return how, True
    return f"{how}, {'HTTP/2' if reached.agreed == 'h2' else 'HTTP/1.1'} (ALPN: {reached.agreed or 'none'})", True
