"""The page of all targets: what needs somebody first."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.record.target_summary import State
from monitor.web.overview import SORTS, TITLES, Overview
from monitor.web.pages.environment import About, render
from monitor.web.tones import Tone
from monitor.web.words import count

_NEWS = {
    State.DOWN: Tone.CUT,
    State.AT_RISK: Tone.ODD,
    State.NOT_PROVEN: Tone.UNSURE,
    State.OK: Tone.GOOD,
    State.PAUSED: Tone.NONE,
}


def status(overview: Overview, about: About) -> str:
    """Return the page of all targets."""
    headline, news = headline_of(overview.counts)
    values = {
        "headline": headline,
        "news": news,
        "overview": overview,
        "summaries": {
            section.state: [
                (view, view.summary(about.now, last=section.state not in {State.OK, State.PAUSED}))
                for view in section.shown
            ]
            for section in overview.sections
        },
        "sorts": SORTS,
        "states": TITLES,
        "state_news": _NEWS,
        "live": True,
    }
    return render("status.html", about, values, news=news)


def headline_of(counts: Mapping[State, int]) -> tuple[str, Tone]:
    """Return how things stand in a few words, and what kind of news that is."""
    watched = sum(counts.values()) - counts.get(State.PAUSED, 0)
    if not watched:
        return ("All targets are paused" if counts.get(State.PAUSED) else "No targets"), Tone.NONE
    of = f"of {count(watched, 'target')}"
    for state, words in ((State.DOWN, "down"), (State.AT_RISK, "flaky or at risk"), (State.NOT_PROVEN, "not proven")):
        if number := counts.get(state):
            return f"{number:,} {of} {words}", _NEWS[state]
    return ("All " if watched > 1 else "") + f"{count(watched, 'target')} OK", Tone.GOOD
