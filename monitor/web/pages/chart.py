"""Time to first chunk of the recent probes of one target, a bar each, against the SLO's threshold."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.record.observation import Observation
from monitor.web.markup import Markup, h
from monitor.web.pages.frame import probe_link
from monitor.web.rows import first_chunk
from monitor.web.tones import name, tone
from monitor.web.words import clock, seconds

_HEADROOM = 1.08
_SHOWN_THRESHOLD = 4.0
"""A threshold of more than so many times the highest bar is not drawn: it would flatten them all."""


def chart(recent: Sequence[Observation], threshold: float) -> Markup:
    """Return the chart of `recent` (newest first), drawn from the oldest to the newest."""
    reached = [found for seen in recent if (found := first_chunk(seen)) is not None]
    highest = max(reached, default=threshold)
    shown = threshold <= _SHOWN_THRESHOLD * highest
    top = (max(highest, threshold) if shown else highest) * _HEADROOM or 1.0
    bars = [_bar(seen, place, len(recent), top) for place, seen in enumerate(reversed(recent))]
    return h(
        "figure",
        h("svg", *bars, *(_threshold(threshold / top, threshold) if shown else ()), class_="chart"),
        h("figcaption", f"{len(recent)} probes, oldest first; the highest bar is {seconds(highest)}"
          if reached else "no recent probe reached its first chunk"),
    )  # fmt: skip


def _bar(seen: Observation, place: int, number: int, top: float) -> Markup:
    value = first_chunk(seen)
    told = "no first chunk" if value is None else seconds(value)
    share = 0.04 if value is None else max(value / top, 0.01)
    return h(
        "a",
        h("title", f"{clock(seen.timestamp)}: {name(seen.verdict)}, {told}"),
        h("rect", x=_percent((place + 0.1) / number), width=_percent(0.8 / number), y=_percent(1 - share),
          height=_percent(share), class_=f"{tone(seen.verdict)}{'' if value is not None else ' unreached'}"),
        href=probe_link(seen.probe_id),
    )  # fmt: skip


def _threshold(share: float, threshold: float) -> tuple[Markup, Markup]:
    y = _percent(1 - share)
    return (
        h("line", x1="0%", x2="100%", y1=y, y2=y, class_="threshold"),
        h("text", f"SLO {seconds(threshold)}", x="100%", y=y, dy="-4", text_anchor="end"),
    )


def _percent(part: float) -> str:
    return f"{100 * part:.2f}%"
