"""A raw client for the lab's tests that distinguishes FIN from RST, and scripts as bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, NamedTuple

from monitor.lab.dialects import DIALECTS
from monitor.lab.fault import Expect, ScriptContext
from monitor.lab.scenarios import FAULTS, case_for
from monitor.lab.steps import Script, Send, Step, Wait
from monitor.protocols import PROTOCOLS

PROMPT = "[ab12] Count from 1 to 9, one number a line, then write END-ab12."
ANSWER = "1\n2\n3\n4\n5\n6\n7\n8\n9\nEND-ab12"
PIECES = (*(f"{number}\n" for number in range(1, 10)), "END-ab12")
BODY = json.dumps({"stream": True, "messages": [{"role": "user", "content": PROMPT}]}).encode()
ENDED = tuple(name for name, protocol in PROTOCOLS.items() if protocol.end)
ENDLESS = tuple(name for name, protocol in PROTOCOLS.items() if not protocol.end)
BUFFER = 1 << 20


class HttpProtocol:
    """The client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, target: str, *headers: str, body: bytes = BODY, method: str = "POST") -> None:
        """Send one request."""
        fields = (*headers, "Host: lab.test", f"Content-Length: {len(body)}", "", "")
        await self.say(f"{method} {target} HTTP/1.1\r\n".encode() + "\r\n".join(fields).encode() + body)

    async def say(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def exactly(self, size: int) -> bytes:
        """So many bytes and no more."""
        return await self._reader.readexactly(size)

    async def upto(self, mark: bytes) -> bytes:
        """All bytes with the first of this mark."""
        return await self._reader.readuntil(mark)

    async def rest(self) -> tuple[bytes, str]:
        """All that still comes, and how it ends: `fin` or `rst`."""
        data = bytearray()
        try:
            while part := await self._reader.read(BUFFER):
                data += part
        except ConnectionResetError:
            return bytes(data), "rst"
        return bytes(data), "fin"


@asynccontextmanager
async def wire_to(port: int, ssl: SSLContext | None = None) -> AsyncIterator[HttpProtocol]:
    """A connection to a port of loopback."""
    name = None if ssl is None else "lab.test"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl, server_hostname=name, limit=BUFFER)
    try:
        yield HttpProtocol(reader, writer)
    finally:
        writer.transport.abort()


async def fetch(port: int, target: str, *headers: str, body: bytes = BODY, method: str = "POST") -> tuple[bytes, str]:
    """One whole exchange on a connection that the client wants closed."""
    async with wire_to(port) as wire:
        await wire.ask(target, "Connection: close", *headers, body=body, method=method)
        return await wire.rest()


class Played(NamedTuple):
    """A script taken apart."""

    head: bytes
    body: bytes
    steps: Script

    @property
    def last(self) -> Step:
        """The step that it ends with."""
        return self.steps[-1]

    @property
    def waits(self) -> list[float]:
        """Its silences."""
        return [step.seconds for step in self.steps if isinstance(step, Wait)]


def played(protocol: str, fault: str, query: str = "gap=0&ttfc=0", *, stream: bool = True) -> Played:
    """What a fault would send in answer to the prompt of these tests."""
    return taken_apart(FAULTS[fault].script(case(protocol, fault, query, stream=stream)))


def taken_apart(script: Script) -> Played:
    """Head and body of what a script sends."""
    head, end, body = sent(script).partition(b"\r\n\r\n")
    return Played(head + end, body, script)


def sent(script: Script) -> bytes:
    """All bytes that a script sends."""
    return b"".join(step.data for step in script if isinstance(step, Send))


def case(protocol: str, fault: str = "ok", query: str = "gap=0&ttfc=0", *, stream: bool = True) -> ScriptContext:
    """The case of this URL and the prompt of these tests."""
    return case_for(FAULTS[fault], DIALECTS[protocol], query, BODY, stream=stream)


def expected(protocol: str, fault: str, query: str = "") -> Expect:
    """The verdict that a fault promises."""
    return FAULTS[fault].expect(case(protocol, fault, query))


def dechunked(body: bytes) -> bytes:
    """The payload of a whole chunked body."""
    payload = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            return payload
        payload += body[:length]
        assert body[length : length + 2] == b"\r\n"
        body = body[length + 2 :]


def events(payload: bytes) -> list[str]:
    """The data of a stream of one-line events, with LF or CRLF."""
    blocks = payload.decode().replace("\r\n", "\n").split("\n\n")
    return [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]


def objects(messages: Sequence[bytes]) -> list[Any]:
    """The JSON in a sequence of events."""
    return [json.loads(data) for data in events(b"".join(messages)) if data != "[DONE]"]
