"""The memory that all streams in flight share."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from monitor.http.in_flight import InFlight, StreamMemory
from monitor.settings import Limits

LIMITS = replace(Limits(), in_flight_bytes=100, concurrency=4)


class Streams:
    """Streams that share a memory of 100 bytes among four, and how each was ended."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.full: list[int] = []
        self.shared = InFlight(limits, self.full.append)
        self.ended: dict[str, str] = {}

    def begin(self, name: str, stack: ExitStack) -> StreamMemory:
        """Have one more run."""
        memory = stack.enter_context(self.shared.stream())
        memory.stop = lambda why: self.ended.update({name: why})
        return memory


@pytest.fixture
def streams() -> Streams:
    """Return streams of which none runs."""
    return Streams()


def test_the_largest_stream_is_ended(streams: Streams) -> None:
    """Whichever grows last, the largest one is ended, once, and the others are not."""
    with ExitStack() as stack:
        large, small = streams.begin("large", stack), streams.begin("small", stack)
        large.hold(80)
        small.hold(20)
        assert not streams.ended
        small.hold(21)
        assert streams.ended.keys() == {"large"}
        small.hold(100)
        assert streams.ended.keys() == {"large"}, "what an ended stream held is free"
    assert streams.full == [80]
    assert streams.shared.held == 0


def test_why_a_stream_is_ended(streams: Streams) -> None:
    """The reason names the limit and what the stream held."""
    with ExitStack() as stack:
        streams.begin("one", stack).hold(101)
    assert streams.ended == {
        "one": "all streams in flight held more than `in_flight_bytes`, 100 bytes, and this one most: 101"
    }


def test_a_stream_within_its_share_is_never_ended(streams: Streams) -> None:
    """A stream that has ended and is still held is none that can be ended, and the others do not pay for it."""
    with ExitStack() as stack:
        ended, one = streams.begin("ended", stack), streams.begin("one", stack)
        ended.hold(90)
        ended.stop = None
        one.hold(25)
        assert not streams.ended
        assert (ended.above_share, one.above_share) == (True, False)
        one.hold(26)
        assert streams.ended.keys() == {"one"}


def test_no_stream_runs_that_could_be_ended(streams: Streams) -> None:
    """If all streams have ended, nothing is done, however much is held."""
    with ExitStack() as stack:
        one = streams.begin("one", stack)
        one.stop = None
        one.hold(200)
    assert not streams.ended


def test_several_are_ended_if_one_is_not_enough(streams: Streams) -> None:
    """Other limits hold for the streams that run: as many are ended as it takes."""
    with ExitStack() as stack:
        for name, size in (("a", 40), ("b", 30), ("c", 20)):
            streams.begin(name, stack).hold(size)
        streams.shared.limit(replace(LIMITS, in_flight_bytes=45))
        streams.begin("d", stack).hold(1)
    assert list(streams.ended) == ["a", "b"]


def test_the_share_counts_more_streams_than_may_run(streams: Streams) -> None:
    """After a limit was lowered more may run than it says; each has its share of all."""
    with ExitStack() as stack:
        assert streams.shared.share == 25
        for number in range(10):
            streams.begin(str(number), stack)
        assert streams.shared.share == 10
