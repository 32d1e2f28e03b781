"""One stream on one axis of time: a bar for each step, a tick for each network read, the longest gap marked.

A template draws it in HTML rows with an SVG in each. Positions are per cent: it fits every width, and text stays text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log10

from monitor.judge.verdict import Phase
from monitor.record import waterfall as geometry_of
from monitor.record.probe_event import ProbeEvent, Timeline
from monitor.record.waterfall import OUTPUT, REST, Bar
from monitor.record.waterfall import waterfall as geometry
from monitor.web.pages.chart import AxisLabel, percent
from monitor.web.tones import Tone, tone
from monitor.web.words import count, seconds

_STEPS = {
    "dns": "name look-up",
    "connect": "connect",
    "tls": "TLS handshake",
    "request": "request sent",
    "headers": "response head",
    "first_chunk": "first chunk",
    "stream": "stream",
}
# What the time between the last step that was passed and the end was spent on.
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
"""Ticks nearer to each other than a thousandth of the axis are one: a long stream draws no more than its width."""
_LABELS = 6
_FAR_RIGHT = 0.93


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """A bar of one row: position and width in per cent of the axis."""

    title: str
    look: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """One row: a bar, or ticks with the longest gap, and what is written beside it."""

    label: str
    description: str
    at: str
    took: str | None = None
    bar: DrawnBar | None = None
    gap: DrawnBar | None = None
    ticks: Sequence[str] = ()
    """Positions of the ticks."""
    look: str = ""
    """How the ticks look."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole picture of one probe."""

    axis: Sequence[AxisLabel]
    lanes: Sequence[DrawnLane]
    omitted: str | None = None
    """How much of a very long stream is not drawn."""


def waterfall(event: ProbeEvent) -> Picture:
    """Return the picture of one probe; without its timeline, the steps alone."""
    drawn = geometry(event)
    unit, factor = ("s", 1) if drawn.total >= 1 else ("ms", 1000)
    lanes = [_step(event, bar, drawn.total) for bar in drawn.bars]
    lanes += [_events(lane, drawn.total) for lane in drawn.lanes]
    omitted = _omitted(event.timeline) if event.timeline and event.timeline.thinned else None
    return Picture(list(_labels(drawn.total * factor, unit)), lanes, omitted)


def _omitted(timeline: Timeline) -> str:
    omitted = f"{count(timeline.omitted_events or 0, 'event')} and {count(timeline.omitted_arrivals or 0, 'read')}"
    return f"{omitted} of this long stream are not kept; its figures are those of all of it"


def _step(event: ProbeEvent, bar: Bar, total: float) -> DrawnLane:
    label, look = _label(event, bar)
    title = f"{label}: {seconds(bar.start)} to {seconds(bar.end)}"
    width = max((bar.end - bar.start) / total, 0.002)
    mark = DrawnBar(title, look, percent(bar.start / total), percent(width))
    return DrawnLane(label, title, seconds(bar.end), seconds(bar.end - bar.start), mark)


def _events(lane: geometry_of.Lane, total: float) -> DrawnLane:
    cells = sorted(lane.cells(total, _CELLS))
    return DrawnLane(
        _LANES[lane.name],
        f"{lane.name}: {count(len(cells), 'tick')}",
        _told(lane),
        gap=_longest_gap(lane, total) if lane.name == OUTPUT else None,
        ticks=[percent(cell / _CELLS) for cell in cells],
        look=lane.name,
    )


def _label(event: ProbeEvent, bar: Bar) -> tuple[str, str]:
    """Return what a bar is called, and how it looks: the rest as good or bad as the verdict."""
    if bar.step != REST:
        return _STEPS[bar.step], bar.step
    news = tone(event)
    look = "tail" if news in {Tone.GOOD, Tone.UNSURE, Tone.ODD} else news.value
    return _REST.get(event.phase, "rest"), look


def _told(lane: geometry_of.Lane) -> str:
    if lane.name == OUTPUT:
        return f"{count(len(lane.events), 'chunk')}, {count(lane.reads, 'read')}"
    return count(len(lane.events), "event")


def _longest_gap(lane: geometry_of.Lane, total: float) -> DrawnBar | None:
    if (gap := lane.longest_gap) is None:
        return None
    start, end = gap
    title = f"longest gap: {seconds(end - start)}, from {seconds(start)} on"
    return DrawnBar(title, "gap", percent(start / total), percent((end - start) / total))


def _round_step(total: float) -> float:
    """Return the smallest of 1, 2, 5, 10, ... that needs no more than six labels."""
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
