"""What was recorded of one stream, once it has ended: it never changes again, and everything else is derived from it.

Every time is in seconds from zero, the moment the request was issued (contract, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from sys import getsizeof
from typing import NamedTuple

from monitor.stream.endings import Ending, Head, Mark
from monitor.stream.events import Failure, Part, Stop, Usage
from monitor.target import Terminator

LINE_ENDS = 4
"""Bytes that close a message and are not counted to it: at most two line ends of two."""


class Arrival(NamedTuple):
    """One network read: when its last byte reached this machine, how sure that is, and where in the payload it ends."""

    time: float
    uncertainty: float
    offset: int


class Kind(StrEnum):
    """What an event is, as the recording keeps it."""

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


KINDS = tuple(Kind)
CODES = {kind: code for code, kind in enumerate(KINDS)}
"""One byte for each kind of event."""
OUTPUT_CODES = {
    Part.CONTENT: CODES[Kind.OUTPUT],
    Part.REASONING: CODES[Kind.REASONING],
    Part.TOOL_CALL: CODES[Kind.TOOL_CALL],
    Part.REFUSAL: CODES[Kind.REFUSAL],
}
IS_OUTPUT = frozenset(OUTPUT_CODES.values())
AFTER_THE_END = 0x80
"""Set in the code of what would be output before the end, and is none after it."""
ARRIVAL_BYTES, EVENT_BYTES = 32, 13
"""Bytes of an arrival and of an event in the columns."""


@dataclass(frozen=True, slots=True)
class EndRule:
    """What counts as the end of this stream: what the protocol declares, and the target's `terminator`."""

    terminator: Terminator = Terminator.END
    declares_end: bool = True
    declares_marker: bool = False
    """The protocol has a marker, or the target asks for one."""
    early: bool = False
    """The protocol is known to say its end before the last output (Gemini)."""
    choices: int = 1
    """How many answers were asked for at once: the end is that of each. If it is one, every index is that answer."""
    parts: bool = False
    """Indices are no answers but parts of one (Anthropic's blocks): each that was begun has to end."""

    @property
    def declared(self) -> bool:
        """Whether anything in the stream can say that it is complete."""
        return self.terminator is not Terminator.NONE and (self.declares_end or self.declares_marker)


@dataclass(frozen=True, slots=True)
class End:
    """What the stream itself said about its end; what that proves is judged with the wire's ending beside it."""

    stands_at: float | None = None
    """When the last byte of the message arrived that says the end which stands; None if none does."""
    with_output: bool = False
    """That message carried output, too."""
    early_ending: bool = False
    """An end was taken back by output that followed it."""
    marker_at: float | None = None
    """When the marker arrived."""
    stops: frozenset[Stop] = frozenset()
    """What the finish reasons mean."""
    reason: str | None = None
    """The last finish reason, in the server's word."""
    words: str = ""
    """What the server says of it in a sentence."""
    failure: Failure | None = None
    """The first error before the end."""
    late_failure: Failure | None = None
    """The first error after the end that stands: it counts if that end proves nothing."""
    broken: str | None = None
    """Why nothing more could be taken out of the body's own framing before the end, in our words."""
    malformed: tuple[str, ...] = ()
    """Why the first events that do not decode do not, in our words."""
    malformed_events: int = 0
    malformed_amid: int = 0
    """How many of them came before the last output."""
    trailing: bool = False
    """Output came after the marker, or something that does not decode after the end."""
    sequence_gap: bool = False
    """A number between the first and the highest never came."""


class Columns(NamedTuple):
    """Every arrival and every event, a column each: some 50 bytes a chunk, and nothing in it can change."""

    times: bytes
    uncertainties: bytes
    spreads: bytes
    offsets: bytes
    event_arrivals: bytes
    event_kinds: bytes
    event_offsets: bytes

    @property
    def views(self) -> Views:
        """The same as numbers."""
        return Views(
            memoryview(self.times).cast("d"),
            memoryview(self.uncertainties).cast("d"),
            memoryview(self.spreads).cast("d"),
            memoryview(self.offsets).cast("q"),
            memoryview(self.event_arrivals).cast("I"),
            self.event_kinds,
            memoryview(self.event_offsets).cast("q"),
        )


class Views(NamedTuple):
    """The columns as numbers.

    `uncertainties` are those of the last byte of each arrival, `spreads` those of every other byte.
    """

    times: memoryview[float]
    uncertainties: memoryview[float]
    spreads: memoryview[float]
    offsets: memoryview[int]
    event_arrivals: memoryview[int]
    event_kinds: bytes
    event_offsets: memoryview[int]

    def arrival(self, at: int, end: int) -> Arrival:
        """Return an arrival, as sure as what ends at payload offset `end` in it.

        What follows that in the same read may be a segment of its own that the kernel merged with it, and then the
        stamp is that segment's.
        """
        if at >= len(self.times):
            return Arrival(0.0, 0.0, 0)
        last = self.offsets[at] - end <= LINE_ENDS
        return Arrival(self.times[at], (self.uncertainties if last else self.spreads)[at], self.offsets[at])


class GapFigures(NamedTuple):
    """Median, 99th percentile and maximum of the gaps between output, in seconds."""

    p50: float
    p99: float
    max: float


class Whole(NamedTuple):
    """What a recording came to before it was thinned, as far as what is left of it cannot say."""

    reads: int
    events: int
    gaps: GapFigures | None


@dataclass(frozen=True, slots=True)
class Recording:
    """What one probe recorded of its stream, up to its ending."""

    rule: EndRule
    ending: Ending
    marks: Mapping[Mark, float]
    mark_uncertainties: Mapping[Mark, float]
    """By how many seconds each step of the connection, the head and the first byte may have come sooner."""
    zero_uncertainty: float
    """Seconds by which all times may be too late: a delay of the monitor that cannot be told from one of the peer."""
    connected: bool
    """The connection, TLS included, stood."""
    head: Head | None
    end: End
    chunks: int
    pings: int
    text: str
    """The visible answer of the first choice."""
    output_characters: int
    model: str | None
    usage: Usage
    decoded: bool
    """Something of the protocol was read: not only pings, nor only what does not decode."""
    partial: bool
    """The stream stopped inside a message or a character."""
    unterminated: bool
    """The last message came whole, but without what closes it."""
    columns: Columns
    whole: Whole | None = None
    """Set if arrivals and events were thinned to save memory."""

    @property
    def views(self) -> Views:
        """Every arrival and every event, as numbers."""
        return self.columns.views

    @property
    def bytes(self) -> int:
        """Payload bytes received."""
        offsets = self.views.offsets
        return offsets[-1] if offsets else 0

    @property
    def last_byte(self) -> float | None:
        """When the last byte of payload arrived; None if none did."""
        times = self.views.times
        return times[-1] if times else None

    @property
    def reads(self) -> int:
        """How many network reads brought payload."""
        return self.whole.reads if self.whole else len(self.views.times)

    @property
    def arrivals(self) -> list[Arrival]:
        """Every network read of payload that is kept, in order."""
        views = self.views
        return [Arrival(*row) for row in zip(views.times, views.uncertainties, views.offsets, strict=True)]

    @property
    def events(self) -> Iterator[tuple[Arrival, Kind, int]]:
        """Every event that is kept: its arrival, as sure as that event is, its kind, and the offset of its end."""
        views = self.views
        for at, kind, end in zip(views.event_arrivals, views.event_kinds, views.event_offsets, strict=True):
            yield views.arrival(at, end), KINDS[kind & ~AFTER_THE_END], end

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return sum(map(len, self.columns)) + getsizeof(self.text)
