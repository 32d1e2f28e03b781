"""A source's document: got as it is, or why it did not come."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest

from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Hold, Send, Wait
from monitor.settings import Network
from tests.http.parts import LISTED, CertificateAuthority, Mute, closed_port, got

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_is_got() -> None:
    """As it is, whatever it says of its type; what is longer than it may be is cut one byte behind that."""
    long = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000
    async with peer((Send(LISTED), Hold())) as listing, peer((Send(long), Hold())) as endless:
        assert await got(listing.url) == b"[]"
        assert await got(endless.url) == b"x" * 101


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ((Send(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"),), "the answer has status 302"),
        ((Send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),), "the answer has status 500"),
        ((Send(LISTED[:-1]), Fin()), "no whole answer (ClientPayloadError)"),
        ((Fin(),), "no whole answer (ServerDisconnectedError)"),
        ((Send(b"SSH-2.0-OpenSSH\r\n"), Fin()), "no whole answer (ClientResponseError)"),
    ],
)
async def test_a_document_that_does_not_come(script: tuple[Any, ...], why: str) -> None:
    """Each way of failing has its words, and a redirect is not followed: it would carry the password along."""
    async with peer(script) as server:
        assert await got(server.url.replace("//", "//user:canary@") + "/?canary") == why
        await server.over()
        assert len(server.requests) == 1


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_is_waited_for_in_bounded_time() -> None:
    """Silence ends with our patience; a body whose framing breaks, which aiohttp tells nobody, ends at once."""
    broken = LISTED.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2]
    async with peer((Hold(),)) as silent, peer((Send(broken), Wait(0.02), Send(b"zz\r\n"), Hold())) as odd:
        assert await got(silent.url, within=0.1) == "no whole answer within 0.1 s"
        assert await got(odd.url) == "no whole answer (the framing does not parse)"


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_that_cannot_be_asked_for(ca: CertificateAuthority) -> None:
    """No name, no listener, an address that is denied, a certificate that nobody vouches for, no TLS at all."""
    hello = await asyncio.get_running_loop().create_server(
        lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0
    )
    async with hello:
        said = await got(f"https://127.0.0.1:{hello.sockets[0].getsockname()[1]}")
        assert str(said).startswith("the TLS handshake failed (")
    async with peer((Send(LISTED), Fin()), ssl=ca.server()) as secure, peer((Send(LISTED), Fin())) as plain:
        assert str(await got(secure.url)).startswith("the certificate was not accepted (unable to get local issuer")
        only = Network(deny=(ip_network("127.0.0.0/8"),))
        assert await got(plain.url, network=only) == "127.0.0.1 is denied by [network]"
        assert plain.requests == []
    with closed_port() as port:
        assert await got(f"http://127.0.0.1:{port}") == "no connection (Connection refused)"
    assert await got("http://a..b/") == "the name does not resolve (unknown name)"
