"""Lets fewer probes run at once while the event loop is late, until it keeps up again."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

LATE = 0.02
"""Seconds: a loop that is later than this, by the median of the last looks, cannot time a first chunk of 200 ms."""
LOOKS = 4
"""Looks at the loop from one decision to the next: a single slow callback is no overload."""
FEWEST = 10
"""Probes that may run however late the loop is: with so few of them, other work of the machine makes it late."""
_LESS, _MORE = 0.7, 1.1


class OverloadGate:
    """Counts the probes that run, and makes further ones wait while there are more than a late loop can time.

    The limit falls by a third of the probes that run at each decision at which the loop is late, and rises by a tenth
    at each other. It is lifted once less than half of it is used.
    """

    def __init__(self) -> None:
        self.running = 0
        self.most = math.inf
        """How many probes may run at once; infinite while the loop keeps up."""
        self._looks: list[float] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait until one more probe may run, and count it for as long as it does; who waits longest is first."""
        if self._waiting or self.running >= self.most:
            await self._turn()
        else:
            self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._wake()

    def look(self, lateness: float) -> None:
        """Take by how many seconds the event loop was late just now."""
        self._looks.append(lateness)
        if len(self._looks) < LOOKS:
            return
        late = median(self._looks) > LATE
        self._looks.clear()
        if late and self.running > FEWEST:
            self.most = max(int(min(self.most, self.running) * _LESS), FEWEST)
        elif not late:
            self.most = math.inf if self.running < self.most / 2 else int(self.most * _MORE) + 1
            self._wake()

    async def _turn(self) -> None:
        """Wait until a place was given."""
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
        """Give as many places as there are, to those first that wait longest."""
        while self._waiting and self.running < self.most:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self.running += 1
