"""The interface of the web application to the daemon: callables and values, so that it does not import the daemon."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitor import __version__
from monitor.maintenance import SetWindow, WindowRequest
from monitor.record.observation import Observation
from monitor.record.probe_event import ProbeEvent
from monitor.settings import Maintenance
from monitor.sinks.history_queries import Event
from monitor.sinks.memory import RecentProbe, TargetMemory
from monitor.target import Target
from monitor.web.failure_query import FailureQuery
from monitor.web.listing import ProbeQuery
from monitor.web.pages import Neighbours
from monitor.web.target_history import RollupReader

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """Raised by `Source.probe` if a probe may not start now (budget, limits, one in flight); its text is shown."""


def report(handler: str, error: Exception) -> None:
    """Log an exception of a handler with its traceback."""
    _log.error("a request to %s failed", handler, exc_info=error)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class HistoryReader:
    """Queries of the history's file. They run in a thread and raise StoreError."""

    newest: Callable[[ProbeQuery], list[Event]]
    """Events without their timelines, newest first."""
    find: Callable[[str], Event | None]
    """The event of a probe id, with its timeline."""
    neighbours: Callable[[str], Neighbours]
    """The probes of the same target around a probe id."""
    rollups: RollupReader
    failures: Callable[[FailureQuery], list[ProbeEvent]]
    """The newest failures that a query selects, newest first, one more than a page shows."""


@dataclass(frozen=True, slots=True)
class WindowSource:
    """The maintenance windows, and the actions of users on them."""

    configured: Callable[[], Sequence[Maintenance]]
    """Those of the config."""
    set: Callable[[], Sequence[SetWindow]]
    """Those that were set and have not ended."""
    add: Callable[[WindowRequest, str], Awaitable[SetWindow]]
    """Sets a window for the user of this name; ValueError or ConfigError says why not."""
    end: Callable[[str, str], Awaitable[SetWindow | None]]
    """Ends the window of an id for a user, and returns it; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The application's data and actions. Everything is called in the event loop's thread."""

    targets: Callable[[], Sequence[Target]]
    recent: Callable[[str], Sequence[RecentProbe]]
    """The recent probes of a target, newest first."""
    find: Callable[[str], RecentProbe | None]
    """The probe with an id, if it is in memory."""
    memory: Callable[[str], TargetMemory]
    """The state and the counts of a target."""
    ready: Callable[[], bool]
    """Whether the config is loaded, the schedule is armed, and the monitor is not draining; independent of targets."""
    metrics: Callable[[str], tuple[Iterable[bytes], str]]
    """Takes the Accept header; returns the body in pieces, which are made when they are taken, and its content type."""
    counted: Callable[[str, int], None]
    """Called for every request with its route (a closed set) and status."""
    started: datetime
    reload: Callable[[], Awaitable[str | None]] | None = None
    """Returns None when the new config is in use, else what is wrong with it."""
    suspects: Callable[[RecentProbe], None] = lambda _: None
    """Sets the current suspects of a probe: evidence may have arrived after it ended."""
    probe: Callable[[str], Awaitable[Observation]] | None = None
    scrape: Callable[[str, float | None], Awaitable[Observation]] | None = None
    """Returns the target's probe in flight, else a new one, within this many seconds; None if that is disabled.

    RefusedError if it may not start, TimeoutError if the one in flight takes longer.
    """
    resting: Callable[[Target], datetime | None] = lambda _: None
    """Returns until when a target is in a maintenance window; None if it is in none."""
    windows: WindowSource | None = None
    """None if windows can be neither listed nor set."""
    history: HistoryReader | None = None
    """The history; None if none is configured."""
    exposition: Callable[[Observation], tuple[bytes, str]] | None = None
    """One probe as gauges, and their content type."""
    failed: Callable[[str, Exception], None] = report
    """Called with the route and each unhandled exception of a handler."""
    version: str = __version__
    location: str = ""
    allowed_hosts: frozenset[str] = field(default_factory=frozenset)
    """Accepted host names besides loopback names and the listen address."""
    now: Callable[[], datetime] = _now
