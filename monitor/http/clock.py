"""The clock of one request: seconds from zero, without the time in which only the monitor itself was to act."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the request was issued; a second attempt goes on with the clock of the first.

    Until the request is sent, somebody else is waited for (a name server, the peer) or it is our turn. Our turns are
    our own delay: a busy event loop makes them long. Each moves zero, so that no later time contains it. Times that are
    given are seconds of `time.monotonic`.
    """

    __slots__ = ("_doubt", "_stands", "_turn", "issued", "own", "uncertainty", "zero")

    def __init__(self) -> None:
        self.zero = 0.0
        """The monotonic time from which is counted: when the request was issued, plus our own delay since then."""
        self.issued = 0.0
        """When the request was issued."""
        self.own = 0.0
        """Seconds of our own delay so far."""
        self.uncertainty = 0.0
        """Zero may be at most this much later: our delay that cannot be told from the wait for somebody else."""
        self._turn: float | None = None
        """Since when it is our turn; None while somebody else is waited for."""
        self._doubt = 0.0
        self._stands = False
        """The connection stands: the end of a TLS handshake, sent before the request, waits for nobody."""

    def start(self) -> None:
        """Count from now on, unless it does already; it is our turn."""
        now = time.monotonic()
        self.zero, self.issued = self.zero or now, self.issued or now
        self._turn = now if self._turn is None else self._turn
        self._stands = False

    def waits(self, at: float) -> None:
        """Note that at `at` our turn ended: a name was asked for, a connection, or bytes were sent.

        Once the connection stands, the next turn begins with it: only the last send is waited for.
        """
        if self._turn is not None:
            late = at - self._turn
            self.own += late
            self.zero += late
            self.uncertainty += self._doubt
        self._turn, self._doubt = at if self._stands else None, 0.0

    def blocked(self) -> None:
        """Note that the peer takes no more bytes for now: it is not our turn."""
        self._turn, self._doubt = None, 0.0

    def acts(self, at: float, uncertainty: float = 0.0) -> tuple[float, float]:
        """Note that at `at`, or up to `uncertainty` before it, what was waited for came: it is our turn.

        Return `at` in seconds from zero, which moves with our turn, and by how much that may be too late. What comes
        before the request is sent, though the connection stands, was not waited for: a ticket of TLS, say.
        """
        if not self._stands and (self._turn is None or at > self._turn):
            self._turn, self._doubt = at, uncertainty
        return self.since(at), self.uncertainty + uncertainty

    def stands(self) -> None:
        """Note that there is nothing more to wait for before the request is sent: it is our turn, if it was not yet."""
        self._stands = True
        if self._turn is None:
            self._turn = time.monotonic()

    def doubts(self, uncertainty: float) -> None:
        """Note a delay that may be ours, or the time that somebody else took."""
        self.uncertainty += uncertainty

    def since(self, at: float) -> float:
        """Return the monotonic time `at` in seconds from zero."""
        return max(at - self.zero, 0.0)

    def now(self) -> float:
        """Return the time since zero."""
        return time.monotonic() - self.zero
