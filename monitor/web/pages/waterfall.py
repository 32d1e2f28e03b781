"""One stream on one time axis: a bar for each step, a tick for each read, and lines for deadlines and the end.

A template draws it as HTML rows with an SVG in each. Positions are per cent: it fits every width, and text is not
scaled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log1p, log10
from typing import NamedTuple

from msgspec import UNSET

from monitor.judge.verdict import Phase
from monitor.record import waterfall as geometry_of
from monitor.record.probe_event import EventRow, ProbeEvent, Timeline
from monitor.record.waterfall import OUTPUT, REST, Bar, place
from monitor.record.waterfall import waterfall as geometry
from monitor.target import Timeouts
from monitor.web.formatting import count, seconds
from monitor.web.pages.chart import AxisLabel, percent
from monitor.web.tones import Tone, tone

_STEPS = {
    "dns": "name look-up",
    "connect": "connect",
    "tls": "TLS handshake",
    "request": "request sent",
    "headers": "response head",
    "first_chunk": "first chunk",
    "stream": "stream",
}
# What the probe was doing between the last completed step and the end.
_REST: dict[str, str] = {
    Phase.CONNECT: "connecting",
    Phase.REQUEST: "sending the request",
    Phase.HEADERS: "waiting for the head",
    Phase.FIRST_EVENT: "waiting for an event",
    Phase.FIRST_CHUNK: "waiting for output",
    Phase.STREAM: "no more output",
    Phase.END: "tail",
}
_LANES = {"output": "output", "ping": "pings", "other": "other events", "end": "end", "fault": "faults"}
_CELLS = 1000
"""Ticks closer than a thousandth of the axis are drawn as one, which bounds the size of a long stream's drawing."""
_HALF, _MARGIN = 0.5, 0.05
_STALL, _UNUSUAL, _MARKED = 1.0, 5, 5
"""A gap is marked if it is at least a second and five times the median, at most five gaps."""
_LABELS = 6
_FAR_RIGHT = 0.93


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """A bar of one row: position and width in per cent of the axis."""

    title: str
    style: str
    x: str
    width: str


class Tick(NamedTuple):
    """The position of a tick, and its top: the higher, the more bytes."""

    x: str
    y: str


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line through all rows: a deadline, or the end."""

    title: str
    style: str
    x: str


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """One row: a bar, or ticks with the longest gap, and its texts."""

    label: str
    description: str
    at: str
    took: str | None = None
    bar: DrawnBar | None = None
    gaps: Sequence[DrawnBar] = ()
    """The longest gap, and other unusual ones."""
    ticks: Sequence[Tick] = ()
    style: str = ""
    """The style of the ticks."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole picture of one probe."""

    axis: Sequence[AxisLabel]
    lanes: Sequence[DrawnLane]
    lines: Sequence[DrawnLine] = ()
    omitted: str | None = None
    """The part of a very long stream that is not drawn."""


def waterfall(event: ProbeEvent, timeouts: Timeouts | None = None) -> Picture:
    """Return the picture of one probe; without its timeline only the steps, without time-outs no deadlines."""
    drawn = geometry(event)
    unit, factor = ("s", 1) if drawn.total >= 1 else ("ms", 1000)
    lanes = [_step(event, bar, drawn.total) for bar in drawn.bars]
    sizes = _sizes(event.timeline) if event.timeline else {}
    lanes += [_events(lane, drawn.total, sizes) for lane in drawn.lanes]
    omitted = _omitted(event.timeline) if event.timeline and event.timeline.thinned else None
    lines = sorted(_lines(event, timeouts, drawn.total), key=lambda line: line.style)
    return Picture(list(_labels(drawn.total * factor, unit)), lanes, lines, omitted)


def _sizes(timeline: Timeline) -> dict[EventRow, int]:
    """Return the payload bytes of each event."""
    events = sorted(timeline.events, key=lambda one: one.offset)
    before = [0, *(one.offset for one in events)]
    return {one: one.offset - start for one, start in zip(events, before, strict=False)}


