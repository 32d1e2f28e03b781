"""Timers: which ages of cuts one time-out can have made, and which only lie close together."""

from __future__ import annotations

import pytest

from monitor.diagnosis.timers import LAST_BYTE, REQUEST, Cut, Timer, may_be_one, timer_of, together


def flowing(*ages: float) -> list[Cut]:
    """Return cuts of streams that flowed until then, each after another number of chunks."""
    return [Cut(age, 0.05, 20 + number) for number, age in enumerate(ages)]


@pytest.mark.parametrize(
    ("ages", "timed"),
    [
        ((60.0, 60.0), False),
        ((30.02, 30.2, 30.11), True),
        ((15.0, 15.1, 15.2, 15.1, 9.9), True),
        ((15.0, 15.1, 7.1, 3.3, 9.9), False),
        ((2.0, 2.01, 2.0), True),
        ((4.3, 4.3, 4.3, 4.3, 4.3), False),
        ((4.9, 4.88, 4.95), True),
        ((0.6, 0.6, 0.6, 0.6, 0.6), False),
        ((7.3, 7.4, 7.5), False),
        ((47.3, 47.3, 47.4), False),
        ((47.3, 47.3, 47.4, 47.4), True),
        ((300.1, 301.9, 302.8), True),
        ((20.0, 20.6, 21.2), False),
        ((11.0, 19.0, 26.0, 34.0, 45.0), False),
        ((15.0, 15.1, 15.2, 15.1, 9.9, 7.0, 3.3), True),
        ((1.0, 1.05, 1.0), True),
        ((0.99, 1.0, 1.02), False),
        ((10.5, 10.5, 10.5, 10.5), True),
        ((9.5, 9.5, 9.5, 9.5), False),
        ((15.5, 15.6, 15.8), False),
        ((), False),
    ],
)
def test_which_ages_are_a_time_out(ages: tuple[float, ...], timed: bool) -> None:
    """Three and most of them, at an age that people set or that is exact; none that are short or only lie close."""
    assert (timer_of(flowing(*ages)) is not None) is timed


def test_what_stops_at_one_place_is_no_timer() -> None:
    """If the last piece was the same each time, only an exact round age is a timer."""
    assert timer_of([Cut(12.3, 0.05, 40)] * 5) is None
    assert timer_of([Cut(15.0, 0.05, 40)] * 3) is not None
    assert timer_of([Cut(15.3, 0.05, 40)] * 3) is None, "round, and not exact"
    assert timer_of([Cut(7.0, 0.05, 40)] * 3) is None, "exact, and not round"
    assert timer_of([Cut(12.3, 0.05, 1)] * 5) is None, "one piece is a place as well"
    assert timer_of([Cut(30.0, None, 0)] * 3) is not None, "nothing had come"


def test_the_timer_has_the_shortest_and_the_longest_of_its_ages() -> None:
    """The text has the middle of the ages and the distance to the shortest and the longest."""
    found = timer_of(flowing(30.02, 30.2, 30.11))
    assert found == Timer(30.02, 30.2, REQUEST)
    assert str(found) == "30.1 s +- 0.1 after the request"


@pytest.mark.parametrize(
    ("silence", "chunks", "timed"),
    [
        (4.5, (10, 20, 30), True),
        (4.0, (10, 20, 30), False),
        (2.0, (1, 1, 1), True),
        (2.0, (2, 2, 2), False),
        (1.0, (1, 1, 1), True),
        (0.9, (1, 1, 1), False),
        (None, (0, 0, 0), False),
    ],
    ids=["beyond four pauses", "four pauses", "after one chunk", "after two", "a second", "less", "nothing came"],
)
def test_how_long_a_silence_a_timer_ends(silence: float | None, chunks: tuple[int, ...], timed: bool) -> None:
    """A silence of a timer is more than four times the usual pause, at least a second, and needs several chunks."""
    ages = [10.0 + (silence or 0.3), 20.0 + (silence or 0.3), 30.0 + (silence or 0.3)]
    cuts = [Cut(age, silence, number) for age, number in zip(ages, chunks, strict=True)]
    assert (timer_of(cuts) is not None) is timed


def test_silence() -> None:
    """One silence before the cut, far longer than the pauses of the stream, at whatever age and of whatever length."""
    cuts = [Cut(20.0, 7.3, 60), Cut(11.0, 7.2, 30), Cut(9.0, 7.35, 9)]
    found = timer_of(cuts)
    assert found is not None
    assert (found.since, str(found)) == (LAST_BYTE, "7.3 s +- 0.1 after the last byte")
    assert [found.ended(cut) for cut in [*cuts, Cut(9.0, 5.0, 9), Cut(9.0, None, 0)]] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert timer_of([Cut(20.0, 2.0, 10), Cut(14.0, 2.0, 7), Cut(31.0, 2.1, 15)]) is None, "they pause that long anyway"


def test_what_a_timer_ends() -> None:
    """A timer explains ages within its spread and a small tolerance."""
    timer = Timer(59.9, 60.1, REQUEST)
    assert [timer.ended(cut) for cut in flowing(60.0, 59.6, 60.4, 58.0, 62.0)] == [True, True, True, False, False]
    late = Timer(100.0, 100.0, REQUEST)
    assert [late.ended(cut) for cut in flowing(99.0, 101.0, 98.9, 101.1)] == [True, True, False, False]


def test_what_may_be_one() -> None:
    """Two that lie together are too few to say that a timer ended them, or that none did."""
    assert may_be_one(flowing(15.0, 15.1))
    assert may_be_one([Cut(20.0, 7.3, 60), Cut(11.0, 7.2, 30)])
    assert may_be_one(flowing(1.0, 1.1))
    assert not may_be_one(flowing(15.0, 9.0))
    assert not may_be_one(flowing(0.3, 0.3))
    assert not may_be_one(flowing(15.0, 15.1, 3.0, 7.0))
    assert together([]) == []
    assert together([100.0, 101.0, 101.1]) == [100.0, 101.0]
