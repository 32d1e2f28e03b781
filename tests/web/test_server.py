"""Tests of the listening socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from dataclasses import replace

import aiohttp
import pytest
import trustme
from aiohttp import web

from monitor.record.observation import Observation
from monitor.web.answers import HEADERS
from monitor.web.app import application
from monitor.web.server import ListenError, _why, bounded, serve
from monitor.web.source import RefusedError
from tests.conftest import WITHIN
from tests.http.parts import no_more_descriptors
from tests.web.sources import a_daemon


async def test_a_free_port_is_named() -> None:
    """Port 0 takes a free one, which answers until the server is closed."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)])
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{server.port}/-/healthy") as response:
            assert response.status == 200
        await server.close()
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://127.0.0.1:{server.port}/-/healthy")


@pytest.mark.parametrize("broken", [b"<b>mine", b"GET / HTTP/1.1\r\n<b>mine\r\n\r\n", b"GET /" + b"<b>mine" * 1_200])
async def test_an_invalid_request_is_not_repeated(broken: bytes) -> None:
    """A response to what is not HTTP has the headers of all responses, and nothing of the request."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(broken + b"\r\n\r\n")
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
    finally:
        await server.close()
    assert head.splitlines()[0].endswith(" 400 Bad Request")
    assert body == "400 Bad Request\n"
    assert {f"{name}: {value}" for name, value in HEADERS.items()} <= {*head.split("\r\n")}


async def test_a_taken_port() -> None:
    """A port that another holds is named, with how to find who does."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}: the port is taken; stop what holds it"):
            await serve(application(a_daemon().source()), [("127.0.0.1", port)])


@pytest.mark.parametrize("host", ["", "::"])
async def test_every_address_of_both_families(host: str) -> None:
    """`:9877` and `[::]:9877` are answered over IPv4 and IPv6, on one port."""
    server = await serve(application(a_daemon().source()), [(host, 0)])
    try:
        assert server.addresses == (f"[::]:{server.port}",)
        for one in ("127.0.0.1", "::1"):
            assert b" 200 " in await answered(server.port, one)
    finally:
        await server.close()


async def test_both_families_on_sockets_of_their_own() -> None:
    """`[::]` next to `0.0.0.0` on one port is IPv6 only, so that both can be bound."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    server = await serve(application(a_daemon().source()), [("::", port), ("0.0.0.0", port)])  # noqa: S104 - asked for
    try:
        assert server.addresses == (f"[::]:{port}", f"0.0.0.0:{port}")
        for one in ("127.0.0.1", "::1"):
            assert b" 200 " in await answered(port, one)
    finally:
        await server.close()


async def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """`:9877` is IPv4 alone if the kernel has no IPv6."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    server = await serve(application(a_daemon().source()), [("", 0)])
    assert server.addresses == (f"0.0.0.0:{server.port}",)
    await server.close()


async def test_one_of_several_addresses_that_is_taken() -> None:
    """It is named, and the others are not left listening."""
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as freed:
        taken, free = other.getsockname()[1], freed.getsockname()[1]
        freed.close()
        with pytest.raises(ListenError, match=f"127.0.0.1:{taken}: the port is taken"):
            await serve(application(a_daemon().source()), [("127.0.0.1", free), ("127.0.0.1", taken)])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", free)


async def test_an_address_of_another_machine() -> None:
    """An address that this machine does not have is named."""
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:9877: this machine has no such address"):
        await serve(application(a_daemon().source()), [("192.0.2.1", 9877)])


@pytest.mark.parametrize(
    ("host", "error", "text"),
    [
        ("127.0.0.1", OSError(errno.EACCES, "x"), "cannot listen on 127.0.0.1:80: permission denied; ports below 1024"),
        ("::1", OSError(errno.EMFILE, "Too many open files"), "cannot listen on [::1]:80: Too many open files"),
        ("nowhere", socket.gaierror(-2, "x"), "cannot listen on nowhere:80: the name does not resolve"),
        (
            "127.0.0.1",
            OSError(),
            "cannot listen on 127.0.0.1:80: this machine has no such address; listen on one that `ip address` shows",
        ),
    ],
)
def test_why(host: str, error: OSError, text: str) -> None:
    """Every error names the address, and says what to do if that is known."""
    assert _why(host, 80, error).startswith(text)


async def test_a_connection_that_never_asks_is_closed() -> None:
    """Who connects and sends nothing, or half a head, is dropped; who asked and idles is kept."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)], patience=0.05)
    silent, silent_writer = await asyncio.open_connection("127.0.0.1", server.port)
    half, half_writer = await asyncio.open_connection("127.0.0.1", server.port)
    asking, asking_writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = b"HEAD /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"
    half_writer.write(request[:20])
    asking_writer.write(request)
    assert b" 200 OK" in await asking.readuntil(b"\r\n\r\n")
    assert (await silent.read(), await half.read()) == (b"", b"")
    asking_writer.write(request)
    assert b" 200 OK" in await asking.readuntil(b"\r\n\r\n")
    for writer in (silent_writer, half_writer, asking_writer):
        writer.close()
    await server.close()


async def test_closing_does_not_wait_for_idle_connections() -> None:
    """A connection that is kept alive holds up no shutdown."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)])
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"HEAD /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(WITHIN):
        await server.close()
    assert await reader.read() == b""
    writer.close()


