"""The facts that the verdict table tests, from a recording and the result of the content check."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from monitor.judge.arrival import arrived
from monitor.judge.content_check import CheckResult
from monitor.stream.endings import Ending, Mark
from monitor.stream.events import Failure
from monitor.stream.recording import Recording

_BELIEVED = 10_000_000
"""The largest plausible token count of a server."""
_CHARACTERS_A_TOKEN = 3
_NEARLY = 0.9


@dataclass(frozen=True)
class Facts:
    """The facts that the verdict table tests."""

    recording: Recording
    check: CheckResult | None
    content_types: tuple[str, ...]
    max_tokens: int

    @cached_property
    def arrived(self) -> bool:
        """The protocol's end has arrived."""
        return arrived(self.recording, beginning=self.beginning)

    @property
    def failure(self) -> Failure | None:
        """The error in the stream; one after the end counts if that end proves nothing."""
        end = self.recording.end
        return end.failure or (None if self.arrived else end.late_failure)

    @property
    def right(self) -> bool:
        """A content check passed."""
        return self.check is not None and self.check.fault is None and self.recording.chunks > 0

    @property
    def ending(self) -> Ending:
        """How the bytes stopped."""
        return self.recording.ending

    @property
    def status(self) -> int:
        """The final status; 0 without a head."""
        return self.recording.head.status if self.recording.head else 0

    @property
    def mismatch(self) -> bool:
        """The body's media type is not one of the protocol."""
        head = self.recording.head
        return head is not None and bool(self.content_types) and head.content_type not in self.content_types

    @property
    def encoded(self) -> bool:
        """The body is compressed, although identity was asked for."""
        head = self.recording.head
        return head is not None and head.encoding not in {"", "identity"}

    @property
    def bodiless(self) -> bool:
        """The head declares an empty body."""
        return self.recording.head is not None and self.recording.head.empty

    @property
    def undecoded(self) -> bool:
        """Payload came, and nothing in it belongs to the protocol."""
        came = self.recording.end.malformed_events > 0 or Mark.FIRST_EVENT in self.recording.marks
        return not self.recording.decoded and came

    @property
    def wrong(self) -> str | None:
        """The fault that the check found; None if it passed or there is no check."""
        return self.check.fault if self.check else None

    @property
    def passed(self) -> bool:
        """The check alone proves the answer whole: for a protocol without an end, that is the end."""
        return not self.recording.rule.declared and self.right

    @property
    def malformed(self) -> bool:
        """An event before the end does not decode; if the last piece of the answer is the end, before that."""
        return (self.recording.end.malformed_amid if self.passed else self.recording.end.malformed_events) > 0

    @property
    def beginning(self) -> bool:
        """The answer is only a correct beginning of the counted list."""
        return self.check is not None and self.check.fault is not None and self.check.beginning

    @property
    def our_limit(self) -> bool:
        """The answer used up our own `max_tokens`.

        If the server reports no tokens, or an implausible number, chunks and characters are counted instead, and nine
        tenths are enough: a limit that may be ours is not blamed on the server.
        """
        counted = self.recording.usage.output
        if counted is not None and 0 < counted <= _BELIEVED:
            return counted >= self.max_tokens
        estimate = max(self.recording.chunks, self.recording.output_characters // _CHARACTERS_A_TOKEN)
        return estimate >= self.max_tokens * _NEARLY
