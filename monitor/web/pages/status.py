"""The page of all targets, the most urgent first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from monitor.record.parts import Suspicion
from monitor.record.rollup import Rollup
from monitor.record.target_summary import State, TargetSummary
from monitor.web.formatting import count, ratio
from monitor.web.overview import SORTS, TITLES, Overview
from monitor.web.pages.chart import sparkline
from monitor.web.pages.environment import About, render
from monitor.web.pages.objectives import brief_cost, budget, left
from monitor.web.target_view import TargetView
from monitor.web.tones import Tone

_NEWS = {
    State.DOWN: Tone.CUT,
    State.AT_RISK: Tone.WARNING,
    State.NOT_PROVEN: Tone.UNSURE,
    State.OK: Tone.GOOD,
    State.PAUSED: Tone.NONE,
}


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One target: its view and summary, its times to the first chunk as a line, and its figures as text."""

    view: TargetView
    summary: TargetSummary
    points: str
    """The points of the line, in a box of 90 by 18."""
    threshold: str
    """The height of the SLO's threshold in that box; empty if it is outside."""
    truncated: str
    truncated_of: str
    late: bool
    """Whether a stream was truncated."""
    budget: str
    """The remaining error budget of availability."""
    left: str
    """The same in brief."""
    cost: str
    suspected: Sequence[Suspicion] = ()
    """Empty for a target that is OK."""


def status(overview: Overview, windows: Mapping[str, Mapping[str, Rollup]] | None, about: About) -> str:
    """Return the page of all targets; `windows` are the figures of the shown ones, by name."""
    headline, news = headline_of(overview.counts)
    values = {
        "headline": headline,
        "news": news,
        "overview": overview,
        "sections": [
            (section, [row(view, _figures(windows, view), about) for view in section.shown])
            for section in overview.sections
        ],
        "kept": windows is not None,
        "sorts": SORTS,
        "states": TITLES,
        "state_news": _NEWS,
        "live": True,
    }
    return render("status.html", about, values, news=news)


def _figures(windows: Mapping[str, Mapping[str, Rollup]] | None, view: TargetView) -> Mapping[str, Rollup] | None:
    return None if windows is None else windows.get(view.target.name, {})


def row(view: TargetView, windows: Mapping[str, Rollup] | None, about: About) -> StatusRow:
    """Return the row of one target; without a history its figures are since the start."""
    slo, since_start = view.target.slo, view.memory.counts
    day, month = (since_start if windows is None else windows.get(name, Rollup()) for name in ("24h", "30d"))
    firsts = [None if brief.first_chunk is UNSET else brief.first_chunk for brief in reversed(view.brief())]
    points, threshold = sparkline(firsts, slo.first_chunk.threshold)
    return StatusRow(
        view,
        view.summary(about.now, last=view.state not in {State.OK, State.PAUSED}),
        points,
        threshold,
        ratio(day.truncated, day.accepted),
        f"{count(day.truncated, 'stream')} of {day.accepted:,} accepted",
        day.truncated > 0,
        budget(month.available, month.probes, slo.availability),
        left(month.available, month.probes, slo.availability),
        brief_cost(day),
        () if view.state in {State.OK, State.PAUSED} else view.suspected,
    )


def headline_of(counts: Mapping[State, int]) -> tuple[str, Tone]:
    """Return the headline and its tone."""
    watched = sum(counts.values()) - counts.get(State.PAUSED, 0)
    if not watched:
        return ("All targets are paused" if counts.get(State.PAUSED) else "No targets"), Tone.NONE
    of = f"of {count(watched, 'target')}"
    for state, words in ((State.DOWN, "down"), (State.AT_RISK, "flaky or at risk"), (State.NOT_PROVEN, "not proven")):
        if number := counts.get(state):
            return f"{number:,} {of} {words}", _NEWS[state]
    return ("All " if watched > 1 else "") + f"{count(watched, 'target')} OK", Tone.GOOD
