"""Messages that repeat: which pass, and what is counted."""

from __future__ import annotations

from itertools import count

import pytest

from monitor.sinks.repeats import MOST, MessageKind, Repeated, Repeats


def kind(text: str = "no descriptor is free", level: str = "warning", logger: str = "") -> MessageKind:
    """Return a message."""
    return MessageKind(level, logger, text)


@pytest.fixture
def repeats() -> Repeats:
    """Counts by a clock that goes a minute with each look."""
    minutes = count(0, 60)
    return Repeats(lambda: float(next(minutes)))


def test_the_first_of_a_kind_pass(repeats: Repeats) -> None:
    """Further messages of a kind are counted, for each period separately."""
    assert [repeats.passes(kind()) for _ in range(MOST + 3)] == [True] * MOST + [False] * 3
    assert repeats.next_period() == [Repeated(kind(), 3, 60.0)]
    assert repeats.passes(kind())
    assert repeats.next_period() == []


def test_numbers_make_no_new_kind(repeats: Repeats) -> None:
    """A descriptor or a port in the text; the last text is the one that is returned."""
    assert [repeats.passes(kind(f"socket {number} failed")) for number in range(MOST + 1)].count(False) == 1
    assert repeats.next_period() == [Repeated(kind(f"socket {MOST} failed"), 1, 60.0)]


def test_kinds_differ_by_level_text_and_library(repeats: Repeats) -> None:
    """Each is counted for itself."""
    kinds = (kind(), kind("other"), kind(level="error"), kind(logger="asyncio"))
    assert all(repeats.passes(one) for one in kinds for _ in range(MOST))
    assert repeats.next_period() == []


def test_kinds_are_bounded(repeats: Repeats) -> None:
    """The number of kinds is bounded: further texts count as one kind."""
    texts = ["".join(chr(ord("a") + int(digit)) for digit in str(number)) for number in range(1000 + MOST + 5)]
    assert sum(repeats.passes(kind(text)) for text in texts) == 1000 + MOST
    assert repeats.next_period() == [Repeated(kind("other messages"), 5, 60.0)]
