"""One stream on one axis of time: a bar for each step, a tick for each network read, the longest gap marked.

Drawn in HTML rows with an SVG strip in each: positions are per cent, so that it fits every width and text stays text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import ceil, log10
from typing import NamedTuple

from monitor.judge.verdict import Phase
from monitor.record.observation import Observation
from monitor.stream.recording import Kind
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
_REST = {
    Phase.CONNECT: "connecting",
    Phase.REQUEST: "sending the request",
    Phase.HEADERS: "waiting for the head",
    Phase.FIRST_EVENT: "waiting for an event",
    Phase.FIRST_CHUNK: "waiting for output",
    Phase.STREAM: "no more output",
    Phase.END: "tail",
}
_OUTPUT = frozenset({Kind.OUTPUT, Kind.REASONING, Kind.TOOL_CALL, Kind.REFUSAL})
_LANES: tuple[tuple[str, str, frozenset[Kind]], ...] = (
    ("output", "output", _OUTPUT),
    ("pings", "ping", frozenset({Kind.PING})),
    ("other events", "other", frozenset({Kind.META})),
    ("end", "end", frozenset({Kind.FINISH, Kind.DONE})),
    ("faults", "fault", frozenset({Kind.FAILURE, Kind.MALFORMED, Kind.PARTIAL})),
)
_CELLS = 1000
"""Ticks nearer to each other than a thousandth of the axis are one: a long stream draws no more than its width."""
_LABELS = 6
_FAR_RIGHT = 0.93
_SHOWN_REST = 0.0005


class Bar(NamedTuple):
    """One row: what, from when to when, and how it looks."""

    label: str
    start: float
    end: float
    look: str


def waterfall(seen: Observation) -> Markup:
    """Return the whole picture of one probe."""
    bars = list(_bars(seen))
    lanes = list(_lanes(seen))
    total = max([seen.duration, 1e-6, *(bar.end for bar in bars), *(times[-1] for _, _, times, _ in lanes)])
    rows = [_row(bar.label, _bar(bar, total), seconds(bar.end), seconds(bar.end - bar.start)) for bar in bars]
    rows += [_row(label, _ticks(times, look, total), told, None) for label, look, times, told in lanes]
    return h(
        "table",
        h("thead", h("tr", _heading("step"), h("th", _axis(total), class_="axis"), _heading("at"), _heading("took"))),
        h("tbody", *rows),
        class_="waterfall",
    )


def _heading(text: str) -> Markup:
    return h("th", text, scope="col")


def _row(label: str, drawing: Markup, at: str, took: str | None) -> Markup:
    told = (
        (h("td", at, class_="n", colspan=2),) if took is None else (h("td", at, class_="n"), h("td", took, class_="n"))
    )
    return h("tr", h("th", label, scope="row"), h("td", drawing, class_="lane"), *told)


def _bars(seen: Observation) -> Iterator[Bar]:
    start = 0.0
    for step, took in seen.steps.items():
        yield Bar(_STEPS[step], start, start + took, step)
        start += took
    if seen.duration - start > _SHOWN_REST or start == 0:
        news = tone(seen.verdict)
        look = "tail" if news in {Tone.GOOD, Tone.UNSURE, Tone.ODD} else news.value
        yield Bar(_REST[seen.verdict.phase], start, seen.duration, look)


def _lanes(seen: Observation) -> Iterator[tuple[str, str, list[float], str]]:
    """Yield every lane that has something on it: its label, look, times in order, and a word on it."""
    times: dict[str, list[float]] = {}
    number: dict[str, int] = {}
    lane_of = {kind: label for label, _, kinds in _LANES for kind in kinds}
    for arrival, kind, _ in seen.recording.events:
        label = lane_of[kind]
        times.setdefault(label, []).append(arrival.time)
        number[label] = number.get(label, 0) + 1
    for label, look, _ in _LANES:
        if label in times:
            yield label, look, sorted(times[label]), _told(label, number[label], times[label])


def _told(label: str, number: int, times: list[float]) -> str:
    if label == "output":
        return f"{count(number, 'chunk')}, {count(len(set(times)), 'read')}"
    return count(number, "event")


def _bar(bar: Bar, total: float) -> Markup:
    left, width = bar.start / total, max(bar.end - bar.start, 0.0) / total
    title = f"{bar.label}: {seconds(bar.start)} to {seconds(bar.end)}"
    return _strip(
        h("rect", h("title", title), x=_percent(left), width=_percent(max(width, 0.002)), y="15%", height="70%", rx=2,
          class_=f"bar {bar.look}"),
        label=title,
    )  # fmt: skip


def _ticks(times: list[float], look: str, total: float) -> Markup:
    cells = sorted({round(time / total * _CELLS) for time in times})
    drawn = [
        h("line", x1=_percent(cell / _CELLS), x2=_percent(cell / _CELLS), y1="15%", y2="85%", class_=f"tick {look}")
        for cell in cells
    ]
    gap = _longest_gap(times, total) if look == "output" else None
    return _strip(*([gap] if gap else []), *drawn, label=f"{look}: {count(len(cells), 'tick')}")


def _longest_gap(times: list[float], total: float) -> Markup | None:
    start, end = max(pairwise(times), key=lambda pair: pair[1] - pair[0], default=(0.0, 0.0))
    if end <= start:
        return None
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
