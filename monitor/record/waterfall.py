"""The geometry of a probe's waterfall: its bars and lanes on one time axis.

Pure numbers: the terminal draws them in columns, the pages as SVG in per cent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import UNSET

from monitor.record.probe_event import EventRow, ProbeEvent
from monitor.stream.recording import Kind

STREAM = "stream"
STEPS = (
    ("dns", "dns"),
    ("connect", "connect"),
    ("tls", "tls"),
    ("request", "request_sent"),
    ("headers", "headers"),
    ("first_chunk", "first_chunk"),
    (STREAM, "last_chunk"),
)
"""Each step and the clock that ends it."""
REST = "rest"
"""The bar from the last completed step to the end."""
OUTPUT = "output"
_LANES: tuple[tuple[str, frozenset[str]], ...] = (
    (OUTPUT, frozenset({Kind.OUTPUT, Kind.REASONING, Kind.TOOL_CALL, Kind.REFUSAL})),
    ("ping", frozenset({Kind.PING})),
    ("other", frozenset({Kind.META})),
    ("end", frozenset({Kind.FINISH, Kind.DONE})),
    ("fault", frozenset({Kind.FAILURE, Kind.MALFORMED, Kind.PARTIAL})),
)
_SHOWN_REST = 0.0005
_SHORTEST = 1e-6


class Bar(NamedTuple):
    """One step with its start and end in seconds."""

    step: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Lane:
    """All events of one kind, in order of time."""

    name: str
    events: Sequence[EventRow] = ()
    reads: int = 0
    """The number of network reads that carried them."""

    @property
    def times(self) -> list[float]:
        """The time of each in seconds."""
        return [event.time for event in self.events]

    def cells(self, total: float, cells: int) -> Counter[int]:
        """Return how many events are in each of `cells` + 1 cells of an axis from 0 to `total`."""
        return Counter(place(event.time, total, cells) for event in self.events)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The waterfall of one probe: a bar for each step, a lane for each kind of event, an axis from 0 to `total`."""

    bars: tuple[Bar, ...]
    lanes: tuple[Lane, ...]
    total: float

    def lane(self, name: str) -> Lane:
        """Return a lane, which may be empty."""
        return next((lane for lane in self.lanes if lane.name == name), Lane(name))


def waterfall(event: ProbeEvent) -> Waterfall:
    """Return the geometry of a probe's event; without its timeline there are no lanes."""
    bars, lanes = tuple(_bars(event)), tuple(_lanes(event))
    ends = [bar.end for bar in bars] + [lane.events[-1].time for lane in lanes]
    return Waterfall(bars, lanes, max([event.duration, event.timings.end or 0.0, _SHORTEST, *ends]))


def place(time: float, total: float, cells: int) -> int:
    """Return the cell of a time on an axis of `cells` from 0 to `total`."""
    return min(round(time / total * cells), cells)


def _bars(event: ProbeEvent) -> Iterator[Bar]:
    start = 0.0
    for step, clock in STEPS:
        if (reached := getattr(event.timings, clock)) is not UNSET:
            end = max(reached, start)
            yield Bar(step, start, end)
            start = end
    if event.duration - start > _SHOWN_REST or start == 0:
        yield Bar(REST, start, max(event.duration, start))


def _lanes(event: ProbeEvent) -> Iterator[Lane]:
    """Yield the lanes that have events; an unknown kind is not drawn."""
    if not event.timeline:
        return
    ends = [read.offset + read.size for read in event.timeline.arrivals]
    for name, kinds in _LANES:
        if found := sorted((one for one in event.timeline.events if one.kind in kinds), key=lambda one: one.time):
            yield Lane(name, found, len({bisect_left(ends, one.offset) for one in found}))
