"""HTTP/2 over a connection of aiohttp: it dials, does TLS, proxies and pooling; all bytes are handled here.

aiohttp gets the head of a response as from its own parser, and the end of the body, after which it releases the
connection. ALPN decides if HTTP/2 is used; without it, this is `HttpProtocol`.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpVersion, RawResponseMessage
from multidict import CIMultiDict, CIMultiDictProxy

from monitor.http.framing import CloseBody
from monitor.http.h2_connection import Answer, Http2Connection, Payload, StreamEnd
from monitor.http.head import head
from monitor.http.protocol import HttpProtocol
from monitor.http.request import HttpRequest, Receiver
from monitor.stream.endings import BodyFraming, EndKind
from monitor.target import Http

_VERSION = HttpVersion(2, 0)
REQUIRES_HTTP_1 = "HTTP_1_1_REQUIRED"
"""The error code of a peer that only accepts the request in HTTP/1.1."""
_NOT_AGREED = "the server did not agree to HTTP/2 by ALPN"

OnMade = Callable[[HttpProtocol, asyncio.BaseTransport], None]
MakeProtocol = Callable[[asyncio.AbstractEventLoop, OnMade], HttpProtocol]


def not_possible(request: HttpRequest) -> str:
    """Return why HTTP/2 is not possible through the proxy of this request; "" if it is possible or not required."""
    plain = request.http is Http.TWO and request.proxy is not None and not request.secure
    return "HTTP/2 without TLS does not go through a proxy" if plain else ""


def protocol_for(request: HttpRequest) -> MakeProtocol:
    """Return the factory of the connection's protocol for this request."""
    if request.http is Http.ONE or (request.http is Http.AUTO and not request.secure):
        return HttpProtocol
    required = request.http is Http.TWO
    return functools.partial(Http2Protocol, required=required, prior=required and not request.secure)


def _text(data: bytes) -> str:
    """Return the text of a header as aiohttp's own parser does."""
    return data.decode("utf-8", "surrogateescape")


class _FramedBody(CloseBody):
    """A body whose end is END_STREAM: if the connection ends before that, the body is cut."""


