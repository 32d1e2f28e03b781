"""Reads a client's HTTP/2 frames: its requests, one at a time, and its flow-control windows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from h2.settings import SettingCodes
from hpack import Decoder, HPACKError

from monitor.http.h2_frames import HEADER, Flag, FrameType
from monitor.lab.h2_wire import PREFACE, SETTINGS, SETTINGS_ACK, frame, window
from monitor.lab.request import HTTP_2, MAX_BODY, MAX_HEAD, ByteSource, LabRequest, MalformedRequestError

_WINDOW = 65535
_PRIORITY = 0x20
_BAD = "400 Bad Request"


_TELLING = 4
"""Bytes by which the preface differs from any request of HTTP/1.1."""


class Link(ByteSource, Protocol):
    """A connection on which the reader may also write."""

    async def put(self, data: bytes) -> None:
        """Write, independent of the client's windows."""


async def speaks_http2(link: Link) -> bool:
    """Whether the received data begins like HTTP/2's preface."""
    while len(link.received) < _TELLING and PREFACE.startswith(bytes(link.received)):
        await link.more()
    return link.received.startswith(PREFACE[:_TELLING])


class Http2Reader:
    """Reads the frames of one connection; if `polite`, it sends acknowledgements and obeys the client's windows.

    Otherwise a script sends everything.
    """

    def __init__(self, link: Link, *, polite: bool) -> None:
        self._link = link
        self._polite = polite
        self._decoder = Decoder()
        self._decoder.max_header_list_size = MAX_HEAD
        self._initial = self._connection = _WINDOW
        self._windows: dict[int, int] = {}
        self._block = bytearray()
        self._head: dict[str, str] = {}
        self._body = bytearray()
        self._ended = self._opened = False
        self.stream = 0
        """That of the last request."""

    async def request(self) -> LabRequest:
        """Return the next request, when it is complete."""
        if not self._opened:
            self._opened = True
            while len(self._link.received) < len(PREFACE):
                await self._link.more()
            if self._link.take(len(PREFACE)) != PREFACE:
                raise MalformedRequestError(_BAD, "the preface is not HTTP/2's")
            await self._say(SETTINGS)
        self._head, self._body, self._ended = {}, bytearray(), False
        while True:
            for kind, flags, stream, payload in self._frames():
                await self._took(kind, flags, stream, payload)
                if self._ended and self._head:
                    return self._made()
            await self._link.more()

    async def portions(self, wire: bytes) -> AsyncIterator[bytes]:
        """Yield these bytes in portions, as the client's windows have room for their DATA."""
        rest, begin, end = bytearray(wire), 0, 0
        for kind, _, stream, payload in _split(rest):
            if kind == FrameType.DATA and self._polite:
                await self._take_what_came()
                while self._room(stream) < len(payload):
                    if begin < end:
                        yield wire[begin:end]
                        begin = end
                    await self._link.more()
                    await self._take_what_came()
                self._connection -= len(payload)
                self._windows[stream] = self._windows.get(stream, self._initial) - len(payload)
            end += HEADER + len(payload)
        yield wire[begin:]

    def _room(self, stream: int) -> int:
        return min(self._connection, self._windows.get(stream, self._initial))

    async def _take_what_came(self) -> None:
        for one in self._frames():
            await self._took(*one)

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        return _split(self._link.received)

    async def _took(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._ended |= kind in {FrameType.HEADERS, FrameType.DATA} and bool(flags & Flag.END_STREAM)
        match kind:
            case FrameType.HEADERS | FrameType.CONTINUATION:
                self._block += payload[5:] if flags & _PRIORITY and kind == FrameType.HEADERS else payload
                if flags & Flag.END_HEADERS:
                    self.stream, self._head = stream, self._decoded()
            case FrameType.DATA:
                self._body += payload
                if len(self._body) > MAX_BODY:
                    raise MalformedRequestError("413 Content Too Large", f"a body is at most {MAX_BODY} bytes")
                more = max(len(payload), 1)
                await self._say(window(0, more) + (b"" if flags & Flag.END_STREAM else window(stream, more)))
            case FrameType.SETTINGS if not flags & Flag.ACK:
                self._set(payload)
                await self._say(SETTINGS_ACK)
            case FrameType.PING if not flags & Flag.ACK:
                await self._say(frame(FrameType.PING, payload, flags=Flag.ACK))
            case FrameType.WINDOW_UPDATE:
                more = int.from_bytes(payload)
                if stream:
                    self._windows[stream] = self._windows.get(stream, self._initial) + more
                else:
                    self._connection += more
            case _:
                pass

    async def _say(self, data: bytes) -> None:
        if self._polite:
            await self._link.put(data)

    def _set(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            if int.from_bytes(payload[at : at + 2]) == SettingCodes.INITIAL_WINDOW_SIZE:
                self._initial = int.from_bytes(payload[at + 2 : at + 6])

    def _decoded(self) -> dict[str, str]:
        try:
            fields = self._decoder.decode(bytes(self._block), raw=True)
        except HPACKError as error:
            raise MalformedRequestError(_BAD, "the headers do not decode") from error
        self._block.clear()
        return {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in fields}

    def _made(self) -> LabRequest:
        head = dict(self._head)
        method, target = head.pop(":method", ""), head.pop(":path", "")
        head["host"] = head.pop(":authority", "")
        head.pop(":scheme", None)
        return LabRequest(method, target, HTTP_2, head, bytes(self._body))


def _split(buffer: bytearray) -> Iterator[tuple[int, int, int, bytes]]:
    """Take whole frames from the front of a buffer."""
    while len(buffer) >= HEADER and len(buffer) >= HEADER + int.from_bytes(buffer[:3]):
        end = HEADER + int.from_bytes(buffer[:3])
        kind, flags, stream, payload = buffer[3], buffer[4], int.from_bytes(buffer[5:HEADER]), bytes(buffer[HEADER:end])
        del buffer[:end]
        yield kind, flags, stream, payload
