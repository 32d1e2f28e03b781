"""Times to first chunk of the recent probes of one target, a bar each, with the SLO's threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from monitor.record.probe_event import ProbeEvent
from monitor.web.tones import tone
from monitor.web.words import seconds

_HEADROOM = 1.08
_SHOWN_THRESHOLD = 4.0
"""A threshold of more than so many times the highest bar is not drawn: it would flatten them all."""


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: position and size in per cent of the chart."""

    event: ProbeEvent
    value: str
    x: str
    width: str
    y: str
    height: str
    look: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars from the oldest probe to the newest, and the height of the threshold if it is drawn."""

    columns: Sequence[Column]
    threshold: str
    threshold_y: str | None
    top: str
    """The value at the top of the axis."""
    caption: str


def chart(recent: Sequence[ProbeEvent], threshold: float) -> Chart:
    """Return the chart of `recent` (newest first)."""
    reached = [first for event in recent if (first := event.timings.first_chunk) is not UNSET]
    highest = max(reached, default=threshold)
    shown = threshold <= _SHOWN_THRESHOLD * highest
    top = (max(highest, threshold) if shown else highest) * _HEADROOM or 1.0
    caption = f"{len(recent)} probes, oldest first; the highest bar is {seconds(highest)}"
    return Chart(
        [_column(event, place, len(recent), top) for place, event in enumerate(reversed(recent))],
        seconds(threshold),
        percent(1 - threshold / top) if shown else None,
        seconds(top / _HEADROOM),
        caption if reached else "no recent probe reached its first chunk",
    )


def _column(event: ProbeEvent, place: int, number: int, top: float) -> Column:
    value = event.timings.first_chunk
    share = 0.04 if value is UNSET else max(value / top, 0.01)
    return Column(
        event,
        "no first chunk" if value is UNSET else seconds(value),
        percent((place + 0.1) / number),
        percent(0.8 / number),
        percent(1 - share),
        percent(share),
        f"{tone(event)}{' unreached' if value is UNSET else ''}",
    )


def percent(part: float) -> str:
    """Return a part of a whole as SVG has it."""
    return f"{100 * part:.2f}%"
