"""Lowers the number of concurrent probes while the event loop is late."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from statistics import median

LATE = 0.02
"""Seconds: if the median lateness is above this, a first chunk of 200 ms cannot be timed."""
SAMPLES = 4
"""Samples of lateness for one decision: a single slow callback is not overload."""
FEWEST = 10
"""The lower bound of the limit: with so few probes, other work of the machine makes the loop late."""
_LESS, _MORE = 0.7, 1.1


class OverloadGate:
    """Counts the running probes, and makes further ones wait while there are more than a late event loop can time.

    At each decision the limit falls to two thirds of the running probes if the loop is late, and else rises by a
    tenth. It is removed when less than half of it is used.
    """

    def __init__(self) -> None:
        self.running = 0
        self.most = math.inf
        """How many probes may run at once; infinite while the loop is on time."""
        self._samples: list[float] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait until one more probe may run, and count it; the longest wait is first."""
        if self._waiting or self.running >= self.most:
            await self._turn()
        else:
            self.running += 1

    def release(self) -> None:
        """Count a probe no longer."""
        self.running -= 1
        self._wake()

    def sample(self, lateness: float) -> None:
        """Take a sample of the event loop's lateness in seconds."""
        self._samples.append(lateness)
        if len(self._samples) < SAMPLES:
            return
        late = median(self._samples) > LATE
        self._samples.clear()
        if late and self.running > FEWEST:
            self.most = max(int(min(self.most, self.running) * _LESS), FEWEST)
        elif not late:
            self.most = math.inf if self.running < self.most / 2 else int(self.most * _MORE) + 1
            self._wake()

    async def _turn(self) -> None:
        """Wait for a place."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.running -= 1  # it was given one in the moment in which it was cancelled
                self._wake()
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def _wake(self) -> None:
        """Give the free places to the probes that have waited longest."""
        while self._waiting and self.running < self.most:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self.running += 1
