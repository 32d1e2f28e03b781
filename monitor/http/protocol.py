"""HTTP/1.1 over one connection: aiohttp's protocol up to the head of a response, and our own code for its body.

Data after the final head does not reach aiohttp: the payload is unframed here and passed on with the time of its
read, and the end of the body or of the connection is the end of the exchange.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

from monitor.http.framing import (
    BROKEN,
    CROWDED,
    FRAMING_PER_BYTE,
    HEAD_BYTES,
    ChunkedBody,
    CloseBody,
    HeadSplitter,
    LengthBody,
)
from monitor.http.head import HeadTooLargeError, head
from monitor.http.request import NO_HTTP, Receiver
from monitor.http.timestamps import TimestampedSocket
from monitor.http.tls import DataFirst
from monitor.stream.endings import BodyFraming, EndKind

_FINAL, _SWITCHING = 200, 101
_LINE_END = 2
"""Bytes that end a chunk, which do not come later than it."""
_NO_LENGTH = str(2**64 - 1)
"""The one length that aiohttp's parser treats as no length; it rejects longer ones itself."""
_NO_BODY = frozenset({_SWITCHING, 204, 304})


class HttpProtocol(ResponseHandler):
    """The protocol of one connection, fresh or kept.

    `receiver` takes the response. Without one only aiohttp gets it: a proxy's response to CONNECT, or that of `fetch`.
    """

    # slots: otherwise the dictionaries of instances would not share their keys
    __slots__ = (
        "_body", "_head_uncertainty", "_on_made", "_room", "_splitter", "_tls", "extra", "made_at", "received",
        "receiver", "sent_at", "sock",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_made: Callable[[HttpProtocol, asyncio.BaseTransport], None]
    ) -> None:
        super().__init__(loop=loop)
        self.sock: TimestampedSocket | None = None
        """The socket of this connection."""
        self._tls: ssl.SSLObject | None = None
        self.made_at = time.monotonic()
        self._on_made = on_made
        self.begin(None)

    def begin(self, receiver: Receiver | None) -> None:
        """Take the next response for `receiver`; the state of the previous one is cleared."""
        self.receiver = receiver
        self.sent_at: float | None = None
        self.received = 0
        self.extra = False
        """Bytes came after the response."""
        self._splitter = HeadSplitter()
        self._body: CloseBody | None = None
        self._room = HEAD_BYTES
        """The bytes of framing that may still come."""
        self._payload = None

    @property
    def request_sent_at(self) -> float | None:
        """When the last byte of the request left, if known."""
        return self.sent_at if self.sent_at is not None or self.sock is None else self.sock.last_sent_at

    @property
    def held_back(self) -> int:
        """Bytes of the request that the peer's flow control blocks: HTTP/1.1 has none."""
        return 0

    @property
    def keepable(self) -> bool:
        """Whether another request can be sent: the connection is open, and nothing came after the response."""
        return self.is_connected() and not (self.should_close or self.extra)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note when the connection was established, TLS included."""
        self.made_at = time.monotonic()
        self._tls = transport.get_extra_info("ssl_object")
        super().connection_made(transport)
        self._on_made(self, transport)

    def data_received(self, data: bytes) -> None:
        """Take one read."""
        self.received += len(data)
        self._note_end_of_tls()
        receiver, body = self.receiver, self._body
        if receiver is None:
            super().data_received(data)
            self._look_for_a_fault()
        elif body is None:
            self._read_head(data, receiver)
        else:
            self._read_body(data, body, receiver)

    def eof_received(self) -> None:
        """Note that the request was sent: TLS answers the peer's end with bytes that are not a part of it."""
        self.sent_at, self._socket.clock = self.request_sent_at, None
        super().eof_received()

    def _note_end_of_tls(self) -> None:
        """Correct the uncertainty of a read whose last bytes are the end of TLS, which came after the data."""
        if isinstance(self._tls, DataFirst) and self._tls.ended:
            self._socket.uncertainty = self._socket.spread

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the body, if there is one; before it aiohttp raises in the request."""
        receiver, body = self.receiver, self._body
        super().connection_lost(exc)
        if receiver is not None and body is not None:
            receiver.end(*self._loss(exc, body))

    def forget(self) -> None:
        """Drop a response that no task has read: its payload refers back here."""
        self._buffer.clear()

    # -- the head ----------------------------------------------------------------------------------------------------

    def _read_head(self, data: bytes, receiver: Receiver) -> None:
        sock = self._socket
        if self.sent_at is None:
            self.sent_at = sock.last_sent_at
        heads, rest = self._splitter.split(data)
        self._head_uncertainty = sock.spread if rest else sock.uncertainty
        if self._splitter.foreign:
            receiver.end(EndKind.MALFORMED_HEAD, sock.read_at, NO_HTTP)
            return
        if self._splitter.taken > HEAD_BYTES:
            self.set_exception(HeadTooLargeError())
            self._abort()
            return
        for one in heads:
            super().data_received(one)
        self._look_for_a_fault()
        if self._body is not None and self.receiver is not None and (rest or self._body.whole):
            self._read_body(rest, self._body, receiver)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take a head as aiohttp has parsed it, and the body from its parser."""
        super().feed_data(data, size)
        message = data[0]
        if self.receiver is None or (message.code < _FINAL and message.code != _SWITCHING):
            return
        sock = self._socket
        if message.headers.get("Content-Length") == _NO_LENGTH:
            self.receiver.end(EndKind.MALFORMED_HEAD, sock.read_at, "Content-Length is too large for any body")
            return
        framing, self._body = _framing(message)
        self._parser = None
        self.receiver.head(head(message, framing), sock.read_at, self._head_uncertainty)

    def _look_for_a_fault(self) -> None:
        """Close a connection whose response aiohttp could not parse.

        aiohttp leaves the body open, and only closes the connection: over TLS that waits for the peer, and a second
        close would keep the socket.
        """
        if self.exception() is None:
            return
        payload = self._payload
        self._abort()
        if payload is not None:
            payload.set_exception(aiohttp.ClientPayloadError(BROKEN))

    # -- the body ----------------------------------------------------------------------------------------------------

    def _read_body(self, data: bytes, body: CloseBody, receiver: Receiver) -> None:
        """Pass on the payload, and the end of a body that declares it."""
        sock = self.sock or self._socket
        if payload := body.take(data):
            # the last byte of the read may be one of the framing, which came later
            uncertainty = sock.spread if body.after > _LINE_END else sock.uncertainty
            receiver.payload(payload, sock.read_at, uncertainty, sock.spread)
        self._room += FRAMING_PER_BYTE * len(payload) - len(data)
        if body.whole:
            self._finish(body, sock, receiver)
        elif body.broken or self._room < 0:
            self._abort()
            receiver.end(EndKind.MALFORMED, sock.read_at, body.fault if body.broken else CROWDED, amid=True)

    def _finish(self, body: CloseBody, sock: TimestampedSocket, receiver: Receiver) -> None:
        """End a whole body; aiohttp then releases the connection or closes it."""
        self.extra = bool(body.rest.strip()) or (self._tls is None and sock.waiting())
        if self._payload is not None:
            self._payload.feed_eof()
        receiver.end(EndKind.COMPLETE, sock.read_at, extra=self.extra, amid=bool(body.rest))

    def _loss(self, exc: BaseException | None, body: CloseBody) -> tuple[EndKind, float, str]:
        """Return how a body ended with its connection, and when."""
        sock = self._socket
        # an error of TLS is a fatal alert, or bytes that are no record
        aborted = isinstance(exc, OSError) and (sock.fin_at is None or isinstance(exc, ssl.SSLError))
        if sock.reset_at is not None or aborted:
            return EndKind.RESET, sock.end_at, ""
        if exc is not None and not isinstance(exc, OSError):
            return EndKind.INTERNAL, time.monotonic(), type(exc).__name__
        return (EndKind.COMPLETE if type(body) is CloseBody else EndKind.INCOMPLETE), sock.end_at, ""

    # -- the connection ----------------------------------------------------------------------------------------------

    @property
    def _socket(self) -> TimestampedSocket:
        if self.sock is None:
            raise RuntimeError("the connection bypassed our socket class")
        return self.sock

    def _abort(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


def _framing(message: RawResponseMessage) -> tuple[BodyFraming, CloseBody]:
    """Return how the body of a response is framed (RFC 9112, section 6.3)."""
    length = message.headers.get("Content-Length")
    if message.code in _NO_BODY:
        return BodyFraming.CLOSE, LengthBody(0)
    if message.chunked:
        return BodyFraming.CHUNKED, ChunkedBody()
    if length is not None:
        return BodyFraming.LENGTH, LengthBody(int(length))
    return BodyFraming.CLOSE, CloseBody()
