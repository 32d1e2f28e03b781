"""The sockets of one request: which of several addresses stands, and over TLS or through a tunnel, too."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from monitor.http.attempts import ConnectionAttempts
from monitor.http.protocol import HttpProtocol
from monitor.http.tls import tls_context
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.settings import Network
from monitor.stream.endings import Mark
from tests.conftest import Ask, MakeProber, target
from tests.http.parts import OK, CertificateAuthority, Names, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_a_dead_address_is_passed_over(prober: MakeProber) -> None:
    """Where nobody listens on ::1 the probe goes on to 127.0.0.1, and the loser's socket is closed."""
    async with peer(OK) as server:
        names = Names(both=["::1", "127.0.0.1"])
        seen = await prober(resolver=names)(target(**unchecked(f"http://both.test:{server.port}/")), "cli")
    assert verdict(seen) == "ok"
    assert (seen.ip_family, seen.peer) == (4, f"127.0.0.1:{server.port}")
    assert seen.recording.marks[Mark.DNS] <= seen.recording.marks[Mark.CONNECT]


async def test_a_tls_transport_that_forgot_what_is_below_is_gone_as_well(ca: CertificateAuthority) -> None:
    """As Python 3.12 and newer have it after a second close: the socket is not closed under a live transport."""
    loop, attempts = asyncio.get_running_loop(), ConnectionAttempts(Network())
    async with await serve("127.0.0.1", 0, ssl=ca.server()) as lab:
        where = ("127.0.0.1", lab.port)
        sock = attempts.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", where))
        sock.setblocking(False)
        await loop.sock_connect(sock, where)
        made = lambda: HttpProtocol(loop, attempts.made)  # noqa: E731 - the factory that asyncio wants
        transport, _ = await loop.create_connection(
            made, sock=sock, ssl=tls_context(ca.trusted), server_hostname="127.0.0.1"
        )
        below = transport._ssl_protocol._transport  # type: ignore[attr-defined]
        transport._ssl_protocol = None  # type: ignore[attr-defined]
        attempts.close()
        assert below.is_closing()


@asynccontextmanager
async def tunnel(port: int) -> AsyncIterator[str]:
    """Yield the URL of a proxy that connects everybody to one port of loopback."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.write_eof()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)
        for one in (writer, back):
            one.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def test_tls_through_a_tunnel(ask: Ask, ca: CertificateAuthority) -> None:
    """A proxy that connects us is no part of what is then seen, the target's certificate and endings are."""
    async with await serve("127.0.0.1", 0, ssl=ca.server("chat.test")) as lab, tunnel(lab.port) as proxy:
        through: dict[str, Any] = {"tls": ca.trusted, "proxy": Secret(proxy)}
        seen = await ask("https://chat.test/openai-chat/ok?gap=0&ttfc=0", **through)
        cut = await ask("https://chat.test/openai-chat/cut?gap=0&ttfc=0", **through)
        wrong = await ask("https://other.test/openai-chat/ok", **through)
    assert verdict(seen) == "ok"
    assert seen.certificate_expiry
    assert verdict(cut) == "truncated/incomplete_body"
    assert verdict(wrong) == "unreachable/tls_certificate"
