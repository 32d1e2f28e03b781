"""The figures of a recording."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from monitor.stream.endings import Deadline, Ending, EndKind, Mark
from monitor.stream.events import (
    Event,
    Output,
    Part,
    Partial,
)
from monitor.stream.recorder import Recorder
from monitor.stream.recording import LINE_ENDS, Arrival, GapFigures, Whole
from monitor.stream.statistics import (
    buffered,
    end_uncertainty,
    figures,
    first_chunk,
    first_content,
    gap_figures,
    gaps,
    output_arrivals,
    silent_since_output,
    uncertainties,
    uncertainty,
)
from tests.stream.parts import DONE, PING, ROLE, STOP, TEXT, finished, recorded, running


def test_output_after_the_marker_is_no_arrival() -> None:
    """Output after the marker makes no gap."""
    line = recorded(TEXT, TEXT, STOP, DONE, TEXT, TEXT)
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
    """Without a chunk the uncertainty is that of the marks, and there is no gap."""
    recorder = Recorder()
    recorder.arrived(1.0, 0.004, 10)
    recorder.record(ROLE, 10)
    line = finished(recorder)
    assert (uncertainty(line), first_chunk(line), gaps(line)) == (0.004, None, [])


def unsure() -> Recorder:
    """Return a stream of a role, reasoning in the middle of a read, and text at the end of one; each time is unsure."""
    recorder = Recorder()
    recorder.zero_uncertainty = 0.5
    recorder.mark(Mark.REQUEST_SENT, 0.1, 0.25)
    recorder.arrived(1.0, 0.01, 10, spread=0.02)
    recorder.record(ROLE, 10)
    recorder.arrived(2.0, 0.03, 100, spread=0.04)
    recorder.record(Output("why", Part.REASONING), 50)
    recorder.arrived(3.0, 0.05, 200, spread=0.06)
    recorder.record(TEXT, 200)
    return recorder


def test_uncertainty_of_each_time() -> None:
    """A clock that is read from zero is as unsure as its own read and zero together; between two reads zero is out."""
    recorder = unsure()
    recorder.ending = Ending(EndKind.COMPLETE, 4.0, uncertainty=0.07)
    assert uncertainties(recorder.finish()) == pytest.approx({
        "request_sent": 0.25, "first_byte": 0.52, "first_event": 0.51, "first_chunk": 0.54, "first_content": 0.55,
        "last_chunk": 0.55, "end": 0.57, "duration": 0.57, "tail": 0.12, "gap": 0.09,
    })  # fmt: skip


def test_uncertainty_of_what_did_not_come() -> None:
    """A time that does not exist has no uncertainty."""
    recorder = Recorder()
    assert uncertainties(finished(recorder)) == {"end": 0.0, "duration": 0.0}
    recorder.arrived(1.0, 0.01, 10)
    assert uncertainties(finished(recorder)) == {"first_byte": 0.01, "end": 0.0, "duration": 0.0}
    recorder.record(PING, 10)
    assert uncertainties(finished(recorder)).keys() == {"first_byte", "end", "duration"}
    recorder.record(Output("why", Part.REASONING), 10)
    names = {"first_byte", "first_event", "first_chunk", "last_chunk", "end", "duration", "tail"}
    assert uncertainties(finished(recorder)).keys() == names


def test_uncertainty_of_the_end() -> None:
    """An end of the connection has its own uncertainty, an end of the stream that of its read."""
    recorder = unsure()
    recorder.arrived(3.5, 0.08, 300, spread=0.09)
    recorder.record(STOP, 300)
    recorder.ending = Ending(EndKind.DEADLINE, 5.5, "2 s", Deadline.DRAIN, uncertainty=0.07)
    assert recorder.finish().marks[Mark.END] == 3.5
    assert end_uncertainty(recorder.finish()) == 0.09
    recorder.ending = Ending(EndKind.COMPLETE, 5.5, uncertainty=0.07)
    assert end_uncertainty(recorder.finish()) == 0.07
    thinned = replace(recorder.finish(), marks={Mark.END: 3.6})
    assert end_uncertainty(thinned) == 0.0
    assert not {"first_event", "first_content"} & uncertainties(thinned).keys(), "what has no time is not unsure"


def test_the_first_visible_text() -> None:
    """Reasoning is none, and a refusal is some."""
    recorder = unsure()
    assert first_content(finished(recorder)) == Arrival(3.0, 0.55, 200)
    assert first_chunk(finished(recorder)) == Arrival(2.0, 0.54, 100)
    assert uncertainty(finished(recorder)) == pytest.approx(0.55)
    assert uncertainty(finished(Recorder())) == 0.0
    refusal = Recorder()
    refusal.arrived(1.0, 0.25, 10)
    refusal.record(Output("no", Part.REFUSAL), 10)
    assert first_content(finished(refusal)) == Arrival(1.0, 0.25, 10)
    assert first_content(recorded(ROLE, STOP)) is None


@pytest.mark.parametrize(("after", "unsure"), [(0, 0.25), (LINE_ENDS, 0.25), (LINE_ENDS + 1, 0.5)])
def test_line_ends_close_a_message(after: int, unsure: float) -> None:
    """A chunk before which only line ends are missing to the end of its read is as sure as the read's last byte."""
    recorder = Recorder()
    recorder.arrived(1.0, 0.25, 50, spread=0.5)
    recorder.record(TEXT, 50 - after)
    line = finished(recorder)
    assert [at.uncertainty for at in output_arrivals(line)] == [unsure]
    assert (first_chunk(line) or Arrival(0.0, 0.0, 0)).uncertainty == unsure
    assert uncertainty(line) == unsure


def test_figures_of_a_thinned_recording() -> None:
    """The figures are those of the whole stream if stored, else of the remaining gaps."""
    line = recorded(TEXT, TEXT, TEXT)
    assert gap_figures(line) == GapFigures(1.0, 1.0, 1.0)
    known = GapFigures(0.25, 0.5, 0.75)
    assert gap_figures(replace(line, whole=Whole(9, 9, known))) == known
    assert gap_figures(recorded(TEXT)) is None


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
        ([0.0, 1.0, 10.0], GapFigures(1.0, 9.82, 10.0)),
        ([0.0, 1.0, 3.0, 100.0], GapFigures(2.0, 97.09, 100.0)),
        ([n / 100 for n in range(101)], GapFigures(0.5, 0.99, 1.0)),
    ],
)
def test_gap_figures(apart: list[float], expected: GapFigures | None) -> None:
    """Half of all, nearly all, and the longest."""
    assert figures(apart) == (expected and pytest.approx(expected))
