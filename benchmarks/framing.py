"""The CPU time of a long event in small reads in every framing, of streams and of HTTP: it must be linear.

Run as `python -m benchmarks.framing [BYTES]`. Each framing reads one message of 2 MB, and one of twice that, in reads
of 100 bytes; the time is that of this thread, the best of three. A framing that looks at what came before again in each
read takes four times as long for twice the bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from time import thread_time
from typing import NamedTuple

from monitor.http.framing import KIB, ChunkedBody, CloseBody, HeadSplitter, LengthBody
from monitor.http.h2_connection import Http2Connection
from monitor.http.h2_frames import FrameSplitter
from monitor.lab import h2_wire
from monitor.lab.dialects.bedrock_converse import frame
from monitor.protocols import Decoder, find
from monitor.protocols.gemini import EventsOrArray
from monitor.stream.binary_frames import BinaryFrames
from monitor.stream.framing import Framer
from monitor.stream.json_objects import ConcatenatedJson, JsonArray
from monitor.stream.lines import JsonLines, Lines
from monitor.stream.raw import Raw
from monitor.stream.recorder import Recorder
from monitor.stream.sse import ServerSentEvents

READ = 100
"""Bytes of a read."""
SIZE = 2_000_000
TIMES = 3
MOST_RATIO = 2.6
"""The limit on the ratio of the times for twice the bytes; 2 is linear, 4 quadratic."""
_ROOM = 1 << 30

Feed = Callable[[bytes], object]


class Framing(NamedTuple):
    """One framing: a factory of its reader, and one of a message of about that many bytes."""

    reader: Callable[[], Feed]
    wire: Callable[[int], bytes]


def _framer(framing: Callable[[int], Framer]) -> Callable[[], Feed]:
    return lambda: framing(_ROOM).feed


def _text(size: int) -> bytes:
    return json.dumps({"text": "x" * size}).encode()


def _lines(size: int, end: bytes) -> bytes:
    return (b"data: " + b"x" * 90 + end) * (size // 96) + end


def _split() -> Feed:
    splitter = FrameSplitter()
    return lambda data: list(splitter.split(data))


def _http2() -> Feed:
    connection = Http2Connection()
    pseudo = {":method": "GET", ":path": "/", ":scheme": "http", ":authority": "a"}
    connection.request(pseudo, (), b"")

    def feed(data: bytes) -> None:
        for _ in connection.receive(data, 0.0):
            pass
        connection.output()

    return feed


def _h2_wire(size: int) -> bytes:
    head = h2_wire.headers(1, [(":status", "200")])
    return h2_wire.SETTINGS + head + h2_wire.data(1, b"x" * size, end=True)


def _decoded() -> Feed:
    decoder, recorder = Decoder(find("openai-chat"), event_bytes=_ROOM, events=_ROOM), Recorder()
    came = 0

    def feed(data: bytes) -> None:
        nonlocal came
        came += len(data)
        recorder.arrived(0.0, 0.0, came)
        for event, offset in decoder.feed(data):
            recorder.record(event, offset)

    return feed


def _chat(size: int) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": "x" * size}, "finish_reason": None}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _chunk(size: int) -> bytes:
    return b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"


def _extended(size: int) -> bytes:
    """Return chunks of one byte whose extensions are as long as they may be."""
    chunk = b"1;" + b"x" * (60 * KIB) + b"\r\nx\r\n"
    return chunk * (size // len(chunk)) + b"0\r\n\r\n"


FRAMINGS: dict[str, Framing] = {
    "server-sent events, one line": Framing(_framer(ServerSentEvents), lambda size: b"data: " + _text(size) + b"\n\n"),
    "server-sent events, many lines": Framing(_framer(ServerSentEvents), lambda size: _lines(size, b"\n")),
    "server-sent events, CR": Framing(_framer(ServerSentEvents), lambda size: _lines(size, b"\r")),
    "lines": Framing(_framer(Lines), lambda size: b"x" * size + b"\n"),
    "lines of JSON": Framing(_framer(JsonLines), lambda size: _text(size) + b"\n"),
    "JSON objects": Framing(_framer(ConcatenatedJson), _text),
    "JSON objects, nested": Framing(_framer(ConcatenatedJson), lambda size: b"[" * (size // 2) + b"]" * (size // 2)),
    "JSON array": Framing(_framer(JsonArray), lambda size: b"[" + _text(size) + b"]"),
    "Gemini's array": Framing(_framer(EventsOrArray), lambda size: b"[" + _text(size) + b"]"),
    "binary event stream": Framing(_framer(BinaryFrames), lambda size: frame({":event-type": "a"}, _text(size))),
    "raw": Framing(_framer(Raw), lambda size: b"x" * size),
    "HTTP/1.1 head": Framing(lambda: HeadSplitter().split, lambda size: b"HTTP/1.1 200 OK\r\na: " + b"x" * size),
    "HTTP/1.1 chunk": Framing(lambda: ChunkedBody().take, _chunk),
    "HTTP/1.1 chunk extensions": Framing(lambda: ChunkedBody().take, _extended),
    "HTTP/1.1 trailer": Framing(lambda: ChunkedBody().take, lambda size: b"0\r\na: " + b"x" * min(size, 60 * KIB)),
    "HTTP/1.1 length": Framing(lambda: LengthBody(_ROOM).take, lambda size: b"x" * size),
    "HTTP/1.1 close": Framing(lambda: CloseBody().take, lambda size: b"x" * size),
    "HTTP/2 frames": Framing(_split, _h2_wire),
    "HTTP/2 connection": Framing(_http2, _h2_wire),
    "a chat's chunk, decoded and recorded": Framing(_decoded, _chat),
}


def reads(wire: bytes, size: int = READ) -> Iterator[bytes]:
    """Divide what is on the wire into small reads."""
    return (wire[at : at + size] for at in range(0, len(wire), size))


def seconds(framing: Framing, size: int) -> float:
    """Return the CPU seconds of this thread to read one message: the best of several runs."""
    return min(_once(framing.reader(), list(reads(framing.wire(size)))) for _ in range(TIMES))


def _once(feed: Feed, pieces: list[bytes]) -> float:
    began = thread_time()
    for piece in pieces:
        feed(piece)
    return thread_time() - began


def main() -> int:
    """Print a line for each framing; 1 if one of them is not linear."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    status = 0
    sys.stdout.write(f"| framing | {size / 1e6:g} MB | {2 * size / 1e6:g} MB | ratio |\n|---|---|---|---|\n")
    for name, framing in FRAMINGS.items():
        one, two = seconds(framing, size), seconds(framing, 2 * size)
        status |= two / one > MOST_RATIO
        sys.stdout.write(f"| {name} | {one * 1000:.0f} ms | {two * 1000:.0f} ms | {two / one:.1f} |\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
