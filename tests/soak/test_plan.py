"""Tests of the schedule of a soak."""

from __future__ import annotations

import pytest

from tests.soak.plan import ROUND, Act, End, filled_after, runs, warm_after


@pytest.mark.parametrize("minutes", [0.5, 2, 8, 60])
def test_runs_fill_the_time(minutes: float) -> None:
    """The runs take the requested time, unless the soak is too short for them."""
    found = list(runs(minutes * 60))
    assert sum(run.seconds for run in found) == pytest.approx(max(minutes * 60, 30))
    assert [run.end for run in found] == [End.TERM, End.KILL, End.KILL_FULL, End.TERM_TWICE, End.QUIESCED]


@pytest.mark.parametrize("minutes", [0.5, 2, 8, 60])
def test_the_long_run_has_every_act(minutes: float) -> None:
    """Every act is done at least once, in order, and before the run ends."""
    *_, long = runs(minutes * 60)
    assert {act for _, act in long.acts} == set(Act)
    times = [at for at, _ in long.acts]
    assert times == sorted(times)
    assert times[-1] < long.seconds


def test_most_of_a_long_soak_is_one_run() -> None:
    """Memory is fitted over a long run."""
    *short, long = runs(3600)
    assert long.seconds > 0.9 * 3600
    assert all(run.seconds <= 45 for run in short)
    assert warm_after(long.seconds) == 600


def test_every_act_has_its_turn() -> None:
    """The round has each act."""
    assert set(ROUND) == set(Act)


def test_memory_counts_when_its_stores_are_full() -> None:
    """Recent probes are all there when the slowest target that stayed has its last; a later target does not count."""
    ended = [("fast", 1.0), ("slow", 9.0), ("fast", 2.0), ("slow", 4.0), ("fast", 3.0), ("new", 20.0)]
    assert filled_after(ended, {"fast", "slow"}, 2) == 9.0
    assert filled_after(ended, {"fast", "slow"}, 3) == float("inf")
