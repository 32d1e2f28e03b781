"""The web server of a running daemon, and the functions that its pages and API call."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path

import structlog
from msgspec import UNSET

from monitor.config import ConfigError
from monitor.daemon.maintenance import resting, window_source
from monitor.daemon.parts import Load, Parts, every
from monitor.daemon.reload import reload
from monitor.judge.verdict import OUR_OWN
from monitor.record.observation import Observation, shown_url
from monitor.record.probe_event import EventError, ProbeEvent, read
from monitor.record.target_state import TargetState
from monitor.schedule import ProbeNotStartedError
from monitor.sinks import history_queries as store
from monitor.sinks.history_store import StoreError
from monitor.sinks.memory import RecentProbe
from monitor.sinks.metrics import one_probe
from monitor.target import Target
from monitor.web.access import Access
from monitor.web.app import application
from monitor.web.failure_query import MOST, FailureQuery
from monitor.web.listing import ProbeQuery
from monitor.web.pages import Neighbours
from monitor.web.server import Server, bounded, serve
from monitor.web.source import HistoryReader, RefusedError, Source
from monitor.web.target_history import RollupReader

REFRESH_EVERY = 60.0
"""Seconds between checks of the web config file and its certificate."""
_SCRAPE_SHARE = 0.9
"""The part of a scrape's time that its probe may take: the verdict and the response take the rest."""


@asynccontextmanager
async def served(parts: Parts, load: Load | None) -> AsyncIterator[Server]:
    """Serve the pages, the API and the metrics; re-read the web config file and its certificate at intervals."""
    web = parts.settings.web
    access = parts.access
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most, scarce = bounded(web.max_connections, parts.settings.limits.concurrency, descriptors)
    if scarce is not None:
        structlog.get_logger().warning("too few file descriptors", why=scarce)
    app = application(_source(parts, load), access=access)
    server = await serve(app, web.addresses, tls=access.context if access else None, most=most)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        if access is not None:
            stack.callback(access.close)
            await stack.enter_async_context(every(parts, REFRESH_EVERY, lambda _: parts.begin(_refreshed(access))))
        yield server


async def _refreshed(access: Access) -> None:
    """Use the current users and certificate of the web config file, or log why the previous ones stay in use."""
    try:
        if await asyncio.to_thread(access.refresh):
            structlog.get_logger().info("web config file reloaded")
    except (ConfigError, OSError) as error:
        structlog.get_logger().error("web config file rejected, the previous one stays in use", why=str(error))


def _source(parts: Parts, load: Load | None) -> Source:
    def suspects(probe: RecentProbe) -> None:  # a failure of its upstream may be known since
        if probe.observation is not None:
            probe.suspicions = parts.diagnosis.known(probe.observation).diagnosis

    async def probe(name: str) -> Observation:
        try:
            return await parts.schedule.ask(name, "api")
        except ProbeNotStartedError as error:
            raise RefusedError(str(error)) from error

    async def scrape(name: str, within: float | None) -> Observation:
        try:
            async with asyncio.timeout(within):
                inside = None if within is None else within * _SCRAPE_SHARE
                return await (parts.schedule.join(name) or parts.schedule.ask(name, "scrape", inside))
        except ProbeNotStartedError as error:
            raise RefusedError(str(error)) from error

    return Source(
        targets=lambda: parts.targets,
        recent=parts.recent.of,
        find=parts.recent.find,
        memory=parts.recent.memory,
        suspects=suspects,
        ready=lambda: parts.schedule.running and not parts.signals.stop.is_set(),
        metrics=parts.metrics.pieces,
        counted=parts.metrics.http_request,
        started=datetime.now(UTC),
        reload=None if load is None else lambda: reload(parts, load),
        probe=probe,
        resting=lambda target: resting(parts, target),
        windows=window_source(parts),
        history=history_reader(parts.settings.history.path),
        scrape=scrape if parts.settings.web.probe else None,
        exposition=one_probe.exposition,
        failed=lambda _, error: parts.failed(error),
        location=parts.settings.monitor.location,
        allowed_hosts=frozenset(parts.settings.web.allowed_hosts),
    )


def history_reader(path: str | None) -> HistoryReader | None:
    """Return the queries of the history's file, if there is one."""
    if path is None:
        return None
    file = Path(path)

    def newest(query: ProbeQuery) -> list[store.Event]:
        return store.newest(file, query.limit, target=query.target, failed=query.failed, begins=query.begins)

    def neighbours(probe_id: str) -> Neighbours:
        return Neighbours(*store.neighbours(file, probe_id))

    def failures(query: FailureQuery) -> list[ProbeEvent]:
        start, end = ((at.timestamp() if at else default) for at, default in ((query.start, 0.0), (query.end, inf)))
        found = store.failures(file, start, end, query.cause, MOST + 1)
        return [read(event) for event in found]

    def between(target: str, start: float, end: float, limit: int) -> list[ProbeEvent]:
        return [read(event) for event in store.between(file, target, start, end, limit)]

    rollups = RollupReader(partial(store.series, file), partial(store.sums, file), between)
    return HistoryReader(newest, partial(store.find, file), neighbours, rollups, failures)


@dataclass(frozen=True, slots=True)
class KeptProbes:
    """What the history has of the time before the start: the newest events of each target, and the states."""

    events: Mapping[str, Sequence[ProbeEvent]] = field(default_factory=dict)
    states: Mapping[str, TargetState] = field(default_factory=dict)

    def probed(self, targets: Iterable[Target]) -> dict[str, float]:
        """Return, for each target whose request is unchanged, when its last scheduled probe began, in Unix seconds."""
        found = ((one.name, next(self._scheduled(one), None)) for one in targets)
        return {name: _began(event) for name, event in found if event is not None}

    def ended(self, target: Target, *, good: bool = False) -> float | None:
        """Return when the last scheduled probe of a target, or the last that found it available, ended."""
        found = (event for event in self._scheduled(target) if event.available or not good)
        return next((_began(event) + (event.duration or 0.0) for event in found), None)

    def _scheduled(self, target: Target) -> Iterator[ProbeEvent]:
        """Return the conclusive scheduled probes of a target whose request is unchanged, newest first."""
        asked = (shown_url(target), target.protocol, target.model or UNSET)
        for event in self.events.get(target.name, ()):
            same = (event.url, event.protocol, event.model) == asked
            if same and event.trigger == "schedule" and event.outcome not in OUR_OWN:
                yield event


def _began(event: ProbeEvent) -> float:
    return datetime.fromisoformat(event.timestamp).timestamp()


async def kept_probes(parts: Parts) -> KeptProbes:
    """Read the history; the result is empty if there is no readable file."""
    path, each = parts.settings.history.path, parts.recent.each
    if path is None:
        return KeptProbes()

    def kept() -> KeptProbes:
        file = Path(path)
        events = {name: [read(event) for event in events] for name, events in store.of_each(file, each).items()}
        return KeptProbes(events, store.states(file))

    try:
        return await asyncio.to_thread(kept)
    except (StoreError, EventError) as error:
        structlog.get_logger().info("the pages start without the probes of the history", why=str(error))
        return KeptProbes()


def restoring(parts: Parts, kept: KeptProbes) -> Iterator[None]:
    """Show the history's newest probes before the first new ones, target by target."""
    for target in parts.targets:
        parts.recent.restore([target], kept.events, kept.states)
        if target.name in kept.states or target.name in kept.events:  # the former version kept events alone
            confirmed = parts.recent.memory(target.name).state.confirmed
            parts.metrics.restore(target.name, confirmed, kept.ended(target), kept.ended(target, good=True))
        yield
