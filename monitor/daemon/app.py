"""Put the parts together, start, reload, drain, stop: the one place that sees the whole way from schedule to sinks."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import structlog

from monitor import discovery, schedule
from monitor.budget import Budget, restore
from monitor.config import Config, ConfigError
from monitor.config.include import fingerprint
from monitor.daemon import systemd
from monitor.diagnosis.diagnosis import Diagnosis
from monitor.diagnosis.isolation import Isolation
from monitor.discovery import Discovery
from monitor.files import save
from monitor.http import Client, resolver, tls_context
from monitor.http.timestamps import Stamping
from monitor.maintenance import active
from monitor.probe.confidential import secrets_of
from monitor.probe.run import Prober
from monitor.record.observation import Observation, public_url
from monitor.redaction import redacted
from monitor.schedule import BusyError, Schedule
from monitor.settings import Settings
from monitor.sinks import history, log
from monitor.sinks import history_store as store
from monitor.sinks.memory import RecentProbes
from monitor.sinks.metrics import one_probe
from monitor.sinks.metrics.sink import Metrics
from monitor.target import Target
from monitor.web.access import Access
from monitor.web.app import application
from monitor.web.listing import ProbeQuery
from monitor.web.rows import TargetCounts
from monitor.web.server import Server, bounded, serve
from monitor.web.source import HistoryReader, RefusedError, Source

DRAIN = 25.0
"""Seconds that probes in flight are given at a stop; systemd/chat-monitor.service gives the process some more."""
_LAG_EVERY = 0.25
_CLOCK_EVERY = 1.0
_SAVE_EVERY = 5.0
_COLLECT = (20_000, 20, 20)
"""Objects, and younger collections, between collections: probes leave few cycles, and after each 700 costs a tenth."""
_LOOK_EVERY = 2.0

_REFRESH_EVERY = 60.0
"""Seconds between looks at the web config file and the certificate that it names."""
_SCRAPE_SHARE = 0.9
"""Of the time that a scrape has, what its probe may take: it is judged and answered within the rest."""

Sink = Callable[[Observation], None]
Load = Callable[[], Config]
"""Reads the config anew; ConfigError with every mistake in it."""


class StartError(Exception):
    """The daemon cannot start as configured; the text says what is wrong and where."""


@dataclass(slots=True)
class Signals:
    """What signals ask for: SIGTERM and SIGINT to drain, a second one to hurry; SIGHUP to reload, SIGUSR1 to probe."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    stopped_by: signal.Signals | None = None
    reload: Callable[[], object] = lambda: None
    probe: Callable[[], object] = lambda: None

    def on_stop(self, number: signal.Signals) -> None:
        """Take SIGTERM or SIGINT."""
        (self.hurry if self.stop.is_set() else self.stop).set()
        self.stopped_by = self.stopped_by or number

    def listen(self) -> None:
        """Take the process's signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._ask, "reload")
        loop.add_signal_handler(signal.SIGUSR1, self._ask, "probe")

    def _ask(self, what: str) -> None:
        """Do what is set by now: before the schedule is armed, nothing."""
        getattr(self, what)()


@dataclass(slots=True)
class Watch:
    """The parts of a running daemon, and what is replaced while it runs: the config, the targets, who finds them."""

    config: Config
    """What the file says, without what was discovered."""
    metrics: Metrics
    recent: RecentProbes
    budget: Budget
    signals: Signals
    isolation: Isolation = field(default_factory=Isolation)
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    targets: tuple[Target, ...] = ()
    """What is watched here: the config's and what was discovered."""
    secrets: frozenset[str] = frozenset()
    """What no traceback may hold: the secrets of the targets of now, and of those before them."""
    schedule: Schedule = field(init=False)
    carrier: Client = field(init=False)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    """What was begun beside the schedule, kept until it is done."""
    finding: asyncio.Task[Any] | None = None
    """Reads the sources of targets again and again."""
    discovery: Discovery | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the config or the targets are replaced."""
    access: Access | None = None
    """Who may come to the pages; None for all."""

    @property
    def settings(self) -> Settings:
        """All that is not a target."""
        return self.config.settings

    def failed(self, error: BaseException) -> None:
        """Count and log an exception that nobody else took."""
        self.metrics.unhandled()
        structlog.get_logger().error("unhandled exception", exc_info=error)

    def strayed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what the loop was left with: a timer or a task that failed and that nobody asked for its result."""
        error = context.get("exception")
        if isinstance(error, OSError):  # a listener without descriptors, a connection that broke: no bug of anybody's
            structlog.get_logger().warning("the event loop met an error", why=context["message"], exc_info=error)
        else:
            self.metrics.unhandled()
            structlog.get_logger().error("unhandled exception", why=context["message"], exc_info=error)

    def begin(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        """Run something beside the schedule."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)


async def watch(  # noqa: PLR0913 - what is watched, and who is told
    config: Config,
    signals: Signals,
    *,
    stdout: IO[str] | None,
    load: Load | None = None,
    access: Access | None = None,
    listening: Callable[[int], None] | None = None,
) -> None:
    """Watch a config's targets until told to stop, then drain; ListenError or StartError where that cannot begin."""
    settings = config.settings
    metrics = Metrics(settings.metrics)
    recent, budget = RecentProbes(len(config.here)), Budget(settings.limits.tokens_per_day)
    parts = Watch(config, metrics, recent, budget, signals, access=access)
    write = log.configure(
        settings.log,
        stdout,
        dropped=metrics.dropped,
        failed=metrics.sink_error,
        hide=lambda text: redacted(text, parts.secrets),
    )
    keep = _history(parts)
    told = schedule.ScheduleCallbacks(_observed(parts, write, keep), metrics.skipped, metrics.in_flight, parts.failed)
    parts.carrier = Client(settings.limits, settings.network)
    parts.schedule = Schedule(
        _probe(parts, settings),
        told,
        settings.limits,
        budget,
        resting=lambda target: _resting(parts, target),
    )
    metrics.shard(config.shard.index, config.shard.count)
    asyncio.get_running_loop().set_exception_handler(parts.strayed)
    try:
        await _serve(parts, load, listening)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
        await _leave(parts.tasks)
        await parts.carrier.let_go()
        for sink in (keep, write):  # the log last: it tells what became of the history
            await asyncio.to_thread(sink.close)


async def _serve(parts: Watch, load: Load | None, listening: Callable[[int], None] | None) -> None:
    say = structlog.get_logger()
    try:
        await asyncio.to_thread(make_ready, parts.config)
    except OSError as error:
        raise StartError(str(error)) from error
    found = _discovery(parts, parts.config)
    beside = AsyncExitStack()
    async with beside, _served(parts, load) as server:
        for part in (_stamping(), _every(parts, _LAG_EVERY, parts.metrics.lag), _remembering(parts)):
            await beside.enter_async_context(part)
        async with parts.changing:  # the page is there already, and may be asked for a reload
            await _replace(parts, parts.config, await _watched(parts.config, await found.refresh()))
            _config_loaded(parts)
            parts.schedule.start(parts.targets)
            _go_on_finding(parts, found)
        gc.freeze()  # what stands now stays: a full collection need not look at it, and hold the loop, again
        gc.set_threshold(*_COLLECT)
        parts.signals.probe = lambda: parts.schedule.ask_all("signal")
        if load is not None:
            parts.signals.reload = lambda: parts.begin(reload(parts, load))
            parts.begin(_look_at_file(parts, load))
        if listening is not None:
            listening(server.port)
        async with (
            systemd.watchdog(parts.schedule.moving, parts.failed),
            _every(parts, _CLOCK_EVERY, lambda _: _follow(parts)),
        ):
            systemd.notify("READY=1", _status(parts))
            say.info("started", targets=len(parts.targets), address=f"{parts.settings.web.host}:{server.port}")
            await parts.signals.stop.wait()
            systemd.notify("STOPPING=1", "STATUS=draining")
            say.info("stopping", drain_seconds=DRAIN)
            await parts.schedule.drain(DRAIN, parts.signals.hurry)


async def _leave(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Let go of what was begun and is not done: a reload that comes too late."""
    left = tuple(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _probe(parts: Watch, settings: Settings) -> schedule.Probe:
    """Return what asks a target, and says what the answer and those before it point at."""
    prober = Prober(parts.carrier, settings.limits, settings.monitor.location)

    async def probe(target: Target, trigger: str, schedule_delay: float) -> Observation:
        return _diagnosed(parts, await prober(target, trigger, schedule_delay))

    return probe


def _diagnosed(parts: Watch, seen: Observation) -> Observation:
    """Return it with whom it points at, and tell the gauges of other targets; a bug in that costs no observation."""
    try:
        found = parts.diagnosis.take(seen)
    except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
        parts.failed(error)
        return seen
    for name, suspicions in found.now.items():
        parts.metrics.suspects(name, suspicions)
    return replace(seen, diagnosis=found.suspicions)


def _status(parts: Watch) -> str:
    return f"STATUS=watching {len(parts.targets)} targets"


# -- what an observation goes through ----------------------------------------------------------------------------------


def _history(parts: Watch) -> history.HistorySink | history.Nothing:
    """Return what keeps every event in a file, where the config names one."""
    settings = parts.settings.history
    if settings.path is None:
        return history.Nothing()

    def wrong(text: str | None) -> None:
        if text is None:
            structlog.get_logger().info("the history is written again")
        else:
            structlog.get_logger().warning("the history cannot be written", why=text)

    metrics = parts.metrics
    told = history.HistoryCallbacks(metrics.dropped, metrics.sink_error, metrics.history_bytes, wrong, parts.failed)
    return history.HistorySink(Path(settings.path), settings, told)


def _observed(parts: Watch, write: Sink, keep: Sink) -> Sink:
    """Return what every observation goes through: the budget, the isolation gauge, then the sinks."""
    metrics = parts.metrics

    def remember(seen: Observation) -> None:
        if parts.schedule.watches(seen.target.name):  # the last word of one that was removed is logged alone
            parts.recent(seen)

    sinks: tuple[tuple[str, Sink], ...] = (
        ("metrics", metrics),
        ("log", write),
        (history.NAME, remember),
        (history.NAME, keep),
    )

    def observed(seen: Observation) -> None:
        if seen.charged:
            parts.budget.spend(seen.target.name, seen.charged)
        _tell_budget(parts, seen.target)
        metrics.isolated(parts.isolation(seen))
        for name, sink in sinks:
            try:
                sink(seen)
            except Exception as error:  # noqa: BLE001 - a sink's fault, whatever it is, is no one else's
                metrics.sink_error(name)
                structlog.get_logger().error("sink failed", sink=name, exc_info=error)

    return observed


def _tell_budget(parts: Watch, target: Target) -> None:
    parts.metrics.budget(target.name, parts.budget.left(target))


def _resting(parts: Watch, target: Target) -> bool:
    windows = parts.settings.maintenance
    return bool(windows) and active(windows, target, datetime.now(UTC))


# -- reload ------------------------------------------------------------------------------------------------------------


async def reload(parts: Watch, load: Load) -> str | None:
    """Take the config as it is now, whole or not at all; return what is wrong with it, None once it is in force."""
    async with parts.changing:
        systemd.reloading()
        try:
            config = await asyncio.to_thread(load)
            await asyncio.to_thread(make_ready, config)
            if parts.access is not None:
                await asyncio.to_thread(parts.access.refresh)
        except (ConfigError, OSError) as error:
            return _refuse(parts, str(error))
        except Exception as error:  # noqa: BLE001 - a bug in what reads it leaves the old config in force, too
            parts.failed(error)
            return _refuse(parts, f"reading it failed: {type(error).__name__}")
        found = _discovery(parts, config, parts.discovery)
        targets = await _watched(config, await found.refresh())
        if parts.signals.stop.is_set():
            return "the monitor is stopping"
        await _replace(parts, config, targets)
        await parts.carrier.renew(config.settings.limits, config.settings.network)
        _config_loaded(parts)
        _go_on_finding(parts, found)
        systemd.notify("READY=1", _status(parts))
        structlog.get_logger().info("reloaded", targets=len(parts.targets))
        return None


async def _look_at_file(parts: Watch, load: Load) -> None:
    """Reload, where the config asks for it, once its file says something else and has said so for two looks."""
    before = refused = None
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        text = await asyncio.to_thread(_text, parts) if parts.settings.monitor.reload_on_change else None
        settled, before = text == before, text
        if settled and text not in {None, refused, parts.config.document.fingerprint}:
            try:
                refused = text if await reload(parts, load) is not None else None
            except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
                parts.failed(error)
                refused = text


def _text(parts: Watch) -> str | None:
    """Return the text of the config's files; None if one cannot be read, as while it is being replaced."""
    return fingerprint(parts.config.document, os.environ)


def _refuse(parts: Watch, why: str) -> str:
    """Say why the old config stays."""
    parts.metrics.config_loaded("", ok=False, timestamp=time.time())
    structlog.get_logger().error("reload refused, the old config stays", why=why)
    systemd.notify("READY=1", "STATUS=reload refused, the old config stays")
    return why


async def _watched(config: Config, found: Sequence[Target]) -> tuple[Target, ...]:
    """Return what is watched here of a config and of what was discovered; thousands of targets take a while."""
    return await asyncio.to_thread(lambda: config.along_with(found).here)


async def _replace(parts: Watch, config: Config, targets: tuple[Target, ...]) -> None:
    """Put a config, and what is watched by it, in the old ones' place, by difference."""
    settings = config.settings
    needs_restart = [
        name
        for name in ("web", "log", "metrics", "history")
        if getattr(settings, name) != getattr(parts.settings, name)
    ]
    if needs_restart:
        structlog.get_logger().warning("changed, and in force after a restart only", tables=needs_restart)
    known = {target.name: target for target in parts.targets}
    wanted = {target.name: target for target in targets}
    for name in known.keys() - wanted.keys():
        parts.metrics.remove(name)
        parts.recent.forget(name)
        parts.isolation.forget(name)
        parts.diagnosis.forget(name)
    parts.metrics.relabel(_label_names(targets))
    for name, target in wanted.items():
        if known.get(name) != target:
            parts.metrics.add(target)
    parts.schedule.probe = _probe(parts, settings)
    if settings.limits != parts.settings.limits:
        parts.budget.total = settings.limits.tokens_per_day
        parts.schedule.limit(settings.limits)
    parts.secrets = _secrets(parts.targets) | _secrets(targets)
    parts.config, parts.targets = config, targets
    parts.recent.share(len(targets))
    for target in targets:
        _tell_budget(parts, target)
    parts.schedule.update(targets)
    await parts.carrier.let_go(known.keys() - wanted.keys())


def _secrets(targets: Iterable[Target]) -> frozenset[str]:
    return frozenset(secret for target in targets for secret in secrets_of(target))


def _config_loaded(parts: Watch) -> None:
    """Say which config is in force; secrets are not in its hash, for no repr shows them."""
    urls = [public_url(target.url) for target in parts.config.here]  # no repr shows those either
    digest = hashlib.sha256(repr((parts.settings, parts.config.here, urls)).encode()).hexdigest()
    parts.metrics.config_loaded(digest, ok=True, timestamp=time.time())


# -- discovery ---------------------------------------------------------------------------------------------------------


def _discovery(parts: Watch, config: Config, before: Discovery | None = None) -> Discovery:
    """Return what reads the sources of a config; what was read until now stands where a source cannot be read."""

    def refreshed(source: str, ok: bool) -> None:  # noqa: FBT001 - as Told has it
        parts.metrics.discovered(source, ok=ok)

    def wrong(source: str, text: str) -> None:
        structlog.get_logger().warning("a source of targets is not in order", source=source, why=text)

    return discovery.of_config(
        config, discovery.DiscoveryCallbacks(refreshed, wrong, parts.failed), os.environ, before=before
    )


def _go_on_finding(parts: Watch, found: Discovery) -> None:
    """Have the sources read again and again, instead of those of the config before."""
    if parts.discovery is not None and parts.finding is not None:
        parts.discovery.retire()
        parts.finding.cancel()
        for name in {one.name for one in parts.discovery.sources} - {one.name for one in found.sources}:
            parts.metrics.undiscovered(name)

    async def changed(targets: tuple[Target, ...]) -> None:
        async with parts.changing:
            watched = await _watched(parts.config, targets)
            if not parts.signals.stop.is_set():
                await _replace(parts, parts.config, watched)
                systemd.notify(_status(parts))
                structlog.get_logger().info("other targets were discovered", targets=len(parts.targets))

    parts.discovery, parts.finding = found, parts.begin(found.run(changed))


def make_ready(config: Config) -> None:
    """Read the files of a config's probes before one needs them: certificates, and what asks a name server."""
    resolver(config.settings.network)
    read_certificates(config.here)


def read_certificates(targets: Iterable[Target]) -> None:
    """Make the TLS contexts anew, before a probe needs them: that reads files. OSError names the target."""
    secure = [target for target in targets if target.url.lower().startswith("https:")]
    for target in secure:
        try:
            tls_context.__wrapped__(target.tls)
        except OSError as error:
            raise OSError(f"target {target.name!r}: a file of `tls` cannot be used: {error}") from error
    tls_context.cache_clear()
    for target in secure:
        tls_context(target.tls)


# -- the web -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _served(parts: Watch, load: Load | None) -> AsyncIterator[Server]:
    web = parts.settings.web
    access = parts.access
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most, scarce = bounded(web.max_connections, parts.settings.limits.concurrency, descriptors)
    if scarce is not None:
        structlog.get_logger().warning("too few descriptors", why=scarce)
    app = application(_source(parts, load), access=access)
    server = await serve(app, web.host, web.port, tls=access.context if access else None, most=most)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        if access is not None:
            stack.callback(access.close)
            await stack.enter_async_context(_every(parts, _REFRESH_EVERY, lambda _: parts.begin(_refreshed(access))))
        yield server


async def _refreshed(access: Access) -> None:
    """Take users and certificate of the web config file as they are now, or say why they stay as they were."""
    try:
        if await asyncio.to_thread(access.refresh):
            structlog.get_logger().info("web config file read anew")
    except (ConfigError, OSError) as error:
        structlog.get_logger().error("web config file refused, what it said before stays", why=str(error))


def _source(parts: Watch, load: Load | None) -> Source:
    def target_counts(name: str) -> TargetCounts:
        counts = parts.recent.counts(name)
        return TargetCounts(counts.probes, counts.accepted, counts.truncated)

    def find(probe_id: str) -> Observation | None:
        seen = parts.recent.find(probe_id)
        return None if seen is None else parts.diagnosis.known(seen)  # its upstream's failure may have shown since

    def recent(name: str) -> Sequence[Observation]:
        return tuple(map(parts.diagnosis.known, parts.recent.of(name)))

    async def probe(name: str) -> Observation:
        try:
            return await parts.schedule.ask(name, "api")
        except BusyError as error:
            raise RefusedError(str(error)) from error

    async def scrape(name: str, within: float | None) -> Observation:
        try:
            async with asyncio.timeout(within):
                inside = None if within is None else within * _SCRAPE_SHARE
                return await (parts.schedule.join(name) or parts.schedule.ask(name, "scrape", inside))
        except BusyError as error:
            raise RefusedError(str(error)) from error

    return Source(
        targets=lambda: parts.targets,
        recent=recent,
        find=find,
        counts=target_counts,
        ready=lambda: parts.schedule.running and not parts.signals.stop.is_set(),
        metrics=parts.metrics.pieces,
        counted=parts.metrics.http_request,
        started=datetime.now(UTC),
        reload=None if load is None else lambda: reload(parts, load),
        probe=probe,
        history=_history_reader(parts.settings.history.path),
        scrape=scrape if parts.settings.web.probe else None,
        exposition=one_probe.exposition,
        failed=lambda _, error: parts.failed(error),
        location=parts.settings.monitor.location,
        allowed_hosts=frozenset(parts.settings.web.allowed_hosts),
    )


def _history_reader(path: str | None) -> HistoryReader | None:
    """Return the queries of the history's file, if there is one."""
    if path is None:
        return None
    file = Path(path)

    def newest(query: ProbeQuery) -> list[dict[str, Any]]:
        return store.newest(file, query.limit, target=query.target, failed=query.failed)

    return HistoryReader(newest, partial(store.find, file))


# -- what goes on beside ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _remembering(parts: Watch) -> AsyncIterator[None]:
    """Keep today's tokens in systemd's state directory, where there is one, so that no restart forgets them."""
    directory = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if not directory:
        yield
        return
    path, say = Path(directory) / "budget.json", structlog.get_logger()
    if (wrong := await asyncio.to_thread(restore, parts.budget, path)) is not None:
        say.warning("tokens spent before are not known", why=wrong)
    saved, turn = parts.budget.dump(), asyncio.Lock()

    async def save_if_changed() -> None:
        nonlocal saved
        async with turn:  # two writers would spoil each other's file
            if (now := parts.budget.dump()) != saved:
                saved = now
                if (wrong := await asyncio.to_thread(save, now, path)) is not None:
                    parts.metrics.sink_error("history")
                    say.warning("tokens spent are not kept", why=wrong)

    async with _every(parts, _SAVE_EVERY, lambda _: parts.begin(save_if_changed())):
        yield
    await save_if_changed()


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
async def _every(parts: Watch, seconds: float, act: Callable[[float], object]) -> AsyncIterator[None]:
    """Do something every so many seconds, told how late it is."""

    async def acting() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(seconds)
            try:
                act(max(time.monotonic() - before - seconds, 0.0))
            except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
                parts.failed(error)

    task = asyncio.create_task(acting())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _follow(parts: Watch) -> None:
    """Follow the wall clock where it stepped: APScheduler goes by it."""
    if parts.schedule.follow_clock():
        structlog.get_logger().warning("the wall clock has stepped; the schedule is armed anew")


def _label_names(targets: Iterable[Target]) -> tuple[str, ...]:
    return tuple(sorted({name for target in targets for name in target.labels}))
