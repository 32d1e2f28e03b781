"""When things happened in one stream, on one clock, and how the bytes ended: recorded as it goes, judged afterwards.

Every time is in seconds from zero, the moment the request was issued (contract, section 2).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, pairwise
from math import inf
from typing import NamedTuple

from monitor.stream.events import Done, Event, Failure, Finish, Malformed, Meta, Output, Part, Partial, Stop, Usage
from monitor.target import Terminator, Timeouts


class Mark(StrEnum):
    """The clocks of the contract, in the order in which they are passed."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    REQUEST_SENT = "request_sent"
    HEADERS = "headers"
    FIRST_BYTE = "first_byte"
    FIRST_EVENT = "first_event"
    FIRST_CHUNK = "first_chunk"
    FIRST_CONTENT = "first_content"
    LAST_CHUNK = "last_chunk"
    END = "end"


class Deadline(StrEnum):
    """Which of our limits on time passed."""

    CONNECT = "connect"
    HEADERS = "headers"
    FIRST_CHUNK = "first_chunk"
    IDLE = "idle"
    TOTAL = "total"
    DRAIN = "drain"


class BodyFraming(StrEnum):
    """How the response says where its body ends (RFC 9112, section 6)."""

    CHUNKED = "chunked"
    LENGTH = "length"
    CLOSE = "close"


class EndKind(StrEnum):
    """How the bytes stopped: the transport's word, which knows nothing of protocols."""

    # no connection
    DNS = "dns"
    REFUSED = "refused"
    NETWORK = "network"
    TLS_CERTIFICATE = "tls_certificate"
    TLS_HANDSHAKE = "tls_handshake"
    PROXY = "proxy"
    POLICY = "policy"
    # connected, no whole head
    CLOSED = "closed"
    PARTIAL_HEAD = "partial_head"
    MALFORMED_HEAD = "malformed_head"
    # a head that says that no stream follows: the body was not read as one
    DECLINED = "declined"
    # a body
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    # either
    RESET = "reset"
    DEADLINE = "deadline"
    # ours
    ABORTED = "aborted"
    RESOURCES = "resources"
    INTERNAL = "internal"


