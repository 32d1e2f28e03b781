"""What a stream says about its end: which end counts, whether one was taken back, and what comes before and after it.

An end *stands* if no output follows it. Output after an end takes it back: the stream is early-ending from then on.
"""

from __future__ import annotations

from sys import getsizeof
from typing import NamedTuple

from monitor.stream.events import Failure, Finish, Malformed, Meta, Stop
from monitor.stream.recording import End, EndRule
from monitor.target import Terminator

_KEPT_REASONS, _KEPT_LATE, _KEPT_MISSING = 3, 100, 10_000
LONGEST_WORDS = 1 << 17
"""Characters that are kept of a text of the server: what an event shows of it is redacted before it is cut."""
CHOICE_BYTES = 300
"""What the end of one answer takes."""
_NUMBER_BYTES = 90
"""What a number takes that is missing."""


class _ChoiceEnd(NamedTuple):
    """The end of one answer."""

    time: float
    offset: int
    stop: Stop


class _Late(NamedTuple):
    """An event after an end that stands; it counts if that end is taken back."""

    event: Failure | Malformed | Meta
    time: float
    offset: int


class Numbers:
    """Which numbers of a numbered stream are missing between the first one and the highest."""

    __slots__ = ("_highest", "_lost", "_missing", "_unread", "_unread_since")

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: set[int] = set()
        self._lost = False
        """More are missing than can still arrive."""
        self._unread_since = 0
        """Events since the highest number that did not decode."""
        self._unread = 0
        """How many of the missing numbers may belong to them."""

    def came(self, number: int) -> None:
        """Take a number; they may come in any order."""
        if self._highest is None:
            self._highest = number
            return
        skipped = number - self._highest - 1
        if skipped < 0:
            self._missing.discard(number)
            return
        if skipped + len(self._missing) > _KEPT_MISSING:
            self._lost = True
        else:
            self._missing.update(range(self._highest + 1, number))
        self._unread += min(self._unread_since, skipped)
        self._highest, self._unread_since = number, 0

    def unread(self) -> None:
        """Take an event whose number cannot be read; it counts for one missing number."""
        self._unread_since += self._highest is not None

    @property
    def missing(self) -> int:
        """How many numbers are missing so far."""
        return len(self._missing)

    @property
    def gap(self) -> bool:
        """Whether more numbers are missing than events failed to decode."""
        return self._lost or len(self._missing) > self._unread


