"""Which monitor watches what: every target has exactly one, and few move when a monitor is added."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.shard import mine

NAMES = tuple(f"target-{number}" for number in range(1000))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_target_has_one_monitor(count: int) -> None:
    """Of any number of monitors exactly one watches a target."""
    assert all(sum(mine(name, index, count) for index in range(count)) == 1 for name in NAMES[:200])


@given(st.text(max_size=30), st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_any_name_has_one_monitor(name: str, count: int) -> None:
    """A name may hold any characters."""
    assert sum(mine(name, index, count) for index in range(count)) == 1


def test_shares_are_fair() -> None:
    """Of a thousand targets and four monitors, each watches about a quarter."""
    shares = [sum(mine(name, index, 4) for name in NAMES) for index in range(4)]
    assert sum(shares) == 1000
    assert all(200 <= share <= 300 for share in shares)


def test_one_more_moves_only_what_it_takes() -> None:
    """A fifth monitor takes about a fifth, and no target moves between the four before it."""
    moved = [name for name in NAMES if mine(name, 4, 5)]
    stayed = [name for name in NAMES if name not in set(moved)]
    assert 150 <= len(moved) <= 250
    assert all([mine(name, i, 4) for i in range(4)] == [mine(name, i, 5) for i in range(4)] for name in stayed)


@pytest.mark.parametrize(
    ("name", "index"),
    [("gateway", 0), ("chat", 0), ("edge", 1), ("staging", 1), ("model-a", 2), ("", 0), ("知识库", 0)],
)
def test_who_watches_never_changes(name: str, index: int) -> None:
    """The same name has the same monitor on every machine and in every release."""
    assert [mine(name, number, 3) for number in range(3)] == [number == index for number in range(3)]
