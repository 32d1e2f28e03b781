"""A long stream after it was thinned: little is left, and none of it is wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest

from monitor.stream.events import Event, Failure, Fault, Finish, Output
from monitor.stream.recorder import Recorder
from monitor.stream.recording import Kind, Recording
from monitor.stream.statistics import buffered, first_chunk, gap_figures, gaps, uncertainty
from monitor.stream.thinning import thinned
from tests.stream.parts import PING, TEXT, finished, recorded


def long(count: int = 5000, late: int = 4000) -> Recording:
    """Return a stream of many outputs, a longest gap before one of them, an end and an error."""
    recorder = Recorder()
    events: list[Event] = [*[TEXT] * count, Finish("stop"), Failure(Fault.OTHER)]
    for number, event in enumerate(events, start=1):
        recorder.arrived(number * 0.01 + (3.0 if number >= late else 0.0), 1e-5 * (number % 7), number * 10)
        recorder.record(event, number * 10)
    return finished(recorder)


def test_a_small_stream_loses_its_text_alone() -> None:
    """Nothing reads the text after the verdict."""
    line = recorded(Output("four"), TEXT)
    small = thinned(line, 1000)
    assert (small.text, small.columns, small.whole) == ("", line.columns, None)


@pytest.mark.parametrize("most", [0, 1000, 10_000, 100_000])
def test_a_long_stream_fits(most: int) -> None:
    """The columns take at most the given size, some rows are always kept, and thinning can be repeated."""
    line = long()
    small = thinned(line, most)
    assert sum(map(len, small.columns)) <= max(most, 16 * 45) + 2 * 32
    again = thinned(small, 0)
    assert (again.whole, again.reads) == (small.whole, 5002)


def test_its_figures_are_those_of_all() -> None:
    """Bytes, reads, gaps, uncertainty, the first chunk and the last byte are known as before."""
    line, small = long(), thinned(long(), 2000)
    for known in (gap_figures, uncertainty, buffered, first_chunk):
        assert known(small) == known(line)
    assert (small.bytes, small.reads, small.last_byte) == (line.bytes, line.reads, line.last_byte)
    assert small.whole is not None
    assert (small.whole.events, small.chunks) == (5002, 5000)


def test_what_a_picture_needs_stays() -> None:
    """The longest gap is still there and as long, with the end and the error; every row is one of the whole."""
    line, small = long(), thinned(long(), 2000)
    assert max(gap for gap, _ in gaps(small)) >= max(gap for gap, _ in gaps(line))
    times = [at.time for at, _, _ in small.events]
    before, after = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
    assert (before, after) != pytest.approx((0.0, 0.0))
    every = list(line.events)
    assert all(event in every for event in small.events)
    assert {Kind.FINISH, Kind.FAILURE} <= {kind for _, kind, _ in small.events}
    assert times == sorted(times)


def test_streams_without_output_are_thinned_as_well() -> None:
    """Pings alone, reads without any event, and many reads for one event."""
    pings = thinned(recorded(*[PING] * 1000), 500)
    assert (len(list(pings.events)) <= 16, pings.reads) == (True, 1000)
    recorder = Recorder()
    for number in range(1, 1001):
        recorder.arrived(float(number), 0.0, number)
    silent = thinned(finished(recorder), 500)
    assert (list(silent.events), silent.reads, silent.bytes) == ([], 1000, 1000)
    assert len(silent.arrivals) <= 18
