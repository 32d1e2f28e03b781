"""One stream on one axis of time: a bar for each step, a tick for each network read, the longest gap marked.

Drawn in HTML rows with an SVG strip in each: positions are per cent, so that it fits every width and text stays text.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, log10

from monitor.judge.verdict import Phase
from monitor.record.probe_event import ProbeEvent, Timeline
from monitor.record.waterfall import OUTPUT, REST, Bar, Lane
from monitor.record.waterfall import waterfall as geometry
from monitor.web.markup import Markup, h
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


def waterfall(event: ProbeEvent) -> Markup:
    """Return the whole picture of one probe; without its timeline, the steps alone."""
    drawn = geometry(event)
    rows = [
        _row(label, _bar(bar, label, look, drawn.total), seconds(bar.end), seconds(bar.end - bar.start))
        for bar in drawn.bars
        for label, look in (_label(event, bar),)
    ]
    rows += [_row(_LANES[lane.name], _ticks(lane, drawn.total), _told(lane), None) for lane in drawn.lanes]
    return h(
        "table",
        _thinned(event.timeline) if event.timeline and event.timeline.thinned else None,
        h(
            "thead",
            h("tr", _heading("step"), h("th", _axis(drawn.total), class_="axis"), _heading("at"), _heading("took")),
        ),
        h("tbody", *rows),
        class_="waterfall",
    )


def _thinned(timeline: Timeline) -> Markup:
    """Say how much of a very long stream is not drawn."""
    omitted = f"{count(timeline.omitted_events or 0, 'event')} and {count(timeline.omitted_arrivals or 0, 'read')}"
    return h("caption", f"{omitted} of this long stream are not kept; its figures are those of all of it")


def _heading(text: str) -> Markup:
    return h("th", text, scope="col")


def _row(label: str, drawing: Markup, at: str, took: str | None) -> Markup:
    told = (
        (h("td", at, class_="n", colspan=2),) if took is None else (h("td", at, class_="n"), h("td", took, class_="n"))
    )
    return h("tr", h("th", label, scope="row"), h("td", drawing, class_="lane"), *told)


def _label(event: ProbeEvent, bar: Bar) -> tuple[str, str]:
    """Return what a bar is called, and how it looks: the rest as good or bad as the verdict."""
    if bar.step != REST:
        return _STEPS[bar.step], bar.step
    news = tone(event)
    look = "tail" if news in {Tone.GOOD, Tone.UNSURE, Tone.ODD} else news.value
    return _REST.get(event.phase, "rest"), look


def _told(lane: Lane) -> str:
    if lane.name == OUTPUT:
        return f"{count(len(lane.events), 'chunk')}, {count(lane.reads, 'read')}"
    return count(len(lane.events), "event")


def _bar(bar: Bar, label: str, look: str, total: float) -> Markup:
    left, width = bar.start / total, (bar.end - bar.start) / total
    title = f"{label}: {seconds(bar.start)} to {seconds(bar.end)}"
    return _strip(
        h("rect", h("title", title), x=_percent(left), width=_percent(max(width, 0.002)), y="15%", height="70%", rx=2,
          class_=f"bar {look}"),
        label=title,
    )  # fmt: skip


def _ticks(lane: Lane, total: float) -> Markup:
    cells = sorted(lane.cells(total, _CELLS))
    drawn = [
        h(
            "line",
            x1=_percent(cell / _CELLS),
            x2=_percent(cell / _CELLS),
            y1="15%",
            y2="85%",
            class_=f"tick {lane.name}",
        )
        for cell in cells
    ]
    gap = _longest_gap(lane, total) if lane.name == OUTPUT else None
    return _strip(*([gap] if gap else []), *drawn, label=f"{lane.name}: {count(len(cells), 'tick')}")


def _longest_gap(lane: Lane, total: float) -> Markup | None:
    if (gap := lane.longest_gap) is None:
        return None
    start, end = gap
    title = f"longest gap: {seconds(end - start)}, from {seconds(start)} on"
    return h(
        "rect", h("title", title), x=_percent(start / total), width=_percent((end - start) / total), y="35%",
        height="30%", class_="gap",
    )  # fmt: skip


def _strip(*drawn: Markup, label: str) -> Markup:
    return h("svg", *drawn, role="img", aria_label=label)


def _axis(total: float) -> Markup:
    """Return the labels of the axis from 0 to `total` at round values."""
    unit, factor = ("s", 1) if total >= 1 else ("ms", 1000)
    return h("svg", *_labels(total * factor, unit), aria_hidden="true")


def _round_step(total: float) -> float:
    """Return the smallest of 1, 2, 5, 10, ... that needs no more than six labels."""
    rough = total / _LABELS
    power = 10.0 ** (ceil(log10(rough)) - 1)
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _labels(total: float, unit: str) -> Iterable[Markup]:
    step = _round_step(total)
    digits = max(0, ceil(-log10(step) - 1e-9))
    for number in range(int(total / step + 1e-9) + 1):
        place = number * step / total
        anchor = "start" if number == 0 else "end" if place > _FAR_RIGHT else "middle"
        yield h("text", f"{number * step:.{digits}f} {unit}", x=_percent(place), y="80%", text_anchor=anchor)


def _percent(part: float) -> str:
    return f"{100 * part:.2f}%"