class Http2Protocol(HttpProtocol):
    """The protocol of a connection that may use HTTP/2.

    `required`: HTTP/1.1 is not acceptable. `prior`: HTTP/2 is used without negotiation (RFC 9113, section 3.3).
    """

    __slots__ = ("_http2", "_prior", "_required")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_made: OnMade, *, required: bool = False, prior: bool = False
    ) -> None:
        self._http2: Http2Connection | None = None
        self._required, self._prior = required, prior
        super().__init__(loop, on_made)

    def begin(self, receiver: Receiver | None) -> None:
        """Take the next response for `receiver`; if HTTP/2 is required and not used, there is none."""
        super().begin(receiver)
        if receiver is not None and self._required and self._http2 is None:
            receiver.end(EndKind.TLS_HANDSHAKE, time.monotonic(), _NOT_AGREED)

    @property
    def speaks_http2(self) -> bool:
        """Whether the peer has agreed to HTTP/2, or no agreement is needed."""
        return self._http2 is not None

    @property
    def keepable(self) -> bool:
        """Whether another request can be sent."""
        return super().keepable and (self._http2 is None or self._http2.usable)

    @property
    def request_sent_at(self) -> float | None:
        """When the last byte of the request left; None if it has not, or the peer's window blocks a part of it."""
        unsent = self.held_back or (self._required and self._http2 is None)
        return None if unsent else super().request_sent_at

    @property
    def held_back(self) -> int:
        """Bytes of the request that the peer's flow control blocks."""
        return self._http2.held_back if self._http2 is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note which version of HTTP was negotiated."""
        tls = transport.get_extra_info("ssl_object")
        if self._prior or (tls is not None and tls.selected_alpn_protocol() == "h2"):
            self._http2 = Http2Connection()
        super().connection_made(transport)

    def send_request(self, pseudo: Mapping[str, str], headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send a request as far as the peer's window allows; the rest follows when it opens."""
        assert self._http2 is not None, "only called if `speaks_http2`"
        self._http2.request(pseudo, headers, body)
        self._write(self._http2)

    def data_received(self, data: bytes) -> None:
        """Take one read."""
        http2 = self._http2
        if http2 is None:
            super().data_received(data)
            return
        self._note_end_of_tls()
        sock, payload = self._socket, list[bytes]()
        if self.sent_at is None and self.receiver is not None and not http2.held_back and sock.last_sent_at is not None:
            self.sent_at, sock.clock = sock.last_sent_at, None  # bytes sent from here on are not the request
        outputs = list(http2.receive(data, sock.read_at))
        for left, output in zip(reversed(range(len(outputs))), outputs, strict=True):
            amid = bool(left) or not http2.ends_with_output
            match output:
                case Payload():
                    payload.append(output.data)
                case Answer():
                    self._answer(output, sock.spread if amid else sock.uncertainty)
                case _:
                    self._hand_on(payload, sock.spread)
                    self._end(output, amid=amid)
        self._hand_on(payload, sock.uncertainty if http2.ends_with_output else sock.spread)
        self.received = http2.answer_bytes + http2.inside_a_head
        self._write(http2)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the response; before its head aiohttp raises in the request, unless the peer sent a reason."""
        http2, receiver = self._http2, self.receiver
        if http2 is None or receiver is None:
            super().connection_lost(exc)
            return
        if self._body is None and exc is None and http2.goaway and not self.received:
            receiver.end(EndKind.CLOSED, self._socket.end_at, f"after GOAWAY {http2.goaway}")
        super().connection_lost(exc)

    def _loss(self, exc: BaseException | None, body: CloseBody) -> tuple[EndKind, float, str]:
        kind, at, detail = super()._loss(exc, body)
        goaway = self._http2.goaway if self._http2 is not None else ""
        return kind, at, f"after GOAWAY {goaway}" if goaway and not detail else detail

    def _answer(self, answer: Answer, uncertainty: float) -> None:
        """Pass the head to aiohttp, as its own parser does, and to the receiver."""
        if self.receiver is None:
            return
        headers = CIMultiDict((_text(name), _text(value)) for name, value in answer.headers)
        message = RawResponseMessage(
            version=_VERSION,
            code=answer.status,
            reason="",
            headers=CIMultiDictProxy(headers),
            raw_headers=tuple(answer.headers),
            should_close=False,
            compression=None,
            upgrade=False,
            chunked=False,
        )
        self._payload = aiohttp.StreamReader(self, 1, loop=self._loop)
        self._body = _FramedBody()
        ResponseHandler.feed_data(self, (message, self._payload))
        found = head(message, BodyFraming.H2)
        self.receiver.head(replace(found, empty=found.empty or answer.ended), self._socket.read_at, uncertainty)

    def _hand_on(self, payload: list[bytes], uncertainty: float) -> None:
        if payload and self.receiver is not None:
            sock = self._socket
            self.receiver.payload(b"".join(payload), sock.read_at, uncertainty, sock.spread)
        payload.clear()

    def _end(self, end: StreamEnd, *, amid: bool) -> None:
        """End the response; aiohttp releases the connection or closes it."""
        receiver, self._body = self.receiver, None
        if end.kind is EndKind.COMPLETE and self._payload is not None:
            self._payload.feed_eof()
        else:
            self.force_close()
        if receiver is not None:
            receiver.end(end.kind, self._socket.read_at, end.detail, amid=amid)

    def _write(self, http2: Http2Connection) -> None:
        """Send pending bytes, however few; a broken connection is closed."""
        transport = self.transport
        if not isinstance(transport, asyncio.Transport) or transport.is_closing():
            return
        if data := http2.output():
            transport.write(data)
        if http2.broken:
            transport.abort()
