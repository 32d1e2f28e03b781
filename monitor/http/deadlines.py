"""The deadlines of one exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monitor.http.clock import Clock
from monitor.stream.endings import Deadline
from monitor.stream.recorder import Recorder
from monitor.target import Timeouts

Expired = Callable[[Deadline, float, float], None]
"""Called with a deadline that passed, its time in seconds from zero, and how many seconds late the loop is."""


class Deadlines:
    """Calls back when a deadline of the recording has passed.

    The timer is set once and checks the recording when it fires, so that a deadline which moves costs nothing. Before
    a deadline counts as passed, data that is already in the socket is read: the loop runs until no byte comes, for a
    quarter of a second at most, so that a peer that never stops sending cannot postpone it.
    """

    _PATIENCE = 0.25

    def __init__(self, recording: Recorder, timeouts: Timeouts) -> None:
        self._recording, self._timeouts, self._clock, self._late = recording, timeouts, Clock(), 0.0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._received: Callable[[], int] | None = None
        self._expired: Expired | None = None

    def start(self, clock: Clock, received: Callable[[], int], expired: Expired) -> None:
        """Start on a running clock; `received` returns the number of bytes received so far."""
        self._clock, self._received, self._expired = clock, received, expired
        self.arm()

    def arm(self) -> None:
        """Set the timer to the current deadline."""
        if self._timer is not None:
            self._timer.cancel()
        if self._expired is not None:
            self._timer = self._loop.call_at(self._clock.zero + self._recording.deadline(self._timeouts)[1], self._ring)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._received = self._expired = None

    def _ring(self, before: int = -1, turns: int = 2, until: float | None = None) -> None:
        assert self._received is not None, "the timer exists only after `start`"
        assert self._expired is not None, "likewise"
        deadline, when = self._recording.deadline(self._timeouts)
        now, until = self._loop.time(), until or self._loop.time() + self._PATIENCE
        if before < 0:
            self._late = now - self._clock.zero - when
        if self._clock.zero + when > now:
            self.arm()
        elif now < until and ((came := self._received()) != before or turns):
            self._timer = self._loop.call_soon(self._ring, came, 2 if came != before else turns - 1, until)
        else:
            self._expired(deadline, when, self._late)
