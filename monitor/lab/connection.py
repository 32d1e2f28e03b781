"""One connection with exact control of segments and endings, and the player of scripts on it."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from monitor.lab.h2_reader import Http2Reader, speaks_http2
from monitor.lab.request import LabRequest, read_request
from monitor.lab.steps import LAST, Fin, Gate, Hold, Repeat, Rst, Script, Send, Step, StreamFrames, Wait

LINGER = 2.0
"""Seconds that a peer has to close after our FIN, or to receive the data before our RST."""
MAX_RECEIVED = 8 << 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class PeerLeftError(Exception):
    """The peer closed or reset the connection while a script was running."""


class LabConnection(asyncio.Protocol):
    """One connection as an asyncio protocol: the received bytes, and whether the peer is connected and accepts more.

    asyncio disables Nagle's algorithm; without a write buffer, a send is a segment.
    """

    def __init__(self, started: Callable[[LabConnection], None]) -> None:
        self._started = started
        self._loop = asyncio.get_running_loop()
        self._room = self._loop.create_future()
        self._room.set_result(None)
        self._news = asyncio.Event()
        self.gone = self._loop.create_future()
        """Done when the peer has closed or reset the connection."""
        self.lost = self._loop.create_future()
        """Done when the socket is closed."""
        self.received = bytearray()
        self.requests: list[LabRequest] = []
        self.sent = 0
        self.http2: Http2Reader | None = None
        """The reader of an HTTP/2 connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio, after the TLS handshake if there is one."""
        self._transport = cast("asyncio.Transport", transport)
        self.tls = transport.get_extra_info("ssl_object") is not None
        # A socket pauses above its limit, TLS at the limit: 0 would pause forever.
        self._transport.set_write_buffer_limits(high=1 if self.tls else 0)
        self._started(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio; data above the limit is dropped."""
        self.received += data[: MAX_RECEIVED - len(self.received)]
        self._news.set()

    def eof_received(self) -> bool:
        """Called by asyncio; the socket stays open, because the script decides how it ends."""
        self._leave()
        return not self.tls

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        del error
        self._leave()
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Called by asyncio when the kernel accepts no more."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._room.set_result(None)

    def _leave(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        self._news.set()

    @property
    def _socket(self) -> socket.socket:
        return cast("socket.socket", self._transport.get_extra_info("socket"))

    def _present(self) -> None:
        if self.gone.done():
            raise PeerLeftError

    async def more(self) -> None:
        """Wait until more has arrived."""
        self._present()
        self._news.clear()
        await self._news.wait()

    def take(self, size: int) -> bytes:
        """Take this many of the received bytes."""
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    async def send(self, data: bytes) -> None:
        """Write, and wait until the kernel has it; in HTTP/2, until the client's windows have room for it."""
        if self.http2 is None:
            await self.put(data)
            return
        async for portion in self.http2.portions(data):
            await self.put(portion)

    async def put(self, data: bytes) -> None:
        """Write, and wait until the kernel has it."""
        self._present()
        self._transport.write(data)
        self.sent += len(data)
        if self._room.done():
            await asyncio.sleep(0)  # other tasks run in between, however much there is to send
        else:
            await asyncio.wait({self._room, self.gone}, return_when=asyncio.FIRST_COMPLETED)

    async def wait(self, seconds: float) -> None:
        """Be silent."""
        await self.stay(seconds)
        self._present()

    async def stay(self, seconds: float) -> None:
        """Be silent until the peer disconnects, at most this long."""
        await asyncio.wait({self.gone}, timeout=seconds)

    async def until(self, event: asyncio.Event) -> None:
        """Be silent until the event is set."""
        opened = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({opened, self.gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opened.cancel()
        self._present()

    async def repeat(self, data: bytes, every: float, seconds: float) -> None:
        """Send repeatedly until the peer disconnects, at most this long."""
        until = self._loop.time() + seconds
        while not self.gone.done() and self._loop.time() < until:
            if every:
                await self.stay(every)
            if not self.gone.done():
                await self.send(data)

    async def fin(self, *, notify: bool) -> None:
        """Close our side; further data of the peer is read, because unread data would cause a reset."""
        self._present()
        if self.tls and notify:
            self._transport.close()
        else:
            self._shut()
        await self.stay(LINGER)

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:  # reset by the peer, which the loop has not noticed yet
            raise PeerLeftError from error

    async def rst(self) -> None:
        """Reset after all data was delivered: the kernel would discard the rest."""
        self._present()
        until = self._loop.time() + LINGER
        while self._unsent() and self._loop.time() < until:
            await self.wait(0.001)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        await self.close()

    def _unsent(self) -> int:
        answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    async def close(self) -> None:
        """Close the socket at once."""
        self._transport.abort()
        await asyncio.shield(self.lost)  # others wait for it, too


@dataclass(frozen=True, slots=True)
class Played:
    """The result of a script."""

    steps: int
    """The steps that were completed."""
    of: int
    whole: bool
    last: bool
    """Whether the connection cannot be used further."""


async def play(link: LabConnection, script: Script) -> Played:
    """Play a script to its end, or until the peer disconnects."""
    steps = 0
    try:
        for step in script:
            await _perform(link, step)
            steps += 1
    except PeerLeftError:
        return Played(steps, len(script), whole=False, last=True)
    return Played(steps, len(script), whole=True, last=any(isinstance(step, LAST) for step in script))


def _perform(link: LabConnection, step: Step) -> Awaitable[None]:
    match step:
        case Send(data):
            return link.send(data)
        case StreamFrames(make):
            return link.send(make(1))
        case Wait(seconds):
            return link.wait(seconds)
        case Gate(event):
            return link.until(event)
        case Hold(seconds):
            return link.stay(seconds)
        case Repeat(data, every, seconds):
            return link.repeat(data, every, seconds)
        case Fin(notify):
            return link.fin(notify=notify)
        case Rst():
            return link.rst()
        case _:  # ReadRequest, the only one left
            return _read(link)


async def _read(link: LabConnection) -> None:
    request = await next_request(link, polite=False)
    link.requests.append(request)


async def next_request(link: LabConnection, *, polite: bool = True) -> LabRequest:
    """The next request, in either version of HTTP; see `Http2Reader` for `polite`."""
    if link.http2 is None:
        if not await speaks_http2(link):
            return await read_request(link)
        link.http2 = Http2Reader(link, polite=polite)
    return await link.http2.request()
