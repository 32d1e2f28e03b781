"""A source's document: got as it is, or why it did not come."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from monitor.http.fetch import FetchOptions
from monitor.keys.tls import Tls
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Hold, Send, Wait
from monitor.settings import Network
from tests.http.parts import LISTED, CertificateAuthority, Mute, closed_port, got

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_is_got() -> None:
    """A document is returned unchanged, whatever its type; a longer one is cut one byte after the limit."""
    long = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000
    async with peer((Send(LISTED), Hold())) as listing, peer((Send(long), Hold())) as endless:
        assert await got(listing.url) == b"[]"
        assert await got(endless.url) == b"x" * 101


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            (Send(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"),),
            "the response has status 302",
        ),
        ((Send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),), "the response has status 500"),
        ((Send(LISTED[:-1]), Fin()), "no complete response (ClientPayloadError)"),
        ((Fin(),), "no complete response (ServerDisconnectedError)"),
        ((Send(b"SSH-2.0-OpenSSH\r\n"), Fin()), "no complete response (ClientResponseError)"),
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
    """Silence ends at the timeout; a body with broken framing, which aiohttp does not report, ends at once."""
    broken = LISTED.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2]
    async with peer((Hold(),)) as silent, peer((Send(broken), Wait(0.02), Send(b"zz\r\n"), Hold())) as broken_:
        assert await got(silent.url, within=0.1) == "no complete response within 0.1 s"
        assert await got(broken_.url) == "no complete response (the framing does not parse)"


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_that_cannot_be_asked_for(ca: CertificateAuthority) -> None:
    """An unknown name, a closed port, a denied address, and a failed TLS handshake each give an error."""
    hello = await asyncio.get_running_loop().create_server(
        lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0
    )
    async with hello:
        error = await got(f"https://127.0.0.1:{hello.sockets[0].getsockname()[1]}")
        assert str(error).startswith("the TLS handshake failed (")
    async with peer((Send(LISTED), Fin()), ssl=ca.server()) as secure, peer((Send(LISTED), Fin())) as plain:
        assert str(await got(secure.url)).startswith("the certificate was not accepted (unable to get local issuer")
        only = Network(deny=(ip_network("127.0.0.0/8"),))
        assert await got(plain.url, network=only) == "127.0.0.1 is denied by [network]"
        assert plain.requests == []
    with closed_port() as port:
        assert await got(f"http://127.0.0.1:{port}") == "no connection (Connection refused)"
    assert await got("http://a..b/") == "the name does not resolve (unknown name)"


async def test_a_header_in_place_of_the_urls_user() -> None:
    """A token or a user of the config is sent, and that of the URL is not."""
    async with peer((Send(LISTED), Hold())) as server:
        url = server.url.replace("//", "//user:pw@")
        assert await got(url, options=FetchOptions("Bearer tok")) == b"[]"
        assert dict(server.requests[0].headers)["authorization"] == "Bearer tok"


async def test_a_document_of_a_private_authority(ca: CertificateAuthority, tmp_path: Path) -> None:
    """The files of `tls` are used as they are at each request: authority, client certificate, expected name."""
    ca_file, cert_file, key_file = (str(tmp_path / name) for name in ("ca.pem", "client.pem", "client.key"))
    context = ca.server("inventory.test")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca.file)
    tls = Tls(ca_file, cert_file, key_file, "inventory.test")
    async with peer((Send(LISTED), Fin()), ssl=context) as server:
        assert str(await got(server.url, options=FetchOptions(tls=tls))).startswith("a file of `tls` cannot be used: ")
        ca.authority.cert_pem.write_to_path(ca_file)
        issued = ca.authority.issue_cert("monitor.test")
        issued.private_key_pem.write_to_path(key_file)
        issued.cert_chain_pems[0].write_to_path(cert_file)
        assert await got(server.url, options=FetchOptions(tls=tls)) == b"[]"
        other = FetchOptions(tls=Tls(ca_file, cert_file, key_file))
        assert "IP address mismatch" in str(await got(server.url, options=other))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_document_through_a_proxy(scheme: str) -> None:
    """The proxy gets its own user, resolves the name, and its refusals are reported."""
    script = (Send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), Fin())
    async with peer(script) as proxy:
        options = FetchOptions("Bearer tok", proxy=proxy.url.replace("//", "//кто:там@"))
        error = await got(f"{scheme}://inventory.test/list", options=options)
        request = proxy.requests[0]
        headers = dict(request.headers)
        assert error == "the proxy refused: it wants a user and a password"
        assert b64decode(headers["proxy-authorization"].removeprefix("Basic ")).decode() == "кто:там"
        assert ("authorization" in headers) is (scheme == "http")
        assert request.method == ("GET" if scheme == "http" else "CONNECT")


async def test_a_document_that_a_proxy_does_not_bring() -> None:
    """A proxy that refuses, is missing, or is denied is named in the error."""
    async with peer((Send(LISTED), Hold())) as proxy:
        assert await got("http://inventory.test/", options=FetchOptions(proxy=proxy.url)) == b"[]"
        denied = Network(deny=(ip_network("10.0.0.0/8"),))
        error = await got("http://10.0.0.1/", options=FetchOptions(proxy=proxy.url), network=denied)
        assert error == "10.0.0.1 is denied by [network]"
    async with peer((Send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), Fin())) as proxy:
        error = await got("https://inventory.test/", options=FetchOptions(proxy=proxy.url))
        assert error == "the proxy refused (status 502)"
    with closed_port() as port:
        error = await got("http://inventory.test/", options=FetchOptions(proxy=f"http://127.0.0.1:{port}"))
        assert error == "no connection to the proxy (Connection refused)"
