"""The recording of one stream after its end: it never changes, and everything else is derived from it.

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
"""Bytes that close a message and do not belong to it: at most two line ends of two bytes."""


class Arrival(NamedTuple):
    """One network read: when its last byte reached this machine, the uncertainty, and where in the payload it ends."""

    time: float
    uncertainty: float
    offset: int


class Kind(StrEnum):
    """The kind of an event in a recording."""

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
"""Set in the code of output that came after the end and does not count."""
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
    """The protocol is known to send its end before the last output (Gemini)."""
    choices: int = 1
    """How many answers were requested at once: each needs an end. If it is one, every index is that answer."""
    parts: bool = False
    """Indices are parts of one answer (Anthropic's blocks), and each that was begun has to end."""

    @property
    def declared(self) -> bool:
        """Whether anything in the stream can declare that it is complete."""
        return self.terminator is not Terminator.NONE and (self.declares_end or self.declares_marker)


@dataclass(frozen=True, slots=True)
class End:
    """What the stream itself sent about its end; the verdict also considers how the connection ended."""

    stands_at: float | None = None
    """When the last byte of the message with the end that stands arrived; None if there is none."""
    with_output: bool = False
    """That message also carried output."""
    early_ending: bool = False
    """An end was taken back by output that followed it."""
    marker_at: float | None = None
    """When the marker arrived."""
    stops: frozenset[Stop] = frozenset()
    """The meanings of the finish reasons."""
    reason: str | None = None
    """The last finish reason, as the server sent it."""
    words: str = ""
    """The server's message about it."""
    failure: Failure | None = None
    """The first error before the end."""
    late_failure: Failure | None = None
    """The first error after the end that stands; it counts if that end proves nothing."""
    broken: str | None = None
    """Why the body's framing could not be read further before the end, in our words."""
    malformed: tuple[str, ...] = ()
    """Why the first undecodable events do not decode, in our words."""
    malformed_events: int = 0
    malformed_amid: int = 0
    """How many of them came before the last output."""
    trailing: bool = False
    """Output came after the marker, or an undecodable event after the end."""
    sequence_gap: bool = False
    """A number between the first and the highest is missing."""


class Columns(NamedTuple):
    """Every arrival and every event in immutable columns: about 50 bytes a chunk."""

    times: bytes
    uncertainties: bytes
    spreads: bytes
    offsets: bytes
    event_arrivals: bytes
    event_kinds: bytes
    event_offsets: bytes

    @property
    def views(self) -> Views:
        """The columns as sequences of numbers."""
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
        """Return an arrival, with the uncertainty of the byte that ends at payload offset `end` in it.

        Bytes after it in the same read may be another segment that the kernel merged with it, and then the
        timestamp is that segment's.
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
    """Figures of a recording before it was thinned that can no longer be computed."""

    reads: int
    events: int
    gaps: GapFigures | None


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording of one stream, up to its ending."""

    rule: EndRule
    ending: Ending
    marks: Mapping[Mark, float]
    mark_uncertainties: Mapping[Mark, float]
    """Seconds by which each connection step, the head and the first byte may have come earlier."""
    zero_uncertainty: float
    """Seconds by which all times may be too late: a delay that may be the monitor's or the peer's."""
    connected: bool
    """The connection was established, TLS included."""
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
    """A message of the protocol was decoded, other than pings."""
    partial: bool
    """The stream stopped inside a message or a character."""
    unterminated: bool
    """The last message was whole, but without its line end."""
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
        """Every stored network read of payload, in order."""
        views = self.views
        return [Arrival(*row) for row in zip(views.times, views.uncertainties, views.offsets, strict=True)]

    @property
    def events(self) -> Iterator[tuple[Arrival, Kind, int]]:
        """Every stored event: its arrival with the event's uncertainty, its kind, and the offset of its end."""
        views = self.views
        for at, kind, end in zip(views.event_arrivals, views.event_kinds, views.event_offsets, strict=True):
            yield views.arrival(at, end), KINDS[kind & ~AFTER_THE_END], end

    @property
    def weight(self) -> int:
        """The approximate size in bytes."""
        return sum(map(len, self.columns)) + getsizeof(self.text)
