"""Tests of what is worked out of one target's recent observations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor.web.rows import Row
from monitor.web.tones import Tone
from tests.web import scenes

TARGET = scenes.target()


def test_a_target_never_probed() -> None:
    """Without an observation there is no news, no quantile, no failure and nothing overdue."""
    row = Row(TARGET)
    assert (row.last, row.tone, row.failing, row.failures_in_a_row) == (None, Tone.NONE, False, 0)
    assert row.first_chunk_quantile(0.5) is None
    assert not row.stale(scenes.NOW)


def test_the_last_probe_is_the_last_that_says_something() -> None:
    """A probe that we stopped hides neither the failure before it nor its streak."""
    recent = scenes.series([scenes.aborted(), scenes.cut(), scenes.reset(), scenes.complete(), scenes.cut()], TARGET)
    row = Row(TARGET, recent)
    assert row.last is recent[1]
    assert row.failing
    assert row.failures_in_a_row == 2


def test_where_all_probes_were_stopped_by_us_the_newest_is_shown() -> None:
    """Only outcomes of our own are shown as such, and are no failure."""
    recent = scenes.series([scenes.aborted()], TARGET)
    row = Row(TARGET, recent)
    assert (row.last, row.tone, row.failing) == (recent[0], Tone.OWN, False)


def test_quantiles_are_of_what_was_measured() -> None:
    """A quantile is one of the times themselves; probes without a first chunk have none."""
    made = [scenes.complete(first=first) for first in (0.3, 0.1, 0.2, 0.4)]
    row = Row(TARGET, scenes.series([*made, scenes.unreachable()], TARGET))
    assert [row.first_chunk_quantile(part) for part in (0.0, 0.5, 0.95)] == [0.1, 0.2, 0.4]


def test_overdue_after_three_intervals() -> None:
    """A newest probe older than three intervals and its total is overdue, unless the target is paused."""
    row = Row(TARGET, scenes.series([scenes.complete()], TARGET, age=0.0))
    late = scenes.NOW + timedelta(seconds=3 * TARGET.interval + TARGET.timeouts.total + 1)
    assert not row.stale(late - timedelta(seconds=2))
    assert row.stale(late)
    assert not Row(replace(TARGET, paused=True), row.recent).stale(late)
