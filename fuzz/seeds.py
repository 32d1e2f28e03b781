"""The seeds of the fuzzers: the payloads of the recorded streams, and the lab's messages in each protocol."""  # noqa: INP001 - a folder of programs

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fuzz.invariants import CONTROL, FRAMERS, HTTP2, TARGET
from monitor.lab import h2_wire as wire
from monitor.lab.dialects import DIALECTS
from monitor.lab.dialects.bedrock_converse import frame
from monitor.lab.faults.h2 import BROKEN, HEADS
from monitor.protocols import PROTOCOLS

CAPTURES = Path(__file__).parents[1] / "tests" / "captures"
CHUNK = re.compile(rb"([0-9a-f]+)\r\n", re.IGNORECASE)
LONGEST = 1600
PIECES = ("1\n", "2\n", "3\n", "END-ab12")
BY_FRAMER = {
    "sse": (
        b"data: a\r\rdata: b\r\n\r\n: ping\n\nevent: x\ndata\ndata: c\n\nid: 1\nretry: 5\nfoo\n\n",
        b"\xef\xbb\xbfdata: \xe4\xb8\x89\n\n",
    ),
    "lines": (b'{"a": 1}\r\n\n  \n{"done": true}', "{\u2028}\n".encode()),
    "json-lines": (b'{"a": 1}\n{"b"', b'{"done": true}\nBad Gateway'),
    "json": (b'{"text": "a}\\"{"}{"answer": [1, {"b": "\\\\"}]} , [1]x', b'{"a": "\xe4\xb8\x89"}'),
    "json-array": (b'[{"a": 1}\n,\r\n{"b": [1]}]', b" \n[[1],2]{}", b'{"error": {}}'),
    "binary": (frame({":event-type": "a"}, b"{}") * 2, frame({":error-code": "1", ":message-type": "error"}, b"")),
    "events-or-array": (b'[{"a": 1},{"b": 2}]', b"\n\xef\xbb\xbfdata: a\n\n", b'\n{"a": 1}'),
    "raw-bytes": ("三Ünï".encode(), b"\xe4\xb8"),
}


def seeds(name: str) -> Iterator[bytes]:
    """Yield inputs for one target, each with its control bytes."""
    if name == HTTP2:
        yield from (bytes((number % 24, 7))[:CONTROL] + sent[:LONGEST] for number, sent in enumerate(connections()))
        return
    payloads = BY_FRAMER[name] if name in FRAMERS else tuple(spoken(name))
    framing = FRAMERS.get(name) or PROTOCOLS[name].of(TARGET).framing
    recorded = (payload for payload in recordings() if framing is FRAMERS["json" if payload[:1] == b"{" else "sse"])
    for number, payload in enumerate((*payloads, *recorded)):
        yield bytes((number % 24, 7))[:CONTROL] + payload[:LONGEST]


def connections() -> Iterator[bytes]:
    """Yield a server's HTTP/2 bytes: whole answers, other frames in between, and each broken frame and head."""
    fields = [(":status", "200"), ("content-type", "text/event-stream")]
    begun = wire.SETTINGS + wire.headers(1, fields) + wire.data(1, b"data: 1\n\n")
    yield begun + wire.data(1, b"data: 2\n\n", end=True)
    yield begun + wire.window(0, 9) + wire.goaway(1) + wire.headers(1, [("x-trailer", "1")], end=True)
    yield wire.SETTINGS + wire.headers(1, [(":status", "103")]) + begun + wire.reset(1)
    yield from (begun + make(1) for make in BROKEN.values())
    yield from (wire.SETTINGS + make(1, fields) for make in HEADS.values())


def spoken(protocol: str) -> Iterator[bytes]:
    """Yield the lab's whole answers in a protocol, and each of its other messages."""
    dialect = DIALECTS.get(protocol)
    if dialect is None:
        return
    for finish in dialect.finishes:
        yield b"".join(dialect.encode(PIECES, finish).messages)
    yield from (*dialect.errors.values(), *dialect.asides.values(), *dialect.garbled.values())


def recordings() -> Iterator[bytes]:
    """Yield the payloads of everything that was recorded."""
    for file in sorted(CAPTURES.rglob("*.capture")):
        head, _, body = file.read_bytes().partition(b"\n---\n")[2].partition(b"\r\n\r\n")
        yield b"".join(chunks(body)) if b"transfer-encoding: chunked" in head.lower() else body


def chunks(body: bytes) -> Iterator[bytes]:
    """Yield the data of a chunked body, as far as it goes."""
    at = 0
    while (line := CHUNK.match(body, at)) and (size := int(line[1], 16)):
        yield body[line.end() : line.end() + size]
        at = line.end() + size + 2
