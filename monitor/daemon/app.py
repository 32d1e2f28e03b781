"""Start the daemon from its parts, drain and stop it: the only module that knows the whole path."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import IO, Any, TypeVar

import structlog

from monitor import schedule
from monitor.budget import Budget
from monitor.config import Config
from monitor.daemon import systemd
from monitor.daemon.heap import use_one_heap
from monitor.daemon.maintenance import resting, restore_windows
from monitor.daemon.observations import history_sink, probe_of, through_sinks
from monitor.daemon.parts import Load, Parts, cancel_all, collections_paused, every, in_slices, status
from monitor.daemon.reload import reload, reload_on_change, renew_secrets
from monitor.daemon.secrets import secrets_in
from monitor.daemon.signals import Signals
from monitor.daemon.sources import discovery_of, first_lists, keep_discovering
from monitor.daemon.state import budget_on_disk
from monitor.daemon.targets import config_loaded, make_ready, replace_targets, targets_of
from monitor.daemon.web import kept_probes, restoring, served
from monitor.http import Client
from monitor.http.in_flight import InFlight
from monitor.http.timestamps import Stamping
from monitor.redaction import redacted
from monitor.schedule import Schedule
from monitor.sinks import log
from monitor.sinks.memory import RecentProbes
from monitor.sinks.metrics.sink import Metrics
from monitor.web.access import Access

T = TypeVar("T")

DRAIN = 25.0
"""Seconds for probes in flight at a stop; systemd/chat-monitor.service gives the process slightly more."""
LAG_EVERY = 0.25
CLOCK_EVERY = 1.0
_COLLECT = (20_000, 5, 100)
"""Thresholds of the garbage collector: probes leave few cycles, and the default (700) costs a tenth of the CPU.

A collection of the middle generation examines at most 100,000 objects, which blocks the loop for some 10 ms.
"""


class StartError(Exception):
    """The daemon cannot start as configured; the text says what is wrong and where."""


async def watch(  # noqa: PLR0913 - the config and the callbacks
    config: Config,
    signals: Signals,
    *,
    stdout: IO[str] | None,
    load: Load | None = None,
    access: Access | None = None,
    listening: Callable[[int], None] | None = None,
) -> None:
    """Probe a config's targets until a stop is requested, then drain; ListenError or StartError if it cannot start."""
    settings = config.settings
    gc.set_threshold(*_COLLECT)
    use_one_heap()
    metrics = Metrics(settings.metrics)
    targets = await targets_of(config, ())
    recent, budget = RecentProbes(len(targets)), Budget(config.tokens_per_day)
    parts = Parts(config, metrics, recent, budget, signals, access=access)
    parts.secrets = await asyncio.to_thread(secrets_in, config, targets)
    log_sink = log.configure(
        settings.log,
        stdout,
        dropped=metrics.dropped,
        failed=metrics.sink_error,
        hide=lambda text: redacted(text, parts.hidden),
    )
    history = history_sink(parts)
    observed = through_sinks(parts, log_sink, history)
    parts.client = Client(settings.limits, settings.network, in_flight=InFlight(settings.limits, _full))
    parts.schedule = Schedule(
        probe_of(parts, settings),
        schedule.ScheduleCallbacks(observed, metrics.skipped, metrics.in_flight, parts.failed, _backed_off),
        settings.limits,
        budget,
        resting=lambda target: resting(parts, target) is not None,
    )
    metrics.shard(config.shard.index, config.shard.count)
    metrics.place(settings.monitor.location, settings.web.external_url)
    asyncio.get_running_loop().set_exception_handler(parts.unhandled_in_loop)
    try:
        await _serve(parts, load, listening, log_sink)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
        await cancel_all(parts.tasks)
        await parts.client.close_kept()
        for sink in (history, log_sink):  # the log last: it reports errors of the history
            await asyncio.to_thread(sink.close)


