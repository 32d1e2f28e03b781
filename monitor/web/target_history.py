"""What a target's probes came to in a span of time, from the rollups of the history or from the probes in memory.

Both make the same figures; what memory has is less. Reading the history waits for a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitor.record.probe_event import ProbeEvent
from monitor.record.rollup import DAY, HOUR, KEPT, MINUTE, Rollup, merged, rollup_of
from monitor.sinks.memory import RecentProbe
from monitor.web.span import TimeSpan
from monitor.web.words import parsed

WINDOWS = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
"""The spans, in seconds, by which availability and ratios are shown."""
SINCE_START = "since start"
_STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY)
_COLUMNS = 100
"""Columns of a chart at most."""
POINTS = DAY
"""Up to a span of so many seconds each minute is a point; beyond it a heatmap is drawn."""
LISTED = 50
"""Probes that are listed of a span."""

Series = list[tuple[int, Rollup]]


@dataclass(frozen=True, slots=True)
class TargetHistory:
    """The figures of one target in a span of time."""

    span: TimeSpan
    step: int
    """Seconds of a column."""
    columns: Series
    """What each column came to, with the Unix time of its beginning; one without a probe is left out."""
    points: Series
    """The same by the minute, if the span is short enough."""
    windows: Mapping[str, Rollup]
    """Since the start, or of the last 24 hours, 7 days and 30 days."""
    listed: Sequence[ProbeEvent] = ()
    """The newest probes of the span, newest first."""
    upstream: Series = field(default_factory=list)
    """The columns of the target behind it."""

    @property
    def total(self) -> Rollup:
        """What the whole span came to."""
        return merged(rollup for _, rollup in self.columns)


@dataclass(frozen=True, slots=True)
class RollupReader:
    """The questions that are asked of a history; each raises StoreError."""

    series: Callable[[str, int, float, float], Series]
    """A target's rollups of a length in seconds between two Unix times."""
    sums: Callable[[Sequence[str], Mapping[str, float]], dict[str, dict[str, Rollup]]]
    """By target, for each key what its probes came to since that Unix time."""
    between: Callable[[str, float, float, int], list[ProbeEvent]]
    """The newest probes of a target between two Unix times."""


def windows_since(now: datetime) -> dict[str, float]:
    """Return the Unix time at which each window begins."""
    return {name: now.timestamp() - seconds for name, seconds in WINDOWS.items()}


def from_rollups(reader: RollupReader, name: str, upstream: str | None, span: TimeSpan, now: datetime) -> TargetHistory:
    """Return the figures that the history has of a target; StoreError if it cannot be read."""
    start, end = span.start.timestamp(), span.end.timestamp()
    step = step_of(span.seconds)
    length = MINUTE if step < HOUR and now.timestamp() - start <= KEPT[MINUTE] else HOUR
    step = max(step, length)
    series = reader.series(name, length, start - start % length, end)
    behind = reader.series(upstream, length, start - start % length, end) if upstream else []
    return TargetHistory(
        span=span,
        step=step,
        columns=in_columns(series, step),
        points=series if length == MINUTE and span.seconds <= POINTS else [],
        windows=reader.sums([name], windows_since(now)).get(name, {}),
        listed=reader.between(name, start, end, LISTED),
        upstream=in_columns(behind, step),
    )


def from_memory(
    recent: Iterable[RecentProbe], counts: Rollup, upstream: Iterable[RecentProbe], span: TimeSpan
) -> TargetHistory:
    """Return the figures of the probes that memory has, newest first, and what was counted since the start."""
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
    """Return the seconds of a column, so that a span has a hundred at most."""
    return next((step for step in _STEPS if seconds <= step * _COLUMNS), _STEPS[-1])


def in_columns(series: Series, step: int) -> Series:
    """Return rollups merged into columns of `step` seconds that begin at whole ones of Unix time."""
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
