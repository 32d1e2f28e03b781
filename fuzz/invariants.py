"""The invariants for arbitrary bytes: for each framer, and for each protocol from bytes to verdict."""  # noqa: INP001 - a folder of programs

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle

from monitor.http.h2_connection import Answer, Http2Connection, Payload, StreamEnd
from monitor.judge.content_check import examine
from monitor.judge.verdict import CAUSES, Verdict, judge
from monitor.keys.json_path import parse
from monitor.protocols import PROTOCOLS, Decoder, Protocol
from monitor.protocols.gemini import EventsOrArray
from monitor.stream.binary_frames import BinaryFrames
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Message, Output
from monitor.stream.framing import Framer
from monitor.stream.json_objects import ConcatenatedJson, JsonArray
from monitor.stream.lines import JsonLines, Lines
from monitor.stream.raw import Raw
from monitor.stream.recorder import Recorder
from monitor.stream.sse import ServerSentEvents
from monitor.target import CountCheck, Generic, Target

LIMIT = 1024
EVENTS = 500
# `generic` reads by these paths; other protocols ignore them.
TARGET = Target(
    "it", "generic", "http://127.0.0.1/",
    generic=Generic(output=parse("choices[*].delta.content"), end=parse("choices[*].finish_reason"), marker="[DONE]"),
)  # fmt: skip
FRAMERS: Mapping[str, Callable[[int], Framer]] = {
    "sse": ServerSentEvents,
    "lines": Lines,
    "json-lines": JsonLines,
    "json": ConcatenatedJson,
    "json-array": JsonArray,
    "binary": BinaryFrames,
    "events-or-array": EventsOrArray,
    "raw-bytes": Raw,
}
HTTP2 = "http2"
"""The frames of an HTTP/2 connection, as they are read."""
PSEUDO = {":method": "POST", ":scheme": "http", ":authority": "it", ":path": "/"}
CONTROL = 2
"""Bytes at the front of an input that determine how the rest is divided."""


def targets() -> list[str]:
    """Return the names of all that can be fuzzed."""
    return [*FRAMERS, HTTP2, *PROTOCOLS]


def hold(name: str, data: bytes) -> None:
    """Raise if an invariant of this target does not hold for this input."""
    payload = data[CONTROL:]
    pieces = list(cut(payload, data[:CONTROL]))
    if name in FRAMERS:
        framer_holds(FRAMERS[name], payload, pieces)
    elif name == HTTP2:
        http2_holds(payload, pieces)
    else:
        protocol_holds(PROTOCOLS[name], payload, pieces)


def cut(payload: bytes, control: bytes) -> Iterator[bytes]:
    """Cut a payload into pieces of two sizes in turn; a size of nothing is an empty read, which must be harmless."""
    sizes = cycle([size % 24 for size in control] + [1])
    at = 0
    while at < len(payload):
        size = next(sizes)
        yield payload[at : at + size]
        at += size


# -- framers -----------------------------------------------------------------------------------------------------------


def framer_holds(framing: Callable[[int], Framer], payload: bytes, pieces: Sequence[bytes]) -> None:
    """One piece or many: the same messages, rest and errors; and no more bytes are buffered than the limit."""
    whole, parts = framed(framing, [payload]), framed(framing, pieces)
    assert whole == parts, (whole, parts)


def framed(framing: Callable[[int], Framer], pieces: Sequence[bytes]) -> object:
    """Return all results of a framer for these pieces."""
    framer, messages = framing(LIMIT), []
    for piece in pieces:
        messages += framer.feed(piece)
        assert kept(framer) <= LIMIT, f"{kept(framer)} bytes are kept"
    rest = framer.close()
    assert all(0 <= message.end <= sum(map(len, pieces)) for message in messages), messages
    output = joined(messages) if framing is Raw else messages
    return output, rest, framer.too_large, framer.foreign


def joined(messages: Sequence[Message]) -> object:
    """Return what does not depend on reads if every read is a message."""
    return "".join(message.data for message in messages)


def kept(framer: Framer) -> int:
    """Return how many bytes a framer buffers."""
    held = 0
    for value in vars(framer).values():
        parts = value if isinstance(value, list) else [value]
        held += sum(len(part) for part in parts if isinstance(part, bytes | bytearray | str))
    return held


# -- http/2 ------------------------------------------------------------------------------------------------------------


def http2_holds(payload: bytes, pieces: Sequence[bytes]) -> None:
    """One piece or many: the same heads, payload and end, exactly one end, and no exception."""
    whole, parts = answered([payload]), answered(pieces)
    assert whole == parts, (whole, parts)


def answered(pieces: Sequence[bytes]) -> object:
    """Return all results of a connection for these reads, after a request was sent."""
    connection, heads, ends, body = Http2Connection(), list[Answer](), list[StreamEnd](), bytearray()
    connection.request(PSEUDO, (), b"{}")
    for piece in pieces:
        for output in connection.receive(piece, 0.0):
            match output:
                case Answer():
                    heads.append(output)
                case Payload():
                    body += output.data
                case StreamEnd():
                    ends.append(output)
        connection.output()
    assert len(heads) <= 1, heads
    assert len(ends) <= 1, ends
    assert not body or heads, "a body without a head"
    return heads, bytes(body), ends, connection.goaway, connection.usable


# -- protocols ---------------------------------------------------------------------------------------------------------


def protocol_holds(protocol: Protocol, payload: bytes, pieces: Sequence[bytes]) -> None:
    """One piece or many: the same events at the same offsets, and the same verdict, one of the closed set."""
    raw = protocol.of(TARGET).framing is Raw
    whole, parts = decoded(protocol, [payload]), decoded(protocol, pieces)
    if raw:
        assert text(whole[0]) == text(parts[0])
    else:
        assert whole == parts, (whole, parts)
    verdict, other = judged(protocol, [payload]), judged(protocol, pieces)
    assert raw or (verdict.outcome, verdict.cause) == (other.outcome, other.cause), (verdict, other)
    assert verdict.cause in (CAUSES[verdict.outcome] or (None,))


def decoded(protocol: Protocol, pieces: Sequence[bytes]) -> tuple[list[tuple[Event, int]], str | None]:
    """Return all events of these pieces, and which limit was exceeded."""
    decoder = Decoder(protocol.of(TARGET), event_bytes=LIMIT, events=EVENTS)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()], decoder.too_large


def text(events: Sequence[tuple[Event, int]]) -> str:
    """Return the output."""
    return "".join(event.text for event, _ in events if isinstance(event, Output))


def judged(protocol: Protocol, pieces: Sequence[bytes]) -> Verdict:
    """Return the verdict of these pieces, each an arrival, with a clean end of the body after them."""
    decoder = Decoder(protocol.of(TARGET), event_bytes=LIMIT, events=EVENTS)
    recorder = Recorder(protocol.of(TARGET).end_rule())
    recorder.head = Head(status=200, content_type="text/event-stream", framing=BodyFraming.CHUNKED)
    offset = 0
    for number, piece in enumerate(filter(None, pieces)):
        offset += len(piece)
        recorder.arrived(number / 1000, 0.0, offset)
        for event, at in decoder.feed(piece):
            recorder.record(event, at)
    for event, at in decoder.close():
        recorder.record(event, at)
    too_large = decoder.too_large is not None
    recorder.ending = Ending(EndKind.TOO_LARGE if too_large else EndKind.COMPLETE, 1.0)
    recording = recorder.finish()
    check = examine(CountCheck(9), recording.text, "ab12") if recording.chunks else None
    return judge(recording, check)