def _lines(event: ProbeEvent, timeouts: Timeouts | None, total: float) -> Iterator[DrawnLine]:
    """Yield the deadlines that are on the axis, and the end if the stream was cut or timed out."""
    if timeouts is not None:
        last = event.timings.last_chunk
        deadlines = {
            "connect": timeouts.connect,
            "headers": timeouts.headers,
            "first chunk": timeouts.first_chunk,
            "idle": None if last is UNSET else last + timeouts.idle,
            "total": timeouts.total,
        }
        for name, at in deadlines.items():
            if at is not None and at <= total:
                yield DrawnLine(f"deadline {name}: {seconds(at)}", "deadline", percent(at / total))
    if tone(event) in {Tone.CUT, Tone.DOWN}:
        at = event.timings.end or event.duration
        yield DrawnLine(f"{event.verdict} after {seconds(at)}", "cutline", percent(at / total))


def _omitted(timeline: Timeline) -> str:
    omitted = f"{count(timeline.omitted_events or 0, 'event')} and {count(timeline.omitted_arrivals or 0, 'read')}"
    return f"{omitted} of this long stream are not stored; its figures include them"


def _step(event: ProbeEvent, bar: Bar, total: float) -> DrawnLane:
    label, style = _label(event, bar)
    title = f"{label}: {seconds(bar.start)} to {seconds(bar.end)}"
    width = max((bar.end - bar.start) / total, 0.002)
    mark = DrawnBar(title, style, percent(bar.start / total), percent(width))
    return DrawnLane(label, title, seconds(bar.end), seconds(bar.end - bar.start), mark)


def _events(lane: geometry_of.Lane, total: float, sizes: Mapping[EventRow, int]) -> DrawnLane:
    cells: dict[int, int] = {}
    for one in lane.events:
        at = place(one.time, total, _CELLS)
        cells[at] = cells.get(at, 0) + sizes.get(one, 0)
    most = max(cells.values())
    return DrawnLane(
        _LANES[lane.name],
        f"{lane.name}: {count(len(cells), 'tick')}",
        _counts(lane),
        gaps=list(_gaps(lane, total)) if lane.name == OUTPUT else (),
        ticks=[Tick(percent(cell / _CELLS), percent(_top(size, most))) for cell, size in sorted(cells.items())],
        style=lane.name,
    )


def _top(size: int, most: int) -> float:
    """Return the top of a tick as a fraction of the height: half for one byte, all but a margin for the most."""
    return _HALF - (_HALF - _MARGIN) * (log1p(size) / log1p(most) if most else 1.0)


def _label(event: ProbeEvent, bar: Bar) -> tuple[str, str]:
    """Return the name and style of a bar: the rest has the tone of the verdict."""
    if bar.step != REST:
        return _STEPS[bar.step], bar.step
    news = tone(event)
    style = "tail" if news in {Tone.GOOD, Tone.UNSURE, Tone.WARNING} else news.value
    return _REST.get(event.phase, "rest"), style


def _counts(lane: geometry_of.Lane) -> str:
    if lane.name == OUTPUT:
        return f"{count(len(lane.events), 'chunk')}, {count(lane.reads, 'read')}"
    return count(len(lane.events), "event")


def _gaps(lane: geometry_of.Lane, total: float) -> Iterator[DrawnBar]:
    """Yield the longest gap, and up to four others of at least a second that are unusually long."""
    pairs = sorted(pairwise(lane.times), key=lambda pair: pair[0] - pair[1])
    if not pairs or pairs[0][1] <= pairs[0][0]:
        return
    usual = pairs[len(pairs) // 2]
    least = max(_STALL, _UNUSUAL * (usual[1] - usual[0]))
    for rank, (start, end) in enumerate(pairs[:_MARKED]):
        if rank == 0 or end - start >= least:
            name = "gap" if rank else "longest gap"
            title = f"{name}: {seconds(end - start)}, from {seconds(start)} on"
            yield DrawnBar(title, "gap", percent(start / total), percent((end - start) / total))


def _round_step(total: float) -> float:
    """Return the smallest of 1, 2, 5, 10, ... that gives at most six labels."""
    rough = total / _LABELS
    power = 10.0 ** (ceil(log10(rough)) - 1)
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _labels(total: float, unit: str) -> Iterator[AxisLabel]:
    """Yield the labels of the axis from 0 to `total` at round values."""
    step = _round_step(total)
    digits = max(0, ceil(-log10(step) - 1e-9))
    for number in range(int(total / step + 1e-9) + 1):
        place = number * step / total
        anchor = "start" if number == 0 else "end" if place > _FAR_RIGHT else "middle"
        yield AxisLabel(f"{number * step:.{digits}f} {unit}", percent(place), anchor)
