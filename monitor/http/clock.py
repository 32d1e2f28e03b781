"""The clock of one request: seconds from zero, without the monitor's own delay."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the request was issued; a second attempt continues the clock of the first.

    Until the request is sent, the probe waits for something (a name server, the peer), or the monitor itself works. The
    time in which it works is its own delay: a busy event loop makes it long. It moves zero, so that no later time
    contains it.
    Arguments are seconds of `time.monotonic`.
    """

    __slots__ = (
        "_established", "_working_since", "_working_uncertainty", "issued", "own_delay", "uncertainty", "zero",
    )  # fmt: skip

    def __init__(self) -> None:
        self.zero = 0.0
        """Zero as monotonic time: when the request was issued, plus the own delay since then."""
        self.issued = 0.0
        """When the request was issued."""
        self.own_delay = 0.0
        """Seconds of own delay so far."""
        self.uncertainty = 0.0
        """Zero may be at most this much later: delay that may be ours or part of a wait."""
        self._working_since: float | None = None
        """Since when the monitor itself works; None during a wait."""
        self._working_uncertainty = 0.0
        """It may have begun this much earlier."""
        self._established = False
        """The connection is established: the end of a TLS handshake, sent before the request, waits for nothing."""

    def start(self) -> None:
        """Start the clock unless it runs already; the monitor itself works."""
        now = time.monotonic()
        self.zero, self.issued = self.zero or now, self.issued or now
        self._working_since = now if self._working_since is None else self._working_since
        self._established = False

    def wait_begins(self, at: float) -> None:
        """Note that a wait began at `at`: a name or a connection was requested, or bytes were sent.

        After the connection is established the monitor works from then on again: only the last send is waited for.
        """
        if self._working_since is not None:
            late = at - self._working_since
            self.own_delay += late
            self.zero += late
            self.uncertainty += self._working_uncertainty
        self._working_since, self._working_uncertainty = at if self._established else None, 0.0

    def send_blocked(self) -> None:
        """Note that the peer accepts no more bytes for now: the monitor waits."""
        self._working_since, self._working_uncertainty = None, 0.0

    def wait_ends(self, at: float, uncertainty: float = 0.0) -> tuple[float, float]:
        """Note that a wait ended at `at`, or up to `uncertainty` before it.

        Return `at` in seconds from zero, which moves while the monitor works, and its uncertainty. Bytes that come
        after the connection is established and before the request is sent (a TLS ticket) end no wait.
        """
        if not self._established and (self._working_since is None or at > self._working_since):
            self._working_since, self._working_uncertainty = at, uncertainty
        return self.since(at), self.uncertainty + uncertainty

    def established(self) -> None:
        """Note that the connection is established: the monitor no longer waits."""
        self._established = True
        if self._working_since is None:
            self._working_since = time.monotonic()

    def add_uncertainty(self, uncertainty: float) -> None:
        """Note a delay that may be ours or the peer's."""
        self.uncertainty += uncertainty

    def since(self, at: float) -> float:
        """Return the monotonic time `at` as seconds from zero."""
        return max(at - self.zero, 0.0)

    def now(self) -> float:
        """Return the time since zero."""
        return time.monotonic() - self.zero