async def _serve(
    parts: Parts, load: Load | None, listening: Callable[[int], None] | None, log_sink: log.LogSink
) -> None:
    logger = structlog.get_logger()
    try:
        await asyncio.to_thread(make_ready, parts.config)
    except OSError as error:
        raise StartError(str(error)) from error
    found = discovery_of(parts, parts.config)
    background = AsyncExitStack()
    async with background, served(parts, load) as server:
        periodic = (
            every(parts, LAG_EVERY, lambda late: _lag(parts, late)),
            every(parts, log.PERIOD, lambda _: log_sink.report_repeats()),
        )
        for part in (_stamping(), *periodic, budget_on_disk(parts)):
            await background.enter_async_context(part)
        await restore_windows(parts)
        async with parts.changing:  # a page may already request a reload
            with collections_paused():
                listed = await _unless_stopped(parts, first_lists(parts, found))
                if listed is None:
                    return
                await replace_targets(parts, parts.config, await targets_of(parts.config, listed.targets))
                await config_loaded(parts)
                kept = await kept_probes(parts)
                await in_slices(restoring(parts, kept))
                parts.schedule.probed = await asyncio.to_thread(kept.probed, parts.targets)
                await in_slices(parts.schedule.starting(parts.targets))
                keep_discovering(parts, found, listed.late)
            gc.freeze()  # later collections do not examine the objects of the start, which stay
        parts.signals.probe = lambda: parts.begin(in_slices(parts.schedule.asking_all("signal")))
        if load is not None:
            parts.signals.reload = lambda: parts.begin(reload(parts, load))
            parts.begin(reload_on_change(parts, load))
            parts.begin(renew_secrets(parts))
            if parts.signals.reload_asked:
                parts.signals.reload()
        if listening is not None:
            listening(server.port)
        async with (
            systemd.watchdog(parts.schedule.moving, parts.failed),
            every(parts, CLOCK_EVERY, lambda _: _follow(parts)),
        ):
            systemd.notify("READY=1", status(parts))
            logger.info("started", targets=len(parts.targets), address=", ".join(server.addresses))
            await parts.signals.stop.wait()
            systemd.notify("STOPPING=1", "STATUS=draining")
            logger.info("stopping", drain_seconds=DRAIN)
            await parts.schedule.drain(DRAIN, parts.signals.hurry)


async def _unless_stopped(parts: Parts, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of `work`; None if a stop is requested before, and then it is cancelled."""
    task, stop = asyncio.create_task(work), asyncio.create_task(parts.signals.stop.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        return None if stop.done() else await task
    finally:
        await cancel_all((task, stop))


def _backed_off(name: str, seconds: float) -> None:
    structlog.get_logger().info("probing is paused: the server asked to wait", target=name, seconds=round(seconds))


def _full(held: int) -> None:
    logger = structlog.get_logger()
    logger.warning("the streams in flight held more than in_flight_bytes: the largest was ended", held=held)


@asynccontextmanager
async def _stamping() -> AsyncIterator[None]:
    """Keep the kernel's timestamps enabled while the daemon runs."""
    stamping = Stamping()
    try:
        await stamping.ready()
        yield
    finally:
        stamping.close()


def _lag(parts: Parts, late: float) -> None:
    """Note by how many seconds the event loop is late, and lower the number of concurrent probes if it stays late."""
    parts.metrics.lag(late)
    before = parts.schedule.overload.most
    parts.schedule.overload.sample(late)
    most = parts.schedule.overload.most
    if math.isinf(before) and not math.isinf(most):
        structlog.get_logger().warning("the event loop is late: fewer probes run at once", most=most)
    elif math.isinf(most) and not math.isinf(before):
        structlog.get_logger().info("the event loop is on time again: probes run as configured")


def _follow(parts: Parts) -> None:
    """Follow steps of the wall clock, which APScheduler uses."""
    if parts.schedule.follow_clock():
        structlog.get_logger().warning("the wall clock has stepped; the schedule was restarted")