ASK = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answered(port: int, host: str = "127.0.0.1", ask: bytes = ASK) -> bytes:
    """Ask over a new connection, and return the status line."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(ask)
    try:
        return await reader.readline()
    finally:
        writer.close()


async def test_idle_connections_make_room() -> None:
    """Beyond the limit those that never asked go first, then those that idle; who comes is answered."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)], most=4)
    asking, asking_writer = await asyncio.open_connection("127.0.0.1", server.port)
    asking_writer.write(ASK)
    await asking.readuntil(b"healthy.\n")
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(40)]
    assert b" 200 " in await answered(server.port)
    assert [await reader.read() for reader, _ in silent[:36]] == [b""] * 36
    asking_writer.write(ASK)
    assert b" 200 " in await asking.readline()
    for writer in (asking_writer, *(one for _, one in silent)):
        writer.close()
    await server.close()


async def test_connections_that_are_answered_are_kept() -> None:
    """If all are being answered a further one is closed, and no answer is broken off."""
    release, entered = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        entered.set()
        await release.wait()
        return web.Response(text="whole")

    app = web.Application()
    app.router.add_get("/", slow)
    server = await serve(app, [("127.0.0.1", 0)], most=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await entered.wait()
    refused, refused_writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert await refused.read() == b""
    release.set()
    assert (await reader.readuntil(b"whole")).startswith(b"HTTP/1.1 200")
    for one in (writer, refused_writer):
        one.close()
    await server.close()


async def test_requests_that_wait_keep_no_scrape_out() -> None:
    """Requests that wait for a probe take half of the connections: further ones are refused, and scrapes answered."""
    entered, release = asyncio.Semaphore(0), asyncio.Event()

    async def slow(_: str) -> Observation:
        entered.release()
        await release.wait()
        raise RefusedError("released")

    source = replace(a_daemon().source(), probe=slow)
    server = await serve(application(source), [("127.0.0.1", 0)], most=4)
    ask = f"POST /api/v1/targets/{source.targets()[0].name}/probe HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    waiting = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ask)
        waiting.append((reader, writer))
        await entered.acquire()
    for _ in range(4):
        assert b" 429 " in await answered(server.port, ask=ask)
    for path in ("/-/healthy", "/-/ready", "/metrics"):
        assert b" 200 " in await answered(server.port, ask=f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    release.set()
    for reader, writer in waiting:
        assert b" 429 " in await reader.readline()
        writer.close()
    await server.close()


async def test_handshakes_that_never_end_make_room() -> None:
    """Connections that begin no TLS are closed first, so that one that does is served."""
    authority, served, trusted = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(served)
    authority.configure_trust(trusted)
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)], tls=served, most=4)
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusted, server_hostname="localhost")
    writer.write(ASK)
    assert b" 200 " in await reader.readline()
    for one in (writer, *(each for _, each in silent)):
        one.close()
    await server.close()


async def test_no_descriptor_is_free() -> None:
    """If no connection is free, an idle one is closed for a new client, and the server continues."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)])
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", server.port)
    idle_writer.write(ASK)
    await idle.readuntil(b"healthy.\n")
    coming = socket.socket()
    coming.setblocking(False)
    with no_more_descriptors():
        await asyncio.get_running_loop().sock_connect(coming, ("127.0.0.1", server.port))
        assert await idle.read() == b""
    coming.close()
    assert b" 200 " in await answered(server.port)
    idle_writer.close()
    await server.close()


async def test_the_last_descriptor() -> None:
    """One that took the last descriptor and has not begun makes room for the next, and is closed."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)])
    first, second = (socket.create_connection(("127.0.0.1", server.port)) for _ in range(2))
    spare = os.dup(first.fileno())
    with no_more_descriptors():
        os.close(spare)
        first.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(first, 1) == b""
    for one in (first, second):
        one.close()
    await server.close()


@pytest.mark.parametrize(
    ("descriptors", "held", "warns"),
    [(1024, 256, False), (420, 256, False), (419, 255, True), (100, 8, True), (-1, 256, False)],
)
def test_descriptors_are_reserved_for_probes(descriptors: int, held: int, *, warns: bool) -> None:
    """Connections leave two descriptors for each probe and some for the rest; a lower limit is reported."""
    most, why = bounded(256, 50, descriptors)
    assert (most, why is not None) == (held, warns)


async def test_the_last_of_a_burst_is_answered() -> None:
    """Of many connections that come at once the last one is answered."""
    server = await serve(application(a_daemon().source()), [("127.0.0.1", 0)], most=4)
    burst = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    burst[-1].sendall(ASK)
    burst[-1].setblocking(False)
    assert (await asyncio.get_running_loop().sock_recv(burst[-1], 100)).startswith(b"HTTP/1.1 200 ")
    for one in burst:
        one.close()
    await server.close()
