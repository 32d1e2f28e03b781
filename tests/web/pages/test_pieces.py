"""Tests of the fragments that more than one page shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor.web.markup import join
from monitor.web.pages.frame import About
from monitor.web.pages.pieces import badge, labels, last_probe, machine, quoting, sentence, strip, what_to_do
from monitor.web.rows import Row
from tests.web import scenes

ABOUT = About(now=scenes.NOW, started=scenes.STARTED, version="0")
TARGET = scenes.target()


def last(row: Row, about: About = ABOUT) -> str:
    """Return what is said of a row's last probe."""
    return join(*last_probe(row, about))


def test_the_strip_runs_from_the_oldest_to_the_newest() -> None:
    """Each outcome is a square with its letter and words; the whole is told to who cannot see it."""
    drawn = strip(scenes.series([scenes.cut(), scenes.complete(), scenes.complete()], TARGET))
    assert drawn.index("✓") < drawn.index(">T<")
    assert 'title="truncated/incomplete_body, 2026-11-22 22:09:48 UTC"' in drawn
    assert 'aria-label="last outcomes: 2 ok, 1 truncated/incomplete_body"' in drawn
    assert strip([]) == '<span class="sub">—</span>'


def test_a_badge_leads_to_its_probe() -> None:
    """Letter, word and colour of the outcome, and the way to the probe."""
    made = badge(scenes.stalled())
    assert made.startswith('<a href="/probes/01J0000000000000000000000A" class="badge cut"><b')
    assert ">S</b> stalled</a>" in made


def test_the_last_probe_in_words() -> None:
    """Cause, age, streak and flags stand beside the outcome; a lonely failure is no streak."""
    made = last(Row(TARGET, scenes.series([scenes.garbled(), scenes.cut()], TARGET)))
    for word in ("bad_response", "malformed_event", "12 s ago", "2 in a row", "unclean end: reset"):
        assert word in made
    assert "in a row" not in last(Row(TARGET, [scenes.cut()]))


def test_an_overdue_target_says_so() -> None:
    """A last probe older than the schedule explains is overdue."""
    row = Row(TARGET, [scenes.complete()])
    assert "overdue" not in last(row)
    assert "overdue" in last(row, replace(ABOUT, now=scenes.NOW + timedelta(hours=1)))


def test_empty_states() -> None:
    """A target without a probe says when to expect one; a paused one says that it is paused."""
    assert "no probe yet" in last(Row(TARGET))
    assert "every 60 s" in last(Row(TARGET))
    assert "paused" in last(Row(replace(TARGET, paused=True), [scenes.cut()]))


def test_what_to_do_is_the_table_of_meanings() -> None:
    """Seen, next and likely come from the one table that details and docs use."""
    made = what_to_do(scenes.unverified())
    assert "20 chunks and a clean end" in made
    assert "<b>Next: </b>configure <code>check</code>:" in made
    assert "Likely: nobody&#x27;s" in made


def test_sentences() -> None:
    """A detail becomes a sentence; nothing stays nothing; what it quotes is code, and escaped."""
    assert sentence("peer left") == "Peer left."
    assert sentence("") == ""
    assert quoting("see `<a>` now") == "see <code>&lt;a&gt;</code> now"


def test_labels_are_escaped() -> None:
    """A label's name and value are text; no labels are nothing."""
    made = labels({"team": scenes.CANARY})
    assert made is not None
    assert "team=&lt;script&gt;" in made
    assert labels({}) is None


def test_the_way_for_programs() -> None:
    """A page names its JSON, and how to probe now where that is possible."""
    assert "POST" not in machine("/api/v1/targets/a")
    assert "<code>POST /api/v1/targets/a/probe</code>" in machine("/api/v1/targets/a", "/api/v1/targets/a/probe")
