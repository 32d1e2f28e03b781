"""The finished recording of a stream."""

from __future__ import annotations

from sys import getsizeof

import pytest

from monitor.stream.events import (
    Output,
)
from monitor.stream.recorder import Recorder
from monitor.stream.recording import ARRIVAL_BYTES, EVENT_BYTES, End, EndRule, Kind
from monitor.stream.statistics import (
    gaps,
)
from monitor.target import Terminator
from tests.stream.parts import TEXT, finished, recorded


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
    """A chunk takes some tens of bytes in addition to its text."""
    line = recorded(*[TEXT] * 10_000)
    assert sum(map(len, line.columns)) < 10_000 * 60
    assert (line.chunks, len(gaps(line))) == (10_000, 9_999)


def test_what_is_kept_of_a_stream_is_weighed() -> None:
    """The weight of a recording is that of its columns and its text."""
    line = recorded(*[Output("four")] * 100)
    assert line.weight == sum(map(len, line.columns)) + getsizeof("four" * 100)
    assert sum(map(len, line.columns)) == 100 * (ARRIVAL_BYTES + EVENT_BYTES)
    assert (ARRIVAL_BYTES, EVENT_BYTES) == (32, 13)
    assert (End().words, End().reason) == ("", None)


def test_what_can_be_read_of_it() -> None:
    """A recording has its bytes, its reads and the time of the last byte; an empty one has none."""
    line, empty = recorded(TEXT, TEXT), recorded()
    assert (line.bytes, line.reads, line.last_byte) == (20, 2, 2.0)
    assert (empty.bytes, empty.reads, empty.last_byte, list(empty.events)) == (0, 0, None, [])


def test_the_words_of_events() -> None:
    """The names of events in timelines are those of the contract."""
    assert [kind.value for kind in Kind] == [
        "output", "reasoning", "tool_call", "refusal", "meta", "ping", "finish", "done", "failure", "malformed",
        "partial",
    ]  # fmt: skip


def test_the_defaults_of_an_end() -> None:
    """Nothing of an end, and a rule that asks for one answer as a whole."""
    bare, rule = End(), EndRule()
    assert not any((bare.with_output, bare.early_ending, bare.trailing, bare.sequence_gap, rule.parts, rule.early))
    assert (bare.malformed_events, bare.malformed_amid, rule.choices) == (0, 0, 1)


@pytest.mark.parametrize(("end", "uncertainty"), [(100, 0.001), (96, 0.001), (95, 0.02)])
def test_line_ends_are_no_rest_of_a_read(end: int, uncertainty: float) -> None:
    """Two line ends of two bytes may follow what ends a read; anything more may be another segment."""
    recorder = Recorder()
    recorder.arrived(1.0, 0.001, 100, spread=0.02)
    recorder.record(TEXT, end)
    assert next(iter(finished(recorder).events))[0].uncertainty == uncertainty
