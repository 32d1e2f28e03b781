"""Records one stream while it runs: its marks, network reads and events; append-only, and frozen by `finish`.

Every time is in seconds from zero, the moment the request was issued (contract, section 2).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable
from types import MappingProxyType

from monitor.stream.end_state import LONGEST_WORDS, EndState
from monitor.stream.endings import Deadline, Ending, EndKind, Head, Mark
from monitor.stream.events import Done, Event, Failure, Finish, Malformed, Meta, Output, Part, Partial, Usage
from monitor.stream.recording import (
    AFTER_THE_END,
    ARRIVAL_BYTES,
    CODES,
    EVENT_BYTES,
    OUTPUT_CODES,
    Columns,
    EndRule,
    Kind,
    Recording,
)
from monitor.target import Timeouts

_LAST_CHUNK, _CONTENT = Mark.LAST_CHUNK, Part.CONTENT
_VISIBLE = frozenset({Part.CONTENT, Part.REFUSAL})
_REPEATED = Meta()
_SEVERAL, _LONGEST_CHARACTER, _SPACE = 2, 4, 64
"""How many pieces make an answer that can be repeated; bytes of a character; bytes of white space around it."""


class Recorder:
    """Records one stream; the record survives any ending of the stream.

    Arrivals and events are in flat arrays, so that a long stream takes about 50 bytes a chunk. Set `head`,
    `connected` and `ending` when they are known, then call `finish`.
    """

    __slots__ = (
        "_columns", "_decoded", "_end", "_event_arrivals", "_event_kinds", "_event_offsets", "_mark_uncertainties",
        "_model", "_offsets", "_output_characters", "_output_end", "_partial", "_parts", "_pings", "_spreads", "_text",
        "_times", "_uncertainties", "_unread", "_unterminated", "_usage", "besides", "chunks", "connected",
        "deadline_changes", "ending", "head", "marks", "rule", "zero_uncertainty",
    )  # fmt: skip

    def __init__(self, rule: EndRule | None = None) -> None:
        self.rule = rule or EndRule()
        self.marks: dict[Mark, float] = {}
        self.connected = False
        """The connection is established, TLS included."""
        self.head: Head | None = None
        self.ending: Ending | None = None
        self.chunks = 0
        self.deadline_changes = 0
        """How many events may have changed the current deadline; a further piece of the answer does not."""
        self.besides: Callable[[], int] = int
        """Returns how many bytes are held besides the recording: of a message that is not whole, of what is kept."""
        self._end = EndState(self.rule)
        self._mark_uncertainties: dict[Mark, float] = {}
        self.zero_uncertainty = 0.0
        """Zero is at most this much later: a delay that may be the monitor's or the peer's."""
        self._pings = 0
        self._model: str | None = None
        self._usage = Usage()
        self._decoded = False
        self._unread = False
        """A message came that does not decode or has nothing of the protocol."""
        self._partial = False
        self._unterminated = False
        self._output_characters = 0
        self._output_end = -1
        """Payload offset at which the last message with output ends."""
        self._parts: set[Part] = set()
        """Which kinds of output came."""
        self._text = bytearray()
        self._times = array("d")
        self._uncertainties = array("d")
        self._spreads = array("d")
        self._offsets = array("q")
        self._event_arrivals = array("I")
        self._event_kinds = array("B")
        self._event_offsets = array("q")

    # -- recording -------------------------------------------------------------------------------------------------

    def begin_again(self) -> None:
        """Discard an attempt that got no byte of a response."""
        self.connected = False
        self.marks.clear()
        self._mark_uncertainties.clear()

    def mark(self, mark: Mark, time: float, uncertainty: float = 0.0) -> None:
        """Note the time of a mark; only the first time counts."""
        if mark not in self.marks:
            self.marks[mark] = time
            self._mark_uncertainties[mark] = uncertainty

    def arrived(self, time: float, uncertainty: float, offset: int, spread: float | None = None) -> None:
        """Note a network read of payload that ended at `offset`.

        Its last byte arrived at most `uncertainty` before `time`, every other byte at most `spread`.
        """
        spread = uncertainty if spread is None else spread
        if not self._times:
            self.mark(Mark.FIRST_BYTE, time, spread + self.zero_uncertainty)
        self._times.append(time)
        self._uncertainties.append(uncertainty)
        self._spreads.append(spread)
        self._offsets.append(offset)

    def record(self, event: Event, offset: int) -> None:
        """Note an event decoded from the payload before `offset`; an arrival must cover it."""
        at = self._arrival_of(offset)
        if not isinstance(event, Output):
            self.deadline_changes += 1
            kind = CODES[self._other(event, at, offset)]
        elif (event.repeats or event.again or self._end.ends) and self._repeats(event):
            kind = CODES[self._other(_REPEATED, at, offset)]
        else:
            is_output = self._output(event, at, offset)
            kind = OUTPUT_CODES[event.part] if is_output else OUTPUT_CODES[event.part] | AFTER_THE_END
        self._event_arrivals.append(at)
        self._event_kinds.append(kind)
        self._event_offsets.append(offset)

    def finish(self) -> Recording:
        """Return the recording, after `ending` is set; later events are not part of it."""
        assert self.ending is not None, "a recording is finished after the stream has ended"
        marks = self.marks.copy()
        marks.setdefault(Mark.END, self._ended_at(self.ending))
        return Recording(
            rule=self.rule,
            ending=self.ending,
            marks=MappingProxyType(marks),
            mark_uncertainties=MappingProxyType(self._mark_uncertainties.copy()),
            zero_uncertainty=self.zero_uncertainty,
            connected=self.connected,
            head=self.head,
            end=self._end.result(),
            chunks=self.chunks,
            pings=self._pings,
            text=self._said,
            output_characters=self._output_characters,
            model=self._model,
            usage=self._usage,
            decoded=self._decoded,
            partial=self._partial,
            unterminated=self._unterminated,
            columns=Columns(
                self._times.tobytes(),
                self._uncertainties.tobytes(),
                self._spreads.tobytes(),
                self._offsets.tobytes(),
                self._event_arrivals.tobytes(),
                self._event_kinds.tobytes(),
                self._event_offsets.tobytes(),
            ),
        )

    def _ended_at(self, ending: Ending) -> float:
        """Return when the stream ended: if our drain deadline ended it, when the protocol's end or an error arrived."""
        settled = self._end.settled_at
        at = settled if settled is not None and ending.kind is EndKind.DEADLINE else ending.at
        return max(at, self.marks.get(Mark.LAST_CHUNK, 0.0))

    def _repeats(self, event: Output) -> bool:
        """Whether a piece repeats what was streamed; a whole answer is new if only its reasoning was streamed."""
        if event.repeats and self.chunks:
            return event.part in self._parts or event.part is Part.REASONING or bool(self._end.ends)
        return (event.again or bool(self._end.ends)) and self._said_before(event.text)

    def _said_before(self, text: str) -> bool:
        """Whether a text equals several earlier pieces together, except for white space around it."""
        if self.chunks < _SEVERAL or len(text) * _LONGEST_CHARACTER + _SPACE < len(self._text):
            return False
        return text.strip() == self._said.strip()

    @property
    def _said(self) -> str:
        return self._text.decode("utf-8", "surrogatepass")

    def _arrival_of(self, offset: int) -> int:
        """Return the arrival that covers `offset`: usually the last one, because reads are decoded at once."""
        offsets = self._offsets
        if len(offsets) > 1 and offset <= offsets[-2]:
            return bisect_left(offsets, offset)
        return max(len(offsets) - 1, 0)

    def _output(self, event: Output, at: int, offset: int) -> bool:
        """Take a piece of the answer; return whether it counts: after the end it does not.

        All pieces in one message (of several answers, of reasoning and text) are one chunk.
        """
        time, part, text = self._times[at], event.part, event.text
        self._decoded = True
        goes_on = bool(self._end.ends)
        if not self._end.output(event.choice, offset):
            return False
        if part not in self._parts or goes_on:
            self._begin(part, time)
        self.marks[_LAST_CHUNK] = time
        if offset != self._output_end:
            self.chunks += 1
            self._output_end = offset
        if part is _CONTENT and (event.choice == 0 or self.rule.choices == 1):
            self._text += text.encode("utf-8", "surrogatepass")
        self._output_characters += len(text)
        return True

    def _begin(self, part: Part, time: float) -> None:
        """Take the first piece of its kind, or one that takes an end back."""
        self.deadline_changes += 1
        self._parts.add(part)
        self.marks.setdefault(Mark.FIRST_EVENT, time)
        self.marks.setdefault(Mark.FIRST_CHUNK, time)
        if part in _VISIBLE:
            self.marks.setdefault(Mark.FIRST_CONTENT, time)
        if part is Part.REFUSAL:
            self._end.refuse()

    def _other(self, event: Meta | Finish | Done | Failure | Malformed | Partial, at: int, offset: int) -> Kind:
        time = self._times[at] if self._times else 0.0
        match event:
            case Meta(ping=True):
                self._pings += 1
                return Kind.PING
            case Partial():
                self._stop_inside(parsed=event.parsed)
                return Kind.PARTIAL
            case Malformed():
                if event.framed:
                    self._unread = True
                    self._frame(time, decoded=False)
                self._end.misread(event, time, offset)
                return Kind.MALFORMED
            case Meta():
                self._unread = self._unread or event.foreign
                self._frame(time, decoded=not event.foreign and not (event.shared and self._of_another))
                self._learn(event)
                self._end.meta(event, time, offset)
                return Kind.META
            case Finish() | Done():
                return self._ended(event, time, offset)
            case Failure():  # pragma: no branch - events are a closed union
                if event.framed:
                    self._frame(time)
                self._end.fail(event, time, offset)
                return Kind.FAILURE

    def _ended(self, event: Finish | Done, time: float, offset: int) -> Kind:
        """Take an end or a marker; after messages of only another protocol, a shared marker belongs to that one."""
        theirs = self._of_another and (isinstance(event, Done) or event.shared)
        self._frame(time, decoded=not theirs)
        if isinstance(event, Finish) and not theirs:
            self._end.finish(event, time, offset)
            return Kind.FINISH
        if not theirs:
            self._end.done(time, offset)
        return Kind.DONE

    @property
    def _of_another(self) -> bool:
        """Whether messages came, and none of them of this protocol."""
        return self._unread and not self._decoded

    def _frame(self, time: float, *, decoded: bool = True) -> None:
        self.marks.setdefault(Mark.FIRST_EVENT, time)
        self._decoded = self._decoded or decoded

    def _stop_inside(self, *, parsed: bool) -> None:
        self._partial = self._partial or not parsed
        self._unterminated = self._unterminated or parsed

    def _learn(self, event: Meta) -> None:
        if event.model is not None and self._model is None:
            self._model = event.model[:LONGEST_WORDS]
        if event.usage is not None:
            self._usage = self._usage.updated(event.usage)

    # -- state so far ----------------------------------------------------------------------------------------------

    @property
    def ended_at(self) -> float | None:
        """When a reliable end of the protocol arrived; None if it has not."""
        return self._end.at

    @property
    def settled_at(self) -> float | None:
        """When only the connection's end remained to wait for: the end or an error had arrived."""
        return self._end.settled_at

    @property
    def bytes(self) -> int:
        """Payload bytes received."""
        return self._offsets[-1] if self._offsets else 0

    @property
    def reads(self) -> int:
        """How many network reads brought payload."""
        return len(self._times)

    @property
    def weight(self) -> int:
        """The approximate size in bytes, including those besides it."""
        columns = ARRIVAL_BYTES * len(self._times) + EVENT_BYTES * len(self._event_kinds)
        return columns + len(self._text) + self.besides() + self._end.weight

    def deadline(self, timeouts: Timeouts) -> tuple[Deadline, float]:
        """Return the current deadline and when it passes; if two pass together, the first of the table."""
        settled_at = self._end.settled_at
        if settled_at is not None:
            return Deadline.DRAIN, max(settled_at + timeouts.drain, self._more_may_come(timeouts))
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
        """Return until when to wait for output after an end that may be early."""
        end = self._end
        if not self.rule.early or end.at is None or end.marker_at is not None:
            return 0.0
        return min(end.at + timeouts.idle, timeouts.total)
