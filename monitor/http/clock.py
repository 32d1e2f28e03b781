"""The zero from which the times of one request count."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the request was issued; a second attempt goes on by the clock of the first."""

    def __init__(self) -> None:
        self.zero = 0.0
        """The monotonic time at which the request was issued."""

    def start(self) -> None:
        """Count from now on, unless it does already."""
        self.zero = self.zero or time.monotonic()

    def since(self, at: float) -> float:
        """Return the monotonic time `at` in seconds from zero."""
        return max(at - self.zero, 0.0)

    def now(self) -> float:
        """Return the time since zero."""
        return time.monotonic() - self.zero
