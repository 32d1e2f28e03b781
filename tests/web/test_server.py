"""Tests of the listening socket."""

from __future__ import annotations

import asyncio
import errno
import socket

import aiohttp
import pytest

from monitor.web.app import application
from monitor.web.server import ListenError, _why, serve
from tests.web.sources import Daemon


async def test_a_free_port_is_named() -> None:
    """Port 0 takes a free one, which answers until the server is closed."""
    server = await serve(application(Daemon().source()), "127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{server.port}/-/healthy") as response:
            assert response.status == 200
        await server.close()
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://127.0.0.1:{server.port}/-/healthy")


async def test_a_taken_port() -> None:
    """A port that another holds is named, with how to find who does."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}: the port is taken; stop what holds it"):
            await serve(application(Daemon().source()), "127.0.0.1", port)


async def test_an_address_of_another_machine() -> None:
    """An address that this machine does not have is named."""
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:9877: this machine has no such address"):
        await serve(application(Daemon().source()), "192.0.2.1", 9877)


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
    """Every reason names the address, and says what to do where that is known."""
    assert _why(host, 80, error).startswith(text)


async def test_a_connection_that_never_asks_is_closed() -> None:
    """Who connects and sends nothing, or half a head, is dropped; who asked and idles is kept."""
    server = await serve(application(Daemon().source()), "127.0.0.1", 0, patience=0.05)
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
    server = await serve(application(Daemon().source()), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"HEAD /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(1):
        await server.close()
    assert await reader.read() == b""
    writer.close()
