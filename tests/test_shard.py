"""Which monitor probes which target: each has exactly one, and few move when a monitor is added."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.shard import Shard, parse, rank


def mine(name: str, index: int, count: int) -> bool:
    """Whether monitor `index` of `count` is the one that probes a target without replicas."""
    return Shard(index, count).rank(name) == 0


NAMES = tuple(f"target-{number}" for number in range(1000))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_target_has_one_monitor(count: int) -> None:
    """With any number of monitors exactly one probes a target."""
    assert all(sum(mine(name, index, count) for index in range(count)) == 1 for name in NAMES[:200])


@given(st.text(max_size=30), st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_any_name_has_one_monitor(name: str, count: int) -> None:
    """A name may hold any characters."""
    assert sum(mine(name, index, count) for index in range(count)) == 1


def test_shares_are_fair() -> None:
    """Of a thousand targets and four monitors, each probes about a quarter."""
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


@given(st.text(max_size=30), st.integers(1, 12), st.integers(1, 14))
@settings(max_examples=100, deadline=None)
def test_a_target_with_replicas_has_so_many_monitors(name: str, count: int, replicas: int) -> None:
    """As many shards probe a target as it has replicas, each with its own rank; all shards if there are fewer."""
    found = [one for index in range(count) if (one := Shard(index, count).rank(name, replicas)) is not None]
    assert sorted(found) == list(range(min(replicas, count)))


def test_the_first_replica_is_the_monitor_without_replicas() -> None:
    """Adding a replica moves no target: the monitor that probed it before keeps the first rank."""
    assert all(rank(name, index, 4) == 0 for name in NAMES for index in range(4) if mine(name, index, 4))


@pytest.mark.parametrize(
    ("text", "pod_name", "shard"),
    [
        ("1/1", "", Shard(0, 1)),
        ("3/4", "chat-monitor-0", Shard(2, 4)),
        ("auto/4", "chat-monitor-0", Shard(0, 4)),
        ("auto/12", "chat-monitor-eu-1-11", Shard(11, 12)),
    ],
)
def test_a_shard_by_number_or_by_pod(text: str, pod_name: str, shard: Shard) -> None:
    """A number counts from 1, a pod's ordinal from 0; a pod's name is read only for `auto`."""
    assert parse(text, pod_name) == shard


@pytest.mark.parametrize(
    ("text", "pod_name", "message"),
    [
        ("auto/4", "", "auto needs POD_NAME to end with the pod's ordinal, as in chat-monitor-0: ''"),
        ("auto/4", "chat-monitor-x7k2p", "auto needs POD_NAME to end with the pod's ordinal"),
        ("auto/4", "chat-monitor-4", "POD_NAME 'chat-monitor-4' is ordinal 4, and there are 4 shards"),
        ("auto/0", "chat-monitor-0", "there are 0 shards"),
        ("auto", "chat-monitor-0", "'auto' is not I/N with I from 1 to N, nor auto/N"),
        ("0/2", "", "'0/2' is not I/N with I from 1 to N, nor auto/N"),
        ("3/2", "", "'3/2' is not I/N with I from 1 to N, nor auto/N"),
        ("\u0663/4", "", "is not I/N"),
    ],
)
def test_what_is_no_shard(text: str, pod_name: str, message: str) -> None:
    """The error says what is wrong: the form, the number, or the pod's name."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text, pod_name)
