"""Put the parts together, start, drain, stop: the one place that sees the whole way from schedule to sinks."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO

import structlog

from monitor.budget import Budget
from monitor.observation import Observation
from monitor.probe import Prober
from monitor.schedule import Schedule, Told
from monitor.settings import Settings
from monitor.sinks import log
from monitor.sinks.metrics import Metrics
from monitor.sinks.recent import Recent
from monitor.tap import Stamping
from monitor.target import Target
from monitor.transport import Carrier, tls_context
from monitor.web.app import Source, application
from monitor.web.rows import Tally
from monitor.web.server import Server, serve

DRAIN = 25.0
"""Seconds that probes in flight are given at a stop; systemd/chat-monitor.service gives the process some more."""
_LAG_EVERY = 0.25

Sink = Callable[[Observation], None]


@dataclass(slots=True)
class Stop:
    """Told by signals: the first asks to drain, a second to hurry."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    by: signal.Signals | None = None

    def on(self, number: signal.Signals) -> None:
        """Take a signal."""
        (self.hurry if self.asked.is_set() else self.asked).set()
        self.by = self.by or number

    def listen(self) -> None:
        """Let SIGTERM and SIGINT ask."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.on, number)


async def watch(
    settings: Settings,
    targets: Sequence[Target],
    stop: Stop,
    *,
    stdout: IO[str] | None,
    listening: Callable[[int], None] | None = None,
) -> None:
    """Watch `targets` until `stop` is asked for, then drain; ListenError or StartError where that cannot begin."""
    metrics = Metrics(settings.metrics, _label_names(targets))
    write = log.configure(settings.log, stdout, dropped=metrics.dropped, failed=metrics.sink_error)
    recent = Recent(len(targets))
    for target in targets:
        metrics.add(target)
    metrics.config_loaded(_digest(settings, targets), ok=True, timestamp=time.time())
    failed = _failure_report(metrics)
    budget = Budget(settings.limits.tokens_per_day)
    spend = _spending(budget, metrics)
    tell = _fan_out({"metrics": metrics, "log": write, "history": recent}, metrics.sink_error)

    def observed(seen: Observation) -> None:
        spend(seen)
        tell(seen)

    told = Told(
        observed=observed,
        skipped=metrics.skipped,
        in_flight=metrics.in_flight,
        failed=failed,
    )
    prober = Prober(Carrier(settings.limits, settings.network), settings.limits, settings.location)
    schedule = Schedule(prober, told, settings.limits, budget)
    source = _source(settings, targets, recent, metrics, stop, failed)
    try:
        await asyncio.to_thread(_read_certificates, targets)
        async with _served(source, settings) as server, _stamping(), _lag_watched(metrics):
            if listening is not None:
                listening(server.port)
            schedule.start(targets)
            gc.freeze()  # what stands now stays: a full collection need not look at it, and hold the loop, again
            notify("READY=1", f"STATUS=watching {len(targets)} targets")
            structlog.get_logger().info("started", targets=len(targets), address=f"{settings.web.host}:{server.port}")
            await stop.asked.wait()
            notify("STOPPING=1", "STATUS=draining")
            structlog.get_logger().info("stopping", drain_seconds=DRAIN)
            await schedule.drain(DRAIN, stop.hurry)
    finally:
        await asyncio.to_thread(write.close)


def _source(  # noqa: PLR0913, PLR0917 - all that the pages show comes together here
    settings: Settings,
    targets: Sequence[Target],
    recent: Recent,
    metrics: Metrics,
    stop: Stop,
    failed: Callable[[BaseException], None],
) -> Source:
    def tally(name: str) -> Tally:
        counts = recent.counts(name)
        return Tally(counts.probes, counts.accepted, counts.truncated)

    return Source(
        targets=lambda: targets,
        recent=recent.of,
        find=recent.find,
        tallies=tally,
        ready=lambda: not stop.asked.is_set(),
        metrics=metrics.pieces,
        failed=lambda _, error: failed(error),
        counted=metrics.http_request,
        started=datetime.now(UTC),
        location=settings.location,
        allowed_hosts=frozenset(settings.web.allowed_hosts),
    )


@asynccontextmanager
async def _served(source: Source, settings: Settings) -> AsyncIterator[Server]:
    server = await serve(application(source), settings.web.host, settings.web.port)
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def _stamping() -> AsyncIterator[None]:
    """Keep the kernel's stamping switched on for as long as we run."""
    stamping = Stamping()
    try:
        await stamping.ready()
        yield
    finally:
        stamping.close()


@asynccontextmanager
async def _lag_watched(metrics: Metrics) -> AsyncIterator[None]:
    """Measure how late the loop turns."""

    async def measure() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_LAG_EVERY)
            metrics.lag(max(time.monotonic() - before - _LAG_EVERY, 0.0))

    task = asyncio.create_task(measure(), name="loop lag")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _spending(budget: Budget, metrics: Metrics) -> Callable[[Observation], None]:
    """Return what counts a probe's tokens against the budget and says what is left."""

    def spent(seen: Observation) -> None:
        if seen.tokens is not None:
            budget.spend(seen.target.name, seen.tokens.input + seen.tokens.output)
        if (left := budget.left(seen.target)) is not None:
            metrics.budget(seen.target.name, left)

    return spent


def _fan_out(sinks: dict[str, Sink], failed: Callable[[str], None]) -> Sink:
    """Return the sink that tells all of them; one's fault is not another's."""

    def observed(seen: Observation) -> None:
        for name, sink in sinks.items():
            try:
                sink(seen)
            except Exception:  # noqa: BLE001 - a sink's fault, whatever it is, is no one else's
                failed(name)
                structlog.get_logger().exception("sink failed", sink=name)

    return observed


def _failure_report(metrics: Metrics) -> Callable[[BaseException], None]:
    def failed(error: BaseException) -> None:
        metrics.unhandled()
        structlog.get_logger().error("unhandled exception", exc_info=error)

    return failed


class StartError(Exception):
    """The daemon cannot start as configured; the text says what is wrong and where."""


def _read_certificates(targets: Iterable[Target]) -> None:
    """Make the TLS contexts before the first probe needs them: that reads files."""
    for target in targets:
        if target.url.lower().startswith("https:"):
            try:
                tls_context(target.tls)
            except OSError as error:
                raise StartError(f"target {target.name!r}: a file of `tls` cannot be used: {error}") from error


def _label_names(targets: Iterable[Target]) -> tuple[str, ...]:
    return tuple(sorted({name for target in targets for name in target.labels}))


def _digest(settings: Settings, targets: Sequence[Target]) -> str:
    """Return a hash of what is configured; secrets are not in it, for no repr shows them."""
    return hashlib.sha256(repr((settings, tuple(targets))).encode()).hexdigest()


def notify(*lines: str) -> None:
    """Tell systemd, where it listens (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto("\n".join(lines).encode(), address)
