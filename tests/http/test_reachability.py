"""A connection tried: `check --connect` has a sentence for each refusal."""

from __future__ import annotations

import asyncio

import pytest

from monitor.http.reachability import reach
from monitor.keys.tls import Tls
from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.settings import Network
from tests.http.parts import OK, CertificateAuthority, Mute, closed_port
from tests.name_servers import has, name_server

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_reach_says_why_not(ca: CertificateAuthority) -> None:
    """`check --connect` opens a connection, TLS included, sends nothing, and has a sentence for each refusal."""

    async def why(url: str, tls: Tls | None = None, network: Network | None = None, within: float = 20.0) -> str | None:
        return await reach(url, tls or Tls(), network or Network(), within)

    async with peer(OK) as plain, await serve("127.0.0.1", 0, ssl=ca.server()) as lab:
        assert await why(plain.url) is None
        assert await why(lab.url, ca.trusted) is None
        assert await why(lab.url) == (
            "the certificate was not accepted (unable to get local issuer certificate, OpenSSL verify code 20)"
        )
        hung = await why(f"https://127.0.0.1:{plain.port}", within=0.3)
        assert str(hung).startswith("no connection within 0.3 s")
        await plain.over()
        assert plain.requests == []
    with closed_port() as port:
        assert await why(f"http://127.0.0.1:{port}") == "no connection (Connection refused)"
    assert await why("http://169.254.169.254/") == "169.254.169.254 is denied by [network]"
    assert await why("http://a..b/") == "the name does not resolve (unknown name)"


async def test_reach_of_a_port_without_tls() -> None:
    """Plain text in the handshake is said in OpenSSL's words."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0
    )
    async with server:
        said = await reach(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", Tls(), Network(), 2.0)
    assert str(said).startswith("the TLS handshake failed (")


async def test_a_first_address_with_a_wrong_certificate_is_the_answer(ca: CertificateAuthority) -> None:
    """No other address makes good for it, as none would in a probe."""
    async with (
        await serve("::1", 0, ssl=ca.server("other.test")) as lab,
        name_server({"chat.test": has("127.0.0.1", "::1")}) as zone,
    ):
        said = await reach(f"https://chat.test:{lab.port}", ca.trusted, Network(resolver=zone.address), 20.0)
    assert str(said).startswith("the certificate was not accepted (")
