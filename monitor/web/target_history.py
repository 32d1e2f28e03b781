"""A target's figures in a span of time, from the rollups of the history or from the probes in memory.

Both give the same figures; memory has fewer probes. Reading the history waits for the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitor.record.probe_event import ProbeEvent
from monitor.record.rollup import DAY, HOUR, KEPT, MINUTE, Rollup, merged, rollup_of
from monitor.sinks.memory import RecentProbe
from monitor.web.formatting import parsed
from monitor.web.span import TimeSpan

WINDOWS = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
"""The spans of availability and ratios, in seconds."""
SINCE_START = "since start"
_STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY)
_COLUMNS = 100
"""The most columns of a chart."""
POINTS = DAY
"""Up to this span in seconds each minute is a point; longer ones are drawn as a heatmap."""
LISTED = 50
"""The most probes that are listed."""

Series = list[tuple[int, Rollup]]


@dataclass(frozen=True, slots=True)
class TargetHistory:
    """The figures of one target in a span of time."""

    span: TimeSpan
    step: int
    """The length of a column in seconds."""
    columns: Series
    """The rollup of each column, with the Unix time of its start; columns without a probe are left out."""
    points: Series
    """The same by the minute, if the span is short enough."""
    windows: Mapping[str, Rollup]
    """Since the start, or of the last 24 hours, 7 days and 30 days."""
    listed: Sequence[ProbeEvent] = ()
    """The newest probes of the span, newest first."""
    upstream: Series = field(default_factory=list)
    """The columns of its upstream."""

    @property
    def total(self) -> Rollup:
        """The rollup of the whole span."""
        return merged(rollup for _, rollup in self.columns)


@dataclass(frozen=True, slots=True)
class RollupReader:
    """Queries of a history; each raises StoreError."""

    series: Callable[[str, int, float, float], Series]
    """A target's rollups of a length in seconds between two Unix times."""
    sums: Callable[[Sequence[str], Mapping[str, float]], dict[str, dict[str, Rollup]]]
    """By target, for each key the rollup since that Unix time."""
    between: Callable[[str, float, float, int], list[ProbeEvent]]
    """The newest probes of a target between two Unix times."""


def windows_since(now: datetime) -> dict[str, float]:
    """Return the Unix time at which each window begins."""
    return {name: now.timestamp() - seconds for name, seconds in WINDOWS.items()}


def from_rollups(reader: RollupReader, name: str, upstream: str | None, span: TimeSpan, now: datetime) -> TargetHistory:
    """Return the figures of a target from the history; StoreError if it cannot be read."""
    start, end = span.start.timestamp(), span.end.timestamp()
    step = step_of(span.seconds)
    length = MINUTE if step < HOUR and now.timestamp() - start <= KEPT[MINUTE] else HOUR
    step = max(step, length)
    series = reader.series(name, length, start - start % length, end)
    of_upstream = reader.series(upstream, length, start - start % length, end) if upstream else []
    return TargetHistory(
        span=span,
        step=step,
        columns=in_columns(series, step),
        points=series if length == MINUTE and span.seconds <= POINTS else [],
        windows=reader.sums([name], windows_since(now)).get(name, {}),
        listed=reader.between(name, start, end, LISTED),
        upstream=in_columns(of_upstream, step),
    )


def from_memory(
    recent: Iterable[RecentProbe], counts: Rollup, upstream: Iterable[RecentProbe], span: TimeSpan
) -> TargetHistory:
    """Return the figures of the probes in memory, newest first, and the counts since the start."""
    events = _within(recent, span)
    series = _series(events)
    step = step_of(span.seconds)
    return TargetHistory(
        span=span,
        step=step,
        columns=in_columns(series, step),
        points=series if span.seconds <= POINTS else [],
        windows={SINCE_START: counts},
        listed=events[:LISTED],
        upstream=in_columns(_series(_within(upstream, span)), step),
    )


def step_of(seconds: float) -> int:
    """Return the length of a column in seconds, so that a span has at most a hundred."""
    return next((step for step in _STEPS if seconds <= step * _COLUMNS), _STEPS[-1])


def in_columns(series: Series, step: int) -> Series:
    """Return rollups merged into columns of `step` seconds, aligned to Unix time."""
    found: dict[int, Rollup] = {}
    for at, rollup in series:
        found.setdefault(at - at % step, Rollup()).add(rollup)
    return sorted(found.items(), key=lambda column: column[0])


def _within(recent: Iterable[RecentProbe], span: TimeSpan) -> list[ProbeEvent]:
    """Return the events of the probes that began in a span."""
    return [probe.event for probe in recent if span.start <= (_began(probe) or span.start) <= span.end]


def _began(probe: RecentProbe) -> datetime | None:
    return parsed(probe.brief.timestamp or "")


def _series(events: Sequence[ProbeEvent]) -> Series:
    """Return each probe as a rollup of its second, oldest first."""
    moments = ((parsed(event.timestamp), event) for event in reversed(events))
    return [(int(at.timestamp()), rollup_of(event)) for at, event in moments if at is not None]
