"""What ends a wait whose deadline has passed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from monitor.stream.endings import Deadline
from monitor.stream.recorder import Recorder
from monitor.target import Timeouts

ABORT_REASONS = frozenset({"shutdown", "reload"})
"""For what the daemon stops a request."""


class Deadlines:
    """Wakes the task that reads when a deadline of the timeline has passed.

    The timer is set once and looks at the timeline when it rings, so that a deadline which moves away costs nothing.
    Before a deadline counts as passed, what is already in the socket is read: the loop turns until no byte comes, for a
    quarter of a second at most, so that a peer who never stops sending cannot put it off.
    """

    _PATIENCE = 0.25

    def __init__(self, seen: Recorder, timeouts: Timeouts) -> None:
        self.passed: tuple[Deadline, float] | None = None
        self.late = 0.0
        """How many seconds after the deadline the loop came to look."""
        self._seen, self._timeouts, self._zero = seen, timeouts, 0.0
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    def start(self, zero: float) -> None:
        """Start the clocks at `zero`, for the task that runs."""
        self._zero = zero
        self._task = asyncio.current_task()
        self.arm()

    def arm(self) -> None:
        """Set the timer to the deadline that runs now."""
        self.cancel()
        self._timer = self._loop.call_at(self._zero + self._seen.deadline(self._timeouts)[1], self._ring)

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self, before: int = -1, turns: int = 2, until: float | None = None) -> None:
        deadline, when = self._seen.deadline(self._timeouts)
        now, until = self._loop.time(), until or self._loop.time() + self._PATIENCE
        if before < 0:
            self.late = now - self._zero - when
        if self._zero + when > now:
            self.arm()
        elif now < until and ((came := self._progress()) != before or turns):
            self._timer = self._loop.call_soon(self._ring, came, 2 if came != before else turns - 1, until)
        else:
            self.passed = (deadline, when)
            assert self._task is not None, "who started the clocks is the one to wake"
            self._task.cancel()

    progress: Callable[[], int] | None = None
    """How many bytes have come so far, read or not."""

    def _progress(self) -> int:
        return self.progress() if self.progress else 0

    def answered(self, reason: str) -> bool:
        """Whether it was this alarm that ended the wait, which was cancelled for this reason; takes that back.

        Another's cancellation stands where it came first. One that came between the alarm's and the task's waking
        leaves no reason, and the deadline had passed by then.
        """
        if self._task is None or self.passed is None:
            return False
        alone = self._task.uncancel() == 0
        return alone or reason not in ABORT_REASONS
