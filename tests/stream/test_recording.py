"""What was recorded of a stream, once it has ended."""

from __future__ import annotations

from sys import getsizeof

import pytest

from monitor.stream.events import (
    Output,
)
from monitor.stream.recording import EndRule
from monitor.stream.statistics import (
    gaps,
)
from monitor.target import Terminator
from tests.stream.parts import TEXT, told


@pytest.mark.parametrize(
    ("rule", "declared"),
    [
        (EndRule(), True),
        (EndRule(declares_end=False), False),
        (EndRule(declares_end=False, declares_marker=True), True),
        (EndRule(Terminator.NONE, declares_marker=True), False),
    ],
)
def test_whether_an_end_is_declared(rule: EndRule, declared: bool) -> None:
    """Something in the stream can say that it is complete, unless the target says that nothing counts."""
    assert rule.declared is declared


def test_a_long_stream_is_kept_small() -> None:
    """A chunk costs some tens of bytes beside its text."""
    line = told(*[TEXT] * 10_000)
    assert sum(map(len, line.columns)) < 10_000 * 60
    assert (line.chunks, len(gaps(line))) == (10_000, 9_999)


def test_what_is_kept_of_a_stream_is_weighed() -> None:
    """Its weight is that of its columns and its text."""
    line = told(*[Output("four")] * 100)
    assert line.weight == sum(map(len, line.columns)) + getsizeof("four" * 100)


def test_what_can_be_read_of_it() -> None:
    """Its bytes, its reads and when the last byte came; nothing of an empty one."""
    line, empty = told(TEXT, TEXT), told()
    assert (line.bytes, line.reads, line.last_byte) == (20, 2, 2.0)
    assert (empty.bytes, empty.reads, empty.last_byte, list(empty.events)) == (0, 0, None, [])
