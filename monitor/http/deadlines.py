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
_QUIET_TURNS = 10
"""How many turns of the loop without a byte show that the socket is empty, and that an end was passed on.

Each layer passes on the end of a connection a turn or two later: the transport, TLS, a proxy's TLS, and the task.
"""
_LONGEST_READING = 0.25
"""Seconds for which a peer that never stops sending can postpone a deadline."""


class Deadlines:
    """Calls back when a deadline of the recorder has passed.

    The timer is set once and asks the recorder when it fires, so that a deadline which moves costs nothing. Before
    a deadline counts as passed, data that is already in the socket is read: the loop runs until no byte comes, for a
    quarter of a second at most.
    """

    def __init__(self, recorder: Recorder, timeouts: Timeouts) -> None:
        self._recorder, self._timeouts, self._clock, self._late = recorder, timeouts, Clock(), 0.0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._received: Callable[[], int] | None = None
        self._expired: Expired | None = None

    def start(self, clock: Clock, received: Callable[[], int], expired: Expired) -> None:
        """Start on a running clock; `received` returns a number that rises with each read, the end included."""
        self._clock, self._received, self._expired = clock, received, expired
        self.arm()

    def arm(self) -> None:
        """Set the timer to the current deadline."""
        if self._timer is not None:
            self._timer.cancel()
        if self._expired is not None:
            self._timer = self._loop.call_at(self._clock.zero + self._recorder.deadline(self._timeouts)[1], self._fire)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._received = self._expired = None

    def _fire(self) -> None:
        """Note how late the timer is, and read what is in the socket."""
        now = self._loop.time()
        self._late = now - self._clock.zero - self._recorder.deadline(self._timeouts)[1]
        self._read_on(-1, _QUIET_TURNS, now + _LONGEST_READING)

    def _read_on(self, before: int, quiet_turns: int, until: float) -> None:
        """Run in one turn of the loop after another, until no byte comes or the time is up: then a deadline has passed.

        `before` is the number of bytes received by the last turn. A deadline that moves meanwhile gets a new timer.
        """
        assert self._received is not None, "the timer exists only after `start`"
        assert self._expired is not None, "likewise"
        deadline, when = self._recorder.deadline(self._timeouts)
        now = self._loop.time()
        if self._clock.zero + when > now:
            self.arm()
        elif now < until and ((received := self._received()) != before or quiet_turns):
            left = _QUIET_TURNS if received != before else quiet_turns - 1
            self._timer = self._loop.call_soon(self._read_on, received, left, until)
        else:
            self._expired(deadline, when, self._late)
