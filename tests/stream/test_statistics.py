"""What a recording comes to in numbers."""

from __future__ import annotations

from collections import Counter

import pytest

from monitor.stream.endings import Deadline, Ending, EndKind
from monitor.stream.events import (
    Event,
    Partial,
)
from monitor.stream.recorder import Recorder
from monitor.stream.recording import Arrival, GapFigures
from monitor.stream.statistics import (
    buffered,
    figures,
    first_chunk,
    gaps,
    output_arrivals,
    silent_since_output,
    uncertainty,
)
from tests.stream.parts import DONE, PING, ROLE, STOP, TEXT, finished, running, told


def test_output_after_the_marker_is_no_arrival() -> None:
    """What comes after the marker makes no gap, however much it is."""
    line = told(TEXT, TEXT, STOP, DONE, TEXT, TEXT)
    assert (line.end.trailing, line.chunks, len(list(output_arrivals(line))), gaps(line)) == (True, 2, 2, [(1.0, 0.0)])


def test_uncertainty_of_what_shares_a_read() -> None:
    """A chunk that ends its read is as sure as the read's last byte, any other one only as sure as the read."""
    recorder = Recorder()
    recorder.arrived(1.0, 0.001, 50, spread=0.02)
    recorder.record(TEXT, 48)
    recorder.arrived(2.0, 0.001, 100, spread=0.03)
    recorder.record(TEXT, 80)
    recorder.record(TEXT, 98)
    line = finished(recorder)
    assert first_chunk(line) == Arrival(1.0, 0.001, 50)
    assert gaps(line) == [(1.0, 0.001 + 0.03)]
    assert uncertainty(line) == 0.03
    assert [at.uncertainty for at, _, _ in line.events] == [0.001, 0.03, 0.001]


def test_uncertainty_without_output() -> None:
    """If no chunk came, the marks alone say how sure the times are, and there is no gap."""
    recorder = Recorder()
    recorder.arrived(1.0, 0.004, 10)
    recorder.record(ROLE, 10)
    line = finished(recorder)
    assert (uncertainty(line), first_chunk(line), gaps(line)) == (0.004, None, [])


BUFFERED = {
    "five chunks in one read": ([1.0] * 5, True),
    "five in two reads within 5 %": ([1.0, 1.0, 1.04, 1.04, 1.04], True),
    "five in two reads at 5 %": ([20.0, 20.0, 21.0, 21.0, 21.0], True),
    "five in two reads beyond 5 %": ([1.0, 1.0, 1.055, 1.055, 1.055], False),
    "four chunks are too few": ([1.0] * 4, False),
    "three reads": ([1.0, 1.01, 1.02, 1.02, 1.02], False),
    "none": ([], False),
}


@pytest.mark.parametrize(("times", "held"), BUFFERED.values(), ids=BUFFERED.keys())
def test_buffered(times: list[float], held: bool) -> None:
    """Five or more chunks in at most two reads, within 5 % of the time to the first: something buffers."""
    recorder = Recorder()
    for number, (time, chunks) in enumerate(Counter(times).items(), start=1):
        recorder.arrived(time, 0.0, number * 100)
        for chunk in range(chunks):
            recorder.record(TEXT, number * 100 - chunks + 1 + chunk)
    assert buffered(finished(recorder)) is held


SILENT: dict[str, tuple[list[Event], int, bool]] = {
    "nothing after the output": ([TEXT], 0, True),
    "bytes after it": ([TEXT], 1, False),
    "a ping after it": ([TEXT, PING], 0, False),
    "half an event after it": ([TEXT, Partial()], 0, False),
    "no output": ([ROLE], 0, False),
    "nothing": ([], 0, False),
}


@pytest.mark.parametrize(("events", "more", "silent"), SILENT.values(), ids=SILENT.keys())
def test_silence(events: list[Event], more: int, silent: bool) -> None:
    """Silent is a stream of which nothing at all came after the last output."""
    recorder = running(*events)
    for number in range(more):
        recorder.arrived(99.0 + number, 0.0, 1000 + number)
    assert silent_since_output(finished(recorder)) is silent


@pytest.mark.parametrize(("between", "silent"), [((), True), ((2.0, 3.0), False), ((3.4,), False)])
def test_what_came_too_late_breaks_no_silence(between: tuple[float, ...], silent: bool) -> None:
    """Output in the moment after the deadline, before anybody woke: what counts is what had come by the deadline."""
    recorder, number = Recorder(), 100
    recorder.arrived(1.0, 0.0, number)
    recorder.record(TEXT, number)
    for time in (*between, 3.4001):
        number += 10
        recorder.arrived(time, 0.0, number)
    recorder.record(TEXT, number)
    recorder.ending = Ending(EndKind.DEADLINE, 3.4, "2.4 s", Deadline.IDLE)
    line = recorder.finish()
    assert (silent_since_output(line), line.chunks) == (silent, 2)


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        ([], None),
        ([0.5], GapFigures(0.5, 0.5, 0.5)),
        ([0.1, 0.2], GapFigures(0.15, 0.199, 0.2)),
        ([n / 100 for n in range(101)], GapFigures(0.5, 0.99, 1.0)),
    ],
)
def test_gap_figures(apart: list[float], expected: GapFigures | None) -> None:
    """Half of all, nearly all, and the longest."""
    assert figures(apart) == (expected and pytest.approx(expected))
