"""The memory limit of all streams in flight: if they exceed it together, the largest stream is ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from monitor.settings import Limits


class StreamMemory:
    """The memory of one stream, in bytes.

    `stop` ends the stream for a reason in our words; None if the stream does not run.
    """

    __slots__ = ("_all", "held", "stop")

    def __init__(self, shared: InFlight) -> None:
        self._all = shared
        self.held = 0
        self.stop: Callable[[str], None] | None = None

    def hold(self, size: int) -> None:
        """Set the size of the stream; if all together exceed the limit, the largest stream is ended."""
        self._all.held += size - self.held
        self.held = size
        self._all.relieve()

    def __enter__(self) -> Self:
        """Count one more stream for as long as the context lasts."""
        self._all.streams.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._all.streams.discard(self)
        self._all.held -= self.held

    @property
    def above_share(self) -> bool:
        """Whether the stream holds more than its fair share."""
        return self.held > self._all.share


class InFlight:
    """Counts what the streams in flight hold, and keeps that under `[limits] in_flight_bytes`.

    A stream within its fair share, the limit divided by as many streams as may run at a time, is never ended for the
    others. `full` is called with how many bytes a stream held that was ended.
    """

    def __init__(self, limits: Limits, full: Callable[[int], None] = lambda _: None) -> None:
        self.held = 0
        """Bytes of all streams."""
        self._full = full
        self.streams: set[StreamMemory] = set()
        """The streams that run."""
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Set other limits, from now on and for the streams that run."""
        self._most, self._places = limits.in_flight_bytes, limits.concurrency

    @property
    def share(self) -> int:
        """The fair share of a stream, in bytes; more may run than the limits say if these have just been lowered."""
        return self._most // max(self._places, len(self.streams))

    def stream(self) -> StreamMemory:
        """Return the memory of one more stream, which counts while it is used as a context."""
        return StreamMemory(self)

    def relieve(self) -> None:
        """End the streams that hold most until all together hold no more than they may."""
        while self.held > self._most:
            largest = max((one for one in self.streams if one.stop is not None), key=_held, default=None)
            if largest is None or not largest.above_share:
                return
            self._end(largest)

    def _end(self, stream: StreamMemory) -> None:
        """End a stream; what it holds is free as soon as its task runs, before more is read."""
        stop, size = stream.stop, stream.held
        assert stop is not None, "a stream that runs"
        stream.stop, stream.held = None, 0
        self.held -= size
        stop(f"all streams in flight held more than `in_flight_bytes`, {self._most} bytes, and this one most: {size}")
        self._full(size)


def _held(stream: StreamMemory) -> int:
    return stream.held