class EndState:
    """Follows what the stream says about its end.

    Times are in seconds from zero. Offsets are where in the payload a message ends: the events of one message count as
    simultaneous, in any order.
    """

    __slots__ = (
        "_amid", "_failure_bytes", "_hints", "_indexed", "_last_output", "_late", "_malformed", "_malformed_events",
        "_marker_end", "_numbers", "_open", "_reason_bytes", "_refused", "_spilled", "broken", "early_ending", "ends",
        "failed_at", "failure", "marker_at", "reason", "rule", "words",
    )  # fmt: skip

    def __init__(self, rule: EndRule) -> None:
        self.rule = rule
        self.marker_at: float | None = None
        """When the marker arrived; None if it has not."""
        self.early_ending = False
        """An end was taken back."""
        self.reason: str | None = None
        self.words = ""
        self.failure: Failure | None = None
        self.broken: str | None = None
        """Why the body's framing cannot be read further, in our words."""
        self.failed_at: float | None = None
        """When the first error came, or the framing broke."""
        self._indexed = rule.parts or rule.choices > 1
        self.ends: dict[int, _ChoiceEnd] = {}
        """The last end of each answer that no output follows."""
        self._open: set[int] = set()
        """The answers that have begun and have no end that stands."""
        self._hints: set[Stop] = set()
        """The finish reason of an end that has not come yet."""
        self._refused = False
        """A piece of a refusal came."""
        self._marker_end = -1
        """The offset of the marker's message."""
        self._last_output = -1
        """The offset of the last message with output that counts."""
        self._late: list[_Late] = []
        """What came after the end that stands."""
        self._spilled = False
        """Output came after the marker."""
        self._malformed: list[str] = []
        """Why the first malformed events did not decode."""
        self._malformed_events = 0
        self._amid = 0
        """How many malformed events came before the last output: amid the answer."""
        self._numbers = Numbers()
        self._reason_bytes = self._failure_bytes = 0

    # -- events ----------------------------------------------------------------------------------------------------

    def output(self, choice: int, offset: int) -> bool:
        """Take a piece of the answer; return whether it counts: after the marker it does not."""
        if self.marker_at is not None and offset > self._marker_end:
            self._spilled = True
            return False
        key = choice if self._indexed else 0
        end = self.ends.get(key)
        if end is None:
            self._open.add(key)
        elif offset > end.offset:
            self._take_back(key)
        self._amid = self._malformed_events
        self._last_output = offset
        return True

    def refuse(self) -> None:
        """Take a piece of a refusal."""
        self._refused = True

    def meta(self, event: Meta, time: float, offset: int) -> None:
        """Take what a message without output says about choices, an end to come, and its number."""
        if event.reason is not None:
            self._give_reason(event.reason, self.words)
        if event.stop is not None:
            self._hints.add(event.stop)
        if event.choice is not None and self._indexed and event.choice not in self.ends and self.marker_at is None:
            self._open.add(event.choice)
        if event.sequence is not None:
            if self._ended_before(offset):
                self._keep(event, time, offset)
            else:
                self._numbers.came(event.sequence)

    def finish(self, event: Finish, time: float, offset: int) -> None:
        """Take the end of an answer. The first one counts; in an early-ending stream, the last."""
        key = event.choice if self._indexed else 0
        if key in self.ends and not (self.rule.early or self.early_ending):
            return
        if self.marker_at is not None and self.stands_at is not None:
            return
        self.ends.pop(key, None)  # moves a repeated end to the last place
        self.ends[key] = _ChoiceEnd(time, offset, event.stop)
        self._open.discard(key)
        if event.reason is not None:
            self._give_reason(event.reason, event.words)

    def done(self, time: float, offset: int) -> None:
        """Take the marker; one that is neither declared nor required only closes answers that have ended."""
        if self.marker_at is None and (self.rule.declares_marker or self.stands_at is not None):
            self.marker_at, self._marker_end = time, offset

    def fail(self, event: Failure, time: float, offset: int) -> None:
        """Take an error: it counts if it comes before the marker or, if none is declared, before the end."""
        if self._closed_before(offset) if self.rule.declares_marker else self._ended_before(offset):
            self._keep(event, time, offset)
        elif self.failure is None:
            self.failure = self._short(event)
            self.failed_at = time if self.failed_at is None else self.failed_at

    def misread(self, event: Malformed, time: float, offset: int) -> None:
        """Take an undecodable event: it counts if it comes before the end, or before the marker if that is required."""
        if self._ended_before(offset):
            self._keep(event, time, offset)
        elif event.body:
            self.broken = event.why if self.broken is None else self.broken
            self.failed_at = time if self.failed_at is None else self.failed_at
        else:
            self._malformed_events += 1
            self._numbers.unread()
            if len(self._malformed) < _KEPT_REASONS:
                self._malformed.append(event.why)

    def _give_reason(self, reason: str, words: str) -> None:
        self.reason, self.words = reason[:LONGEST_WORDS], words[:LONGEST_WORDS]
        self._reason_bytes = getsizeof(self.reason) + getsizeof(self.words)

    def _short(self, event: Failure) -> Failure:
        """Return an error with a bounded part of its text."""
        texts = [text or "" for text in (event.message, event.type, event.code)]
        if max(map(len, texts)) > LONGEST_WORDS:
            message, kind, code = texts = [text[:LONGEST_WORDS] for text in texts]
            event = Failure(event.fault, message, kind or None, code or None, event.framed)
        self._failure_bytes += sum(map(getsizeof, texts))
        return event

    def _take_back(self, key: int) -> None:
        """Take back the end of an answer that continues; events after it now count as before the end."""
        del self.ends[key]
        self._open.add(key)
        self._hints.clear()
        self.early_ending = True
        late, self._late = self._late, []
        for event, time, offset in late:
            match event:
                case Failure():
                    self.fail(event, time, offset)
                case Malformed():
                    self.misread(event, time, offset)
                case Meta():  # pragma: no branch - a closed union
                    self.meta(event, time, offset)

    def _keep(self, event: Failure | Malformed | Meta, time: float, offset: int) -> None:
        """Keep what came after the end; of errors the first one, for no other can count."""
        if isinstance(event, Failure):
            if any(isinstance(late.event, Failure) for late in self._late):
                return
            event = self._short(event)
        if len(self._late) < _KEPT_LATE:
            self._late.append(_Late(event, time, offset))

    def _closed_before(self, offset: int) -> bool:
        return self.marker_at is not None and offset > self._marker_end

    def _ended_before(self, offset: int) -> bool:
        """Whether everything required came before the message that ends at `offset`."""
        if self._closed_before(offset):
            return True
        by_the_end = self.rule.terminator in {Terminator.END, Terminator.EITHER}
        return by_the_end and self.stands_at is not None and offset > self._last_end.offset

    @property
    def _last_end(self) -> _ChoiceEnd:
        """The last end of any answer."""
        return self.ends[next(reversed(self.ends))]

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return (
            CHOICE_BYTES * (len(self.ends) + len(self._open))
            + _NUMBER_BYTES * self._numbers.missing
            + self._reason_bytes
            + self._failure_bytes
        )

    # -- results ---------------------------------------------------------------------------------------------------

    @property
    def stands_at(self) -> float | None:
        """When the end that stands arrived: every requested answer has one, and none continued.

        After the marker a server may have sent fewer answers than requested.
        """
        if not self.ends or self._open:
            return None
        end = self._last_end.time
        if len(self.ends) >= self.rule.choices:
            return end
        return self.marker_at if self.marker_at is None else max(end, self.marker_at)

    @property
    def at(self) -> float | None:
        """When an end arrived that is reliable while the stream runs; None if there is none.

        If an end was taken back, the next one proves nothing until the marker, or the end of the body.
        """
        if not self.ends and self.marker_at is None:
            return None
        stands, marker = self.stands_at, self.marker_at
        if self.early_ending and stands is not None:
            stands = None if marker is None else max(stands, marker)
        match self.rule.terminator:
            case Terminator.END:
                return stands
            case Terminator.MARKER:
                return marker
            case Terminator.EITHER:
                return min((at for at in (stands, marker) if at is not None), default=None)
            case Terminator.BOTH:
                return max(stands, marker) if stands is not None and marker is not None else None
            case Terminator.NONE:  # pragma: no branch - a closed set
                return None

    @property
    def settled_at(self) -> float | None:
        """When there was nothing more to wait for: the end, an error, or a broken framing."""
        return self.at if self.at is not None else self.failed_at

    def result(self) -> End:
        """Return the result after the stream has ended."""
        late_failures = (late.event for late in self._late if isinstance(late.event, Failure))
        late_garbage = any(isinstance(late.event, Malformed) for late in self._late)
        stops = {end.stop for end in self.ends.values()} | self._hints | ({Stop.REFUSAL} if self._refused else set())
        return End(
            stands_at=self.stands_at,
            with_output=any(end.offset == self._last_output for end in self.ends.values()),
            early_ending=self.early_ending,
            marker_at=self.marker_at,
            stops=frozenset(stops),
            reason=self.reason,
            words=self.words,
            failure=self.failure,
            late_failure=next(late_failures, None),
            broken=self.broken,
            malformed=tuple(self._malformed),
            malformed_events=self._malformed_events,
            malformed_amid=self._amid,
            trailing=self._spilled or late_garbage,
            sequence_gap=self._numbers.gap,
        )
