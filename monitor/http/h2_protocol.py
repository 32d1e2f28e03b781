"""HTTP/2 over a connection of aiohttp's: the same dialling, TLS, proxies and pool, and our own path for all its bytes.

aiohttp gets the head of an answer as its own parser would hand it over, and the end of the body, by which it gives the
connection back. Whether HTTP/2 is spoken at all is known when TLS stands (ALPN); without it, this is `HttpProtocol`.
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
"""The code by which a peer refuses a request that it takes in HTTP/1.1."""
_NOT_AGREED = "the server did not agree to HTTP/2 by ALPN"

OnMade = Callable[[HttpProtocol, asyncio.BaseTransport], None]
MakeProtocol = Callable[[asyncio.AbstractEventLoop, OnMade], HttpProtocol]


def not_possible(request: HttpRequest) -> str:
    """Return why HTTP/2 cannot be spoken through the proxy of this request; "" if it can, or need not."""
    plain = request.http is Http.TWO and request.proxy is not None and not request.secure
    return "HTTP/2 without TLS does not go through a proxy" if plain else ""


def protocol_for(request: HttpRequest) -> MakeProtocol:
    """Return what makes the protocol of a connection for this request."""
    if request.http is Http.ONE or (request.http is Http.AUTO and not request.secure):
        return HttpProtocol
    required = request.http is Http.TWO
    return functools.partial(Http2Protocol, required=required, prior=required and not request.secure)


def _text(data: bytes) -> str:
    """Return the text of a header as aiohttp's own parser does."""
    return data.decode("utf-8", "surrogateescape")


class _FramedBody(CloseBody):
    """Stands for a body whose end only END_STREAM is: a connection that ends before it has cut it."""


class Http2Protocol(HttpProtocol):
    """The protocol of a connection on which HTTP/2 may be spoken.

    `required`: HTTP/1.1 will not do. `prior`: it is spoken without being agreed on (RFC 9113, section 3.3).
    """

    __slots__ = ("_http2", "_prior", "_required")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_made: OnMade, *, required: bool = False, prior: bool = False
    ) -> None:
        self._http2: Http2Connection | None = None
        self._required, self._prior = required, prior
        super().__init__(loop, on_made)

    def begin(self, receiver: Receiver | None) -> None:
        """Take the next answer for `receiver`; without HTTP/2, if it is required, there is none."""
        super().begin(receiver)
        if receiver is not None and self._required and self._http2 is None:
            receiver.end(EndKind.TLS_HANDSHAKE, time.monotonic(), _NOT_AGREED)

    @property
    def speaks_http2(self) -> bool:
        """Whether the peer has agreed to HTTP/2, or need not be asked."""
        return self._http2 is not None

    @property
    def keepable(self) -> bool:
        """Whether another request may be sent."""
        return super().keepable and (self._http2 is None or self._http2.usable)

    @property
    def request_sent_at(self) -> float | None:
        """When the last byte of the request left; None if it did not, or the peer's window holds some of it back."""
        unsent = self.held_back or (self._required and self._http2 is None)
        return None if unsent else super().request_sent_at

    @property
    def held_back(self) -> int:
        """Bytes of the request that the peer's flow control holds back."""
        return self._http2.held_back if self._http2 is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn what is spoken."""
        tls = transport.get_extra_info("ssl_object")
        if self._prior or (tls is not None and tls.selected_alpn_protocol() == "h2"):
            self._http2 = Http2Connection()
        super().connection_made(transport)

    def send_request(self, pseudo: Mapping[str, str], headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send a request, as far as the peer's window allows; the rest follows when it opens."""
        assert self._http2 is not None, "asked for only if `speaks_http2`"
        self._http2.request(pseudo, headers, body)
        self._write(self._http2)

    def data_received(self, data: bytes) -> None:
        """Take one read."""
        http2 = self._http2
        if http2 is None:
            super().data_received(data)
            return
        tap, payload = self._socket, list[bytes]()
        if self.sent_at is None and self.receiver is not None and not http2.held_back and tap.last_sent_at is not None:
            self.sent_at, tap.setup = tap.last_sent_at, None  # what we send from here on is not the request
        for said in http2.receive(data, tap.read_at):
            match said:
                case Payload():
                    payload.append(said.data)
                case Answer():
                    self._answer(said)
                case _:
                    self._hand_on(payload)
                    self._end(said)
        self._hand_on(payload)
        self.received = http2.answer_bytes + http2.inside_a_head
        self._write(http2)

    def connection_lost(self, exc: BaseException | None) -> None:
        """StreamEnd the answer; before its head, aiohttp raises in the request, unless the peer has said why."""
        http2, receiver = self._http2, self.receiver
        if http2 is None or receiver is None:
            super().connection_lost(exc)
            return
        if self._body is None and exc is None and http2.goaway and not self.received:
            receiver.end(EndKind.CLOSED, self._end_of_connection, f"after GOAWAY {http2.goaway}")
        super().connection_lost(exc)

    def _loss(self, exc: BaseException | None, body: CloseBody) -> tuple[EndKind, float, str]:
        kind, at, detail = super()._loss(exc, body)
        goaway = self._http2.goaway if self._http2 is not None else ""
        return kind, at, f"after GOAWAY {goaway}" if goaway and not detail else detail

    @property
    def _end_of_connection(self) -> float:
        tap = self._socket
        return tap.fin_at if tap.fin_at is not None else tap.read_at

    def _answer(self, answer: Answer) -> None:
        """Hand the head to aiohttp, as its own parser does, and to the receiver."""
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
        tap = self._socket
        self.receiver.head(replace(found, empty=found.empty or answer.ended), tap.read_at, tap.uncertainty)

    def _hand_on(self, payload: list[bytes]) -> None:
        if payload and self.receiver is not None:
            tap = self._socket
            self.receiver.payload(b"".join(payload), tap.read_at, tap.uncertainty, tap.spread)
        payload.clear()

    def _end(self, end: StreamEnd) -> None:
        """StreamEnd the answer; aiohttp gives the connection back, or closes it."""
        receiver, self._body = self.receiver, None
        if end.kind is EndKind.COMPLETE and self._payload is not None:
            self._payload.feed_eof()
        else:
            self.force_close()
        if receiver is not None:
            receiver.end(end.kind, self._socket.read_at, end.detail)

    def _write(self, http2: Http2Connection) -> None:
        """Send what there is to send, as little as there is to acknowledge; a broken connection is closed."""
        transport = self.transport
        if not isinstance(transport, asyncio.Transport) or transport.is_closing():
            return
        if data := http2.output():
            transport.write(data)
        if http2.broken:
            transport.abort()
