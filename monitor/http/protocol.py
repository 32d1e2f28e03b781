"""aiohttp's protocol of a connection, listening in: when each read came, where in the payload it ended, what broke."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError

from monitor.http.framing import HEAD_BYTES, ChunkedBody, CloseBody, HeadSplitter, LengthBody
from monitor.http.timestamps import TimestampedSocket
from monitor.stream.endings import BodyFraming


class HeadTooLargeError(HttpProcessingError):
    """A head has more than `HEAD_BYTES`, which aiohttp itself does not limit."""


class HttpProtocol(ResponseHandler):
    """aiohttp's protocol, listening in: every read with its time and where in the payload it ended."""

    # slots: with our attributes beside aiohttp's, the dictionary of an instance would share its keys with no other's
    __slots__ = (
        "_body", "_on_made", "broken", "encrypted", "extra", "framing", "head_at", "head_uncertainty", "heads",
        "made_at", "reads", "received", "sent_at", "tap", "torn_at",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_made: Callable[[HttpProtocol, asyncio.BaseTransport], None]
    ) -> None:
        super().__init__(loop=loop)
        self.tap: TimestampedSocket | None = None
        self.encrypted = False
        self.made_at = time.monotonic()
        self._on_made = on_made
        self.begin()

    def begin(self) -> None:
        """Know nothing of an answer yet: that of the call before, on a connection that was kept, is forgotten."""
        self._payload = None
        self.head_at: float | None = None
        self.head_uncertainty = 0.0
        self.sent_at: float | None = None
        self.received = 0
        self.extra = False
        self.reads: list[tuple[float, float, int, float]] = []
        self.heads = HeadSplitter()
        self.framing = BodyFraming.CLOSE
        self.broken = False
        """The parser, or the framing of the body, has failed: nothing that comes now can be read."""
        self.torn_at: float | None = None
        """When TLS failed: by a fatal alert, or by bytes that are none of its records."""
        self._body = CloseBody()

    @property
    def keepable(self) -> bool:
        """Whether another request may be sent: the connection stands, and nobody said more than was asked for."""
        return self.is_connected() and not (self.should_close or self.extra or self.broken)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note when the connection, TLS included, stood."""
        self.made_at = time.monotonic()
        self.encrypted = transport.get_extra_info("ssl_object") is not None
        super().connection_made(transport)
        self._on_made(self, transport)

    def data_received(self, data: bytes) -> None:
        """Take one read, or with nothing in it aiohttp's call to itself."""
        payload, tap = self._payload, self.tap
        if self.heads.final:
            self._through_body(data)
        else:
            self._through_heads(data)
        self.received += len(data)
        payload = self._payload or payload
        if payload is not None and tap is not None:
            self.reads.append((tap.read_at, tap.uncertainty, payload.total_bytes, tap.spread))
        if self.broken:
            self._hang_up()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - as aiohttp has it
        """Do nothing where nothing was paused: aiohttp feeds its parser with nothing after each read."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note a tunnel that was torn down: aiohttp tells a body without a declared length that it is whole."""
        if isinstance(exc, ssl.SSLError):
            self.torn_at = time.monotonic()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        """End a connection that can say nothing more, and the body, of whose fault aiohttp tells nobody.

        aiohttp has only closed it where its own parser found the fault: over TLS that waits for the peer's leave, and
        closed once more it would keep its socket. An end, unlike an exception, is seen by a reader who is already
        waking up.
        """
        payload = self._payload
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        if payload is not None:
            payload.feed_eof()

    def _through_heads(self, data: bytes) -> None:
        if self.sent_at is None and self.tap is not None:
            self.sent_at = self.tap.last_sent_at
        heads, body = self.heads.cut(data)
        if self.heads.final and self.tap is not None:
            self.head_at, self.head_uncertainty = self.tap.read_at, self.tap.uncertainty
        if self.heads.size > HEAD_BYTES or any(len(head) > HEAD_BYTES for head in heads):
            self.set_exception(HeadTooLargeError())
            self._hang_up()
            return
        for head in heads:
            super().data_received(head)
        if body:
            self._through_body(body)
        self.broken = self.broken or self.exception() is not None

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take a head as aiohttp has parsed it, and from it how the body is framed."""
        super().feed_data(data, size)
        message = data[0]
        length = message.headers.get("Content-Length")
        if message.chunked:
            self.framing, self._body = BodyFraming.CHUNKED, ChunkedBody()
        elif length is not None:
            self.framing, self._body = BodyFraming.LENGTH, LengthBody(int(length))
        else:
            self.framing, self._body = BodyFraming.CLOSE, CloseBody()

    def _through_body(self, data: bytes) -> None:
        """Hand on what is the body's, and note what is behind it and whether its framing broke."""
        body = self._body
        taken = body.cut(data)
        if taken or not data:
            super().data_received(data if taken == len(data) else data[:taken])
        if body.whole:
            self.extra = self.extra or bool(data[taken:].strip()) or self._more_comes()
        self.broken = self.broken or body.broken or self.exception() is not None

    def _more_comes(self) -> bool:
        """Whether bytes stand behind the body's end, still in the socket of a plain connection."""
        return self.tap is not None and not self.encrypted and self.tap.waiting()