class AfterCut(StrEnum):
    """What a connection came to that was tried right after the peer had cut one."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Ending:
    """How the bytes stopped, and when; `detail` in our words (or the operating system's), never the peer's.

    `deadline` is set where `kind` is DEADLINE. `extra` says that bytes came behind the end of the body.
    """

    kind: EndKind
    at: float
    detail: str = ""
    deadline: Deadline | None = None
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What the final response head said."""

    status: int
    content_type: str = ""
    encoding: str = ""
    framing: BodyFraming = BodyFraming.CLOSE
    empty: bool = False
    """The head declares that there is no body."""
    retry_after: int | None = None
    """Seconds that the server asked to wait."""
    request_ids: tuple[tuple[str, str], ...] = ()


class Arrival(NamedTuple):
    """One network read: when its last byte reached this machine, how sure that is, and where in the payload it ends."""

    time: float
    uncertainty: float
    offset: int


@dataclass(frozen=True, slots=True)
class EndRule:
    """What counts as the end of this stream: what the protocol declares, and the target's `terminator`."""

    terminator: Terminator = Terminator.END
    declares_end: bool = True
    declares_marker: bool = False
    early: bool = False
    """The end can be said before the last output (Gemini): output after it takes it back."""
    choices: int = 1
    """How many answers were asked for at once: the end is that of each."""

    @property
    def declared(self) -> bool:
        """Whether anything in the stream can say that it is complete."""
        return self.terminator is not Terminator.NONE and (self.declares_end or self.declares_marker)


class CheckResult(NamedTuple):
    """What the content check found: `fault` is None where the answer is whole."""

    kind: str
    fault: str | None
    progress: float | None = None
    beginning: bool = False
    """The answer is a right beginning of the counted list."""


class Kind(StrEnum):
    """What an event is, as the timeline keeps it."""

    OUTPUT = "output"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"
    REFUSAL = "refusal"
    META = "meta"
    PING = "ping"
    FINISH = "finish"
    DONE = "done"
    FAILURE = "failure"
    MALFORMED = "malformed"
    PARTIAL = "partial"


_KINDS = tuple(Kind)
_CODE = {kind: code for code, kind in enumerate(_KINDS)}
_OUTPUT_CODE = {
    Part.CONTENT: _CODE[Kind.OUTPUT],
    Part.REASONING: _CODE[Kind.REASONING],
    Part.TOOL_CALL: _CODE[Kind.TOOL_CALL],
    Part.REFUSAL: _CODE[Kind.REFUSAL],
}
_OUTPUTS = frozenset(_OUTPUT_CODE.values())
_BEHIND = 0x80
"""Set in the code of what would be output before the end, and is none behind it."""
_VISIBLE = frozenset({Part.CONTENT, Part.REFUSAL})
_REPEATED = Meta()
_LINE_ENDS = 4
"""Bytes that close a message and are not counted to it: at most two line ends of two."""
_KEPT_MALFORMED, _KEPT_BEHIND = 3, 100
_SEVERAL, _LONGEST_CHARACTER, _SPACE = 2, 4, 64
"""How many pieces make an answer that can be said again; bytes of a character; bytes of white space around it."""
BUFFERABLE = 5
"""Chunks from which on a stream can be seen to be buffered."""
_BUFFERED_ARRIVALS, _BUFFERED_SPREAD = 2, 0.05


class Recording:
    """What one probe recorded; it survives whatever ends the stream.

    Arrivals and events are kept in flat arrays, so that a long stream costs some 50 bytes a chunk.
    """

    __slots__ = (
        "_behind", "_event_arrivals", "_event_kinds", "_event_offsets", "_finished",
        "_mark_uncertainty", "_offsets", "_open", "_output_end", "_sequence", "_spreads", "_text", "_times",
        "_uncertainties", "chunks", "connected", "decoded", "ended_at", "ending", "failure",
        "head", "malformed", "malformed_amid", "malformed_events", "marker_seen", "marks", "model", "output_characters",
        "partial", "pings", "reason", "rule", "sequence_gap", "stops", "trailing", "unterminated", "usage",
    )  # fmt: skip

    def __init__(self, rule: EndRule | None = None) -> None:
        self.rule = rule or EndRule()
        self.marks: dict[Mark, float] = {}
        self.connected = False
        """The connection, TLS included, stands."""
        self.head: Head | None = None
        self.ending: Ending | None = None
        self._mark_uncertainty = 0.0
        self.chunks = 0
        self.pings = 0
        self.malformed: list[str] = []
        self.malformed_events = 0
        self.malformed_amid = 0
        """How many of them came before the last output."""
        self.failure: Failure | None = None
        self.stops: set[Stop] = set()
        self.reason: str | None = None
        self.model: str | None = None
        self.usage = Usage()
        self.sequence_gap = False
        self.decoded = False
        """Something of the protocol was read: not only pings, nor only what does not decode."""
        self.partial = False
        """The stream stopped inside a message or a character."""
        self.unterminated = False
        """The last message came whole, but without what closes it."""
        self.trailing = False
        """Something came behind the end and its marker."""
        self.marker_seen = False
        self.ended_at: float | None = None
        """When the last byte of the message that says the end arrived; None while it has not."""
        self.output_characters = 0
        self._behind: list[Failure | Malformed] = []
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._sequence: int | None = None
        self._text = bytearray()
        self._times = array("d")
        self._uncertainties = array("d")
        self._spreads = array("d")
        self._offsets = array("q")
        self._event_arrivals = array("I")
        self._event_kinds = array("B")
        self._event_offsets = array("q")
        self._output_end = -1
        """Payload offset at which the last message that carried output ends."""

    # -- recording -------------------------------------------------------------------------------------------------

    def begin_again(self) -> None:
        """Forget an attempt that got no byte of an answer."""
        self.connected = False
        self.marks.clear()

    def mark(self, mark: Mark, time: float, uncertainty: float = 0.0) -> None:
        """Note that a clock was passed, once: the first time counts."""
        if mark not in self.marks:
            self.marks[mark] = time
            self._mark_uncertainty = max(self._mark_uncertainty, uncertainty)

    def arrived(self, time: float, uncertainty: float, offset: int, spread: float | None = None) -> None:
        """Note a network read of payload that ended at `offset`.

        Its last byte arrived at most `uncertainty` before `time`, every other byte at most `spread`.
        """
        if not self._times:
            self.mark(Mark.FIRST_BYTE, time, uncertainty)
        self._times.append(time)
        self._uncertainties.append(uncertainty)
        self._spreads.append(uncertainty if spread is None else spread)
        self._offsets.append(offset)

    def record(self, event: Event, offset: int) -> None:
        """Note what was read from the payload before `offset`; an arrival must cover it."""
        at = self._arrival_of(offset)
        if not isinstance(event, Output):
            kind = _CODE[self._other(event, at)]
        elif (event.repeats and self.chunks) or (event.again and self._said_before(event.text)):
            kind = _CODE[self._other(_REPEATED, at)]
        else:
            kind = _OUTPUT_CODE[event.part] if self._output(event, at, offset) else _OUTPUT_CODE[event.part] | _BEHIND
        self._event_arrivals.append(at)
        self._event_kinds.append(kind)
        self._event_offsets.append(offset)

    def _said_before(self, text: str) -> bool:
        """Whether a text is all that several pieces said before, but for white space around it."""
        if self.chunks < _SEVERAL or len(text) * _LONGEST_CHARACTER + _SPACE < len(self._text):
            return False
        return text.strip() == self.text.strip()

    def _arrival_of(self, offset: int) -> int:
        """Return which arrival covers `offset`: mostly the last one, for what came is read at once."""
        offsets = self._offsets
        if len(offsets) > 1 and offset <= offsets[-2]:
            return bisect_left(offsets, offset)
        return max(len(offsets) - 1, 0)

    def _output(self, event: Output, at: int, offset: int) -> bool:
        """Take a piece of the answer; whether it is one: behind the end there is none.

        All pieces that one message carries (of several answers, of reasoning and text) are one chunk.
        """
        time, marks, part = self._times[at], self.marks, event.part
        marks.setdefault(Mark.FIRST_EVENT, time)
        self.decoded = True
        if self.ended_at is not None and not self._goes_on(event.choice):
            self.trailing = True
            return False
        self._open.add(event.choice)
        self.chunks += offset != self._output_end
        self._output_end = offset
        self.malformed_amid = self.malformed_events
        marks.setdefault(Mark.FIRST_CHUNK, time)
        marks[Mark.LAST_CHUNK] = time
        if part in _VISIBLE:
            marks.setdefault(Mark.FIRST_CONTENT, time)
        if part is Part.CONTENT and event.choice == 0:
            self._text += event.text.encode("utf-8", "surrogatepass")
        if part is Part.REFUSAL:
            self.stops.add(Stop.REFUSAL)
        self.output_characters += len(event.text)
        return True

    def _other(self, event: Meta | Finish | Done | Failure | Malformed | Partial, at: int) -> Kind:
        time = self._times[at] if self._times else 0.0
        match event:
            case Meta(ping=True):
                self.pings += 1
                return Kind.PING
            case Partial():
                self._stop_inside(parsed=event.parsed)
                return Kind.PARTIAL
            case Malformed():
                if event.framed:
                    self._frame(time, decoded=False)
                self._misread(event)
                return Kind.MALFORMED
            case Meta():
                self._frame(time)
                self._learn(event)
                return Kind.META
            case Finish():
                self._frame(time)
                self._finish(event, time)
                return Kind.FINISH
            case Done():
                self._frame(time)
                self.marker_seen = True
                self._settle(time)
                return Kind.DONE
            case Failure():  # pragma: no branch - events are a closed union
                self._frame(time)
                self._fail(event)
                return Kind.FAILURE

    def _frame(self, time: float, *, decoded: bool = True) -> None:
        self.marks.setdefault(Mark.FIRST_EVENT, time)
        self.decoded = self.decoded or decoded

    def _fail(self, event: Failure) -> None:
        if self.sealed:
            self._keep_behind(event)
        elif self.failure is None:
            self.failure = event

    def _misread(self, event: Malformed) -> None:
        if self.sealed:
            self.trailing = True
            self._keep_behind(event)
            return
        self.malformed_events += 1
        if self._sequence is not None:
            self._sequence += 1  # it came, whatever its number was
        if len(self.malformed) < _KEPT_MALFORMED:
            self.malformed.append(event.why)

    def _stop_inside(self, *, parsed: bool) -> None:
        self.partial = self.partial or not parsed
        self.unterminated = self.unterminated or parsed

    def _learn(self, event: Meta) -> None:
        if event.model is not None and self.model is None:
            self.model = event.model
        if event.usage is not None:
            self.usage = Usage(
                *(new if new is not None else old for new, old in zip(event.usage, self.usage, strict=True))
            )
        if event.choice is not None and self._begins(event.choice):
            self.ended_at = None
            self._open.add(event.choice)
        if event.reason is not None:
            self.reason = event.reason
        if event.stop is not None:
            self.stops.add(event.stop)
        if event.sequence is not None:
            self.sequence_gap = self.sequence_gap or (
                self._sequence is not None and event.sequence > self._sequence + 1 and not self.sealed
            )
            self._sequence = event.sequence

    def _finish(self, event: Finish, time: float) -> None:
        if self.ended_at is not None and not self._goes_on(event.choice):
            return
        self._finished.add(event.choice)
        self._open.discard(event.choice)
        self.stops.add(event.stop)
        self.reason = event.reason if event.reason is not None else self.reason
        self._settle(time)

    def _goes_on(self, choice: int) -> bool:
        """Whether the end is taken back: it was said early, and only the last one counts, or another answer goes on."""
        if self.rule.early:
            self.stops.clear()
            self.ended_at = None
            self._look_again()
            return True
        if not self._begins(choice):
            return False
        self.ended_at = None
        return True

    def _keep_behind(self, event: Failure | Malformed) -> None:
        """Keep what counts for nothing behind the end, where that may prove to be none."""
        if self.rule.early and len(self._behind) < _KEPT_BEHIND:
            self._behind.append(event)

    def _look_again(self) -> None:
        """Take what came behind an end that was none as what it is."""
        behind, self._behind, self.trailing = self._behind, [], False
        for event in behind:
            if isinstance(event, Failure):
                self._fail(event)
            else:
                self._misread(event)

    def _begins(self, choice: int) -> bool:
        """Whether an answer has not finished yet, and still can; behind the marker nothing comes that counts."""
        return choice not in self._finished and not self.marker_seen

    def _settle(self, time: float) -> None:
        """Note the end when what the target's terminator asks for has been seen."""
        most = 1 if self.marker_seen else self.rule.choices  # a server may send fewer than were asked for
        finished = len(self._finished) >= most and not self._open
        seen = {
            Terminator.END: finished,
            Terminator.MARKER: self.marker_seen,
            Terminator.EITHER: finished or self.marker_seen,
            Terminator.BOTH: finished and self.marker_seen,
            Terminator.NONE: False,
        }[self.rule.terminator]
        if seen and self.ended_at is None:
            self.ended_at = time

    # -- what it comes to ------------------------------------------------------------------------------------------

    @property
    def sealed(self) -> bool:
        """Whether the last thing that the protocol has to say was said: its marker, or where it has none, its end."""
        return self.marker_seen if self.rule.declares_marker else self.ended_at is not None

    @property
    def bytes(self) -> int:
        """Payload bytes received."""
        return self._offsets[-1] if self._offsets else 0

    @property
    def last_byte(self) -> float | None:
        """When the last byte of payload arrived; None where none did."""
        return self._times[-1] if self._times else None

    @property
    def reads(self) -> int:
        """How many network reads brought payload."""
        return len(self._times)

    @property
    def arrivals(self) -> list[Arrival]:
        """Every network read of payload, in order."""
        return [Arrival(*row) for row in zip(self._times, self._uncertainties, self._offsets, strict=True)]

    @property
    def events(self) -> Iterator[tuple[Arrival, Kind, int]]:
        """Every event: the arrival that completed it, as sure as that event is, its kind, and the offset of its end."""
        for at, kind, offset in zip(self._event_arrivals, self._event_kinds, self._event_offsets, strict=True):
            yield self._arrival(at, offset), _KINDS[kind & ~_BEHIND], offset

    def _arrival(self, at: int, end: int) -> Arrival:
        """Return an arrival, as sure as what ends at `end` in it.

        What stands behind that in the same read may be a segment of its own that the kernel merged with it, and then
        the stamp is that one's.
        """
        if at >= len(self._times):
            return Arrival(0.0, 0.0, 0)
        last = self._offsets[at] - end <= _LINE_ENDS
        return Arrival(self._times[at], (self._uncertainties if last else self._spreads)[at], self._offsets[at])

    @property
    def text(self) -> str:
        """The visible answer of the first choice."""
        return self._text.decode("utf-8", "surrogatepass")

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return sum(len(column) * column.itemsize for column in self._columns) + len(self._text)

    @property
    def _columns(self) -> tuple[array[float] | array[int], ...]:
        per_arrival = (self._times, self._uncertainties, self._spreads, self._offsets)
        per_event = (self._event_arrivals, self._event_kinds, self._event_offsets)
        return (*per_arrival, *per_event)

    @property
    def uncertainty(self) -> float:
        """How far the times of this stream may be off, in seconds: the worst of its marks."""
        first = self.first_chunk
        return max(self._mark_uncertainty, first.uncertainty if first else 0.0)

    @property
    def first_chunk(self) -> Arrival | None:
        """The arrival that carried the first output, with the uncertainty of that output."""
        return next(self._carrying(), None)

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Seconds between network reads that carried output, each with its uncertainty."""
        return [
            (after.time - before.time, before.uncertainty + after.uncertainty)
            for before, after in pairwise(self._carrying())
        ]

    def _carrying(self) -> Iterator[Arrival]:
        """Yield each arrival that carried output, as sure as the first output in it."""
        last = -1
        for at, kind, end in zip(self._event_arrivals, self._event_kinds, self._event_offsets, strict=True):
            if kind in _OUTPUTS and at != last:
                last = at
                yield self._arrival(at, end)

    @property
    def output_arrivals(self) -> int:
        """How many network reads carried output."""
        return sum(1 for _ in self._carrying())

    @property
    def buffered(self) -> bool:
        """Five or more chunks in at most two reads, within 5 % of the time to the first."""
        first = self.marks.get(Mark.FIRST_CHUNK)
        if first is None or self.chunks < BUFFERABLE:
            return False
        if self.marks[Mark.LAST_CHUNK] - first > _BUFFERED_SPREAD * first:
            return False
        return sum(1 for _ in islice(self._carrying(), _BUFFERED_ARRIVALS + 1)) <= _BUFFERED_ARRIVALS

    @property
    def silent_since_output(self) -> bool:
        """No byte came after the last output, as far as anything was framed or read apart from it.

        By the time of the ending: what came in the very moment after a deadline had passed is kept, and was too late.
        """
        at = self.ending.at if self.ending is not None else inf
        known, events = len(self._times), len(self._event_kinds)
        while known and self._times[known - 1] > at:
            known -= 1
        while events and self._event_arrivals[events - 1] >= known:
            events -= 1
        last = next((one for one in reversed(range(events)) if self._event_kinds[one] in _OUTPUTS), None)
        if last is None:
            return False
        return self._event_arrivals[last] == known - 1 and self._event_offsets[last] == self._event_offsets[events - 1]

    def deadline(self, timeouts: Timeouts) -> tuple[Deadline, float]:
        """Return the deadline that runs now and when it passes; where two pass together, the first of the table."""
        if self.ended_at is not None:
            return Deadline.DRAIN, max(self.ended_at + timeouts.drain, self._more_may_come(timeouts))
        total = (Deadline.TOTAL, timeouts.total)
        first_chunk = (Deadline.FIRST_CHUNK, timeouts.first_chunk)
        if self.chunks:
            running = [(Deadline.IDLE, self.marks[Mark.LAST_CHUNK] + timeouts.idle), total]
        elif self.head is not None:
            running = [first_chunk, total]
        elif self.connected:
            running = [(Deadline.HEADERS, timeouts.headers), first_chunk, total]
        else:
            running = [(Deadline.CONNECT, timeouts.connect), (Deadline.HEADERS, timeouts.headers), first_chunk, total]
        return min(running, key=lambda row: row[1])

    def _more_may_come(self, timeouts: Timeouts) -> float:
        """Return until when output behind an end is waited for, as any other is, where that end may be an early one."""
        if not self.rule.early or self.ended_at is None:
            return 0.0
        return min(self.ended_at + timeouts.idle, timeouts.total)
