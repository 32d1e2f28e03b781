"""What the transport relies on in aiohttp, pinned against a real peer, so that an upgrade which changes it shows."""

from __future__ import annotations

import asyncio
import gc
import gzip
import ssl
import weakref
from asyncio import selector_events, sslproto
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import http_exceptions
from aiohttp.client_proto import ResponseHandler

from monitor.http import Client, HttpRequest
from monitor.http.protocol import HttpProtocol
from monitor.http.timestamps import (
    TLS_BUFFER,
    TimestampedSocket,
    bound_tls_buffers,
    free_closed_transports,
)
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Gate, Hold, Send
from monitor.record.observation import Observation
from monitor.settings import Limits, Network
from monitor.stream.endings import EndKind
from monitor.stream.recorder import Recorder
from tests.conftest import PATIENT, MakeProber, target

pytestmark = pytest.mark.usefixtures("no_leaks")

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
FIVE = b"".join(b"data: %d\n\n" % number for number in range(5))


def chunk(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def answered(*script: Any) -> AsyncIterator[aiohttp.ClientResponse]:  # noqa: ANN401 - steps
    """Yield aiohttp's own response to what a peer plays, with nothing of ours between."""
    async with peer(script) as server, session() as client, client.get(server.url) as response:
        yield response


def session() -> aiohttp.ClientSession:
    """Return a plain session, which keeps no connection."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), auto_decompress=False)


def protocol_of(response: aiohttp.ClientResponse) -> ResponseHandler:
    """Return the connection's protocol."""
    assert response.connection is not None
    assert response.connection.protocol is not None
    return response.connection.protocol


def closed_of(response: aiohttp.ClientResponse) -> asyncio.Future[None]:
    """Return the future that says how the connection ended; to be had right after the head."""
    closed = protocol_of(response).closed
    assert closed is not None
    return closed


# -- reading a body ----------------------------------------------------------------------------------------------------


async def test_broken_chunk_framing_ends_no_read() -> None:
    """Broken chunk framing closes the connection and leaves the reader waiting; the protocol has the exception."""
    gate = asyncio.Event()
    async with answered(Send(CHUNKED + chunk(FIVE)), Gate(gate), Send(b"zz\r\n"), Hold()) as response:
        assert await response.content.readany() == FIVE
        protocol = protocol_of(response)
        gate.set()
        reading = asyncio.ensure_future(response.content.readany())
        await asyncio.wait([closed_of(response)])
        for _ in range(20):
            await asyncio.sleep(0)
        assert not reading.done()
        assert isinstance(protocol.exception(), http_exceptions.HttpProcessingError)
        reading.cancel()
        await asyncio.wait([reading])


async def test_a_head_that_does_not_parse_is_given_a_status() -> None:
    """The 400 is aiohttp's invention: its cause says what it is, and it has no headers."""
    with pytest.raises(aiohttp.ClientResponseError) as caught:
        async with answered(Send(b"HTTP/1.1 two hundred OK\r\n\r\n"), Hold()):
            pass
    assert caught.value.status == 400
    assert isinstance(caught.value.__cause__, http_exceptions.HttpProcessingError)
    assert not caught.value.headers


async def test_a_compressed_body_is_left_as_it_is() -> None:
    """With `auto_decompress` off a body is not inflated."""
    body = gzip.compress(bytes(1000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with answered(Send(head + body)) as response:
        assert await response.content.read() == body


async def test_a_complete_body_has_no_connection() -> None:
    """Once a body is whole its connection is given back: after `feed_eof` of its payload we may keep it."""
    async with answered(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as response:
        assert await response.content.read() == b"hi"
        assert response.connection is None


# -- what the transport takes hold of ----------------------------------------------------------------------------------


async def test_the_private_parts_are_there() -> None:
    """Attributes that `HttpProtocol` and `session` use, none of which aiohttp promises."""
    handler = ResponseHandler(asyncio.get_running_loop())
    assert (handler._payload, handler._parser, handler.transport, handler.exception()) == (None, None, None, None)
    answer: Any = (None, None)
    handler.feed_data(answer)
    assert answer in [one for one, _ in handler._buffer]
    assert isinstance(aiohttp.TCPConnector()._factory(), ResponseHandler)
    async with session() as client:
        assert client._retry_connection


async def test_a_tls_stream_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asyncio's buffer of a TLS stream has the size `SSLProtocol.max_size`, which we set if it exists."""
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)
    assert bound_tls_buffers()
    loop, context = asyncio.get_running_loop(), ssl.create_default_context()
    stream: Any = sslproto.SSLProtocol(loop, asyncio.Protocol(), context, loop.create_future())
    assert len(stream._ssl_buffer) == TLS_BUFFER
    stream._app_transport._closed = True  # else it warns that nobody closed it
    monkeypatch.delattr(sslproto.SSLProtocol, "max_size")
    assert not bound_tls_buffers()


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_closed_transport_is_freed(end: str) -> None:
    """A transport that was closed or aborted is freed without the garbage collector."""
    assert free_closed_transports()
    lost = asyncio.Event()

    class Connection(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
            lost.set()

    gc.disable()
    try:
        async with peer((Hold(),)) as server:
            transport, _ = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", server.port)
            transport.write(b"GET / HTTP/1.1\r\n\r\n")
            closed = weakref.ref(transport)
            getattr(transport, end)()
            del transport
            await lost.wait()
            await asyncio.sleep(0)
            assert closed() is None
    finally:
        gc.enable()


def test_another_asyncio_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without asyncio's private class the garbage collector frees transports."""
    monkeypatch.delattr(selector_events, "_SelectorSocketTransport")
    assert not free_closed_transports.__wrapped__()


@pytest.mark.parametrize("name", ["connection_made", "data_received", "feed_data", "connection_lost"])
async def test_what_our_protocol_overrides_is_called(
    prober: MakeProber, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Aiohttp makes its protocol with `connector._factory`, and asyncio calls each method that ours replaces."""
    assert callable(getattr(ResponseHandler, name))
    calls, own = [], getattr(HttpProtocol, name)

    def noted(self: HttpProtocol, *args: object) -> None:
        calls.append(args)
        own(self, *args)

    monkeypatch.setattr(HttpProtocol, name, noted)
    observation = await _short(prober)
    assert observation.recording.ending is not None
    assert observation.recording.ending.kind is EndKind.INCOMPLETE
    assert calls


async def test_the_socket_is_our_own(prober: MakeProber, monkeypatch: pytest.MonkeyPatch) -> None:
    """`socket_factory` is asked for every socket, and what it returns is what asyncio reads through."""
    reads, own = [], TimestampedSocket._note

    def noted(self: TimestampedSocket, count: int, *rest: Any) -> None:  # noqa: ANN401 - of TimestampedSocket
        reads.append(count)
        own(self, count, *rest)

    monkeypatch.setattr(TimestampedSocket, "_note", noted)
    observation = await _short(prober)
    assert reads[-1] == 0, "the FIN"
    assert sum(reads) >= observation.recording.bytes > 0


async def _short(prober: MakeProber) -> Observation:
    async with peer((Send(CHUNKED + b"20\r\n" + FIVE[:20]), Fin())) as server:
        return await prober()(target(server.url, "raw"), "cli")


async def test_a_connection_past_our_protocol_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were `connector._factory` to lose its meaning, every probe would say so, and none would guess."""
    monkeypatch.setattr("monitor.http.session.session", lambda *_, **__: session())
    async with peer((Send(SIZED), Hold())) as server:
        recorder = Recorder()
        await Client(Limits(), Network()).send(
            HttpRequest("GET", server.url, {}, b"", PATIENT), recorder, lambda _: None
        )
    assert recorder.ending is not None
    assert (recorder.ending.kind, recorder.ending.detail) == (EndKind.INTERNAL, "RuntimeError")
