"""The sockets of one request: which of several addresses stands, and over TLS or through a tunnel, too."""

from __future__ import annotations

import asyncio
import socket
import ssl
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
from monitor.lab.steps import Send
from monitor.settings import Network
from monitor.stream.endings import Mark
from monitor.target import Http
from tests.conftest import Ask, MakeProber, target
from tests.http.parts import OK, CertificateAuthority, Mute, Names, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_a_dead_address_is_passed_over(prober: MakeProber) -> None:
    """If nothing listens on ::1, the probe uses 127.0.0.1, and the other socket is closed."""
    async with peer(OK) as server:
        names = Names(both=["::1", "127.0.0.1"])
        observation = await prober(resolver=names)(target(**unchecked(f"http://both.test:{server.port}/")), "cli")
    assert verdict(observation) == "ok"
    assert (observation.ip_family, observation.peer) == (4, f"127.0.0.1:{server.port}")
    assert observation.recording.marks[Mark.DNS] <= observation.recording.marks[Mark.CONNECT]


async def test_a_tls_transport_that_forgot_what_is_below_is_gone_as_well(ca: CertificateAuthority) -> None:
    """A TLS transport whose lower transport is already gone, as in Python 3.12, is closed without an error."""
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
async def tunnel(
    port: int, *, tls: ssl.SSLContext | None = None, offers: list[str | None] | None = None
) -> AsyncIterator[str]:
    """Yield the URL of a proxy that connects everybody to one port of loopback.

    With `tls` it is spoken to in TLS; what was then agreed on by ALPN is appended to `offers`.
    """

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if tls is not None and offers is not None:
            offers.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)
        for one in (writer, back):
            one.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def test_tls_through_a_tunnel(ask: Ask, ca: CertificateAuthority) -> None:
    """Through a proxy's tunnel the target's certificate and endings are seen, not the proxy's."""
    async with await serve("127.0.0.1", 0, ssl=ca.server("chat.test")) as lab, tunnel(lab.port) as proxy:
        through: dict[str, Any] = {"tls": ca.trusted, "proxy": Secret(proxy)}
        observation = await ask("https://chat.test/openai-chat/ok?gap=0&ttfc=0", **through)
        cut = await ask("https://chat.test/openai-chat/cut?gap=0&ttfc=0", **through)
        wrong = await ask("https://other.test/openai-chat/ok", **through)
    assert verdict(observation) == "ok"
    assert observation.certificate_expiry
    assert verdict(cut) == "truncated/incomplete_body"
    assert verdict(wrong) == "unreachable/tls_certificate"


PROXY_REFUSES = (Send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),)


@pytest.mark.parametrize("http", list(Http))
async def test_tls_through_a_proxy_that_is_spoken_to_in_tls(ask: Ask, ca: CertificateAuthority, http: Http) -> None:
    """The handshake with the proxy offers no HTTP/2; times, certificate and endings are the target's."""
    offers: list[str | None] = []
    both, more = ca.server("chat.test"), ca.server()
    both.set_alpn_protocols(["h2", "http/1.1"])
    more.set_alpn_protocols(["h2", "http/1.1"])
    through: dict[str, Any] = {"tls": ca.trusted, "http": http}
    async with await serve("127.0.0.1", 0, ssl=both) as lab, tunnel(lab.port, tls=more, offers=offers) as proxy:
        through |= {"proxy": Secret(proxy)}
        observation = await ask("https://chat.test/openai-chat/ok?gap=0&ttfc=0", **through)
        cut = await ask("https://chat.test/openai-chat/cut?gap=0&ttfc=0", **through)
        wrong = await ask("https://other.test/openai-chat/ok", **through)
    assert verdict(observation) == "ok"
    assert observation.recording.head
    assert observation.recording.head.http_version == ("1.1" if http is Http.ONE else "2")
    assert observation.certificate_expiry
    marks = observation.recording.marks
    assert marks[Mark.CONNECT] < marks[Mark.TLS] <= marks[Mark.REQUEST_SENT] <= marks[Mark.HEADERS]
    assert verdict(cut) == "truncated/incomplete_body"
    assert verdict(wrong) == "unreachable/tls_certificate"
    assert offers == [None] * 3


async def test_a_proxy_in_tls_that_does_not_connect_us(ask: Ask, ca: CertificateAuthority) -> None:
    """A refusal, a certificate or a missing TLS of the proxy is the proxy's fault, and no certificate is exported."""
    mute = await asyncio.get_running_loop().create_server(lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0)
    async with peer(PROXY_REFUSES, PROXY_REFUSES, ssl=ca.server()) as proxy, mute:
        plain = f"https://127.0.0.1:{mute.sockets[0].getsockname()[1]}"
        observations = [
            await ask("https://chat.test/", tls=ca.trusted, proxy=Secret(proxy.url)),
            await ask("https://chat.test/", proxy=Secret(proxy.url)),
            await ask("http://chat.test/", proxy=Secret(plain)),
        ]
        request = proxy.requests[0]
    assert [verdict(one) for one in observations] == ["unreachable/proxy"] * 3
    assert [one.certificate_expiry for one in observations] == [None] * 3
    assert "its certificate was not accepted: unable to get local issuer certificate" in observations[1].verdict.detail
    assert "the TLS handshake with it failed" in observations[2].verdict.detail
    assert request.method == "CONNECT"
    assert request.headers["user-agent"].startswith("chat-monitor/")


async def test_a_plain_target_behind_a_proxy_in_tls(ask: Ask, ca: CertificateAuthority) -> None:
    """The target's `tls` settings are those for its proxy; the proxy's certificate is not the target's."""
    async with peer(OK, ssl=ca.server()) as proxy:
        observation = await ask(**unchecked("http://chat.test/", tls=ca.trusted, proxy=Secret(proxy.url)))
    assert verdict(observation) == "ok"
    assert observation.certificate_expiry is None
