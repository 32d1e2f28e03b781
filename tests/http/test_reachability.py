"""A connection attempt of `check --connect`: a sentence for each refusal, and what was negotiated."""

from __future__ import annotations

import asyncio

import pytest

from monitor.http.reachability import Reachability
from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.lab.steps import Hold
from monitor.settings import Network
from monitor.target import Http
from tests.http.h2_parts import agreeing
from tests.http.parts import OK, CertificateAuthority, Mute, closed_port, tried
from tests.http.test_attempts import PROXY_REFUSES, tunnel
from tests.name_servers import has, name_server

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_reach_says_why_not(ca: CertificateAuthority) -> None:
    """The function opens a connection, TLS included, sends nothing, and returns a sentence for each refusal."""
    async with peer(OK) as plain, await serve("127.0.0.1", 0, ssl=ca.server()) as lab:
        assert await tried(plain.url) == Reachability()
        assert await tried(lab.url, tls=ca.trusted) == Reachability()
        assert (await tried(lab.url)).why_not == (
            "the certificate was not accepted (unable to get local issuer certificate, OpenSSL verify code 20)"
        )
        assert await tried(f"https://127.0.0.1:{plain.port}", within=0.3) == Reachability("no connection within 0.3 s")
        await plain.over()
        assert plain.requests == []
    with closed_port() as port:
        refused = await tried(f"http://127.0.0.1:{port}")
    assert refused == Reachability("no connection (Connection refused)")
    assert await tried("http://169.254.169.254/") == Reachability("169.254.169.254 is denied by [network]")
    assert (await tried("http://a..b/")).why_not.startswith("the name does not resolve (")


async def test_reach_of_a_port_without_tls() -> None:
    """Plain text in the handshake is reported in OpenSSL's words."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0
    )
    async with server:
        reached = await tried(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert reached.why_not.startswith("the TLS handshake failed (")


async def test_a_first_address_with_a_wrong_certificate_is_the_answer(ca: CertificateAuthority) -> None:
    """No other address makes good for it, as none would in a probe."""
    async with (
        await serve("::1", 0, ssl=ca.server("other.test")) as lab,
        name_server({"chat.test": has("127.0.0.1", "::1")}) as zone,
    ):
        reached = await tried(f"https://chat.test:{lab.port}", Network(resolver=zone.address), tls=ca.trusted)
    assert reached.why_not.startswith("the certificate was not accepted (")


@pytest.mark.parametrize(
    ("http", "agreed"), [(Http.ONE, ""), (Http.TWO, "h2"), (Http.AUTO, "h2")], ids=["1.1", "2", "auto"]
)
async def test_what_is_agreed_on(ca: CertificateAuthority, http: Http, agreed: str) -> None:
    """The protocols that a probe would offer are offered."""
    async with peer((Hold(),), ssl=agreeing(ca, "h2", "http/1.1")) as server:
        assert await tried(server.url, tls=ca.trusted, http=http) == Reachability(agreed=agreed)


async def test_a_server_without_http_2(ca: CertificateAuthority) -> None:
    """Nothing is agreed on, or HTTP/1.1."""
    async with peer((Hold(),), (Hold(),), ssl=agreeing(ca)) as old:
        assert await tried(old.url, tls=ca.trusted, http=Http.TWO) == Reachability()
    async with peer((Hold(),), ssl=agreeing(ca, "http/1.1")) as server:
        assert await tried(server.url, tls=ca.trusted, http=Http.AUTO) == Reachability(agreed="http/1.1")


async def test_a_target_is_tried_through_its_proxy(ca: CertificateAuthority) -> None:
    """The proxy connects us, and the handshake is the target's; a proxy that does not is named."""
    async with await serve("127.0.0.1", 0, ssl=ca.server("chat.test")) as lab, tunnel(lab.port) as proxy:
        assert await tried("https://chat.test/", tls=ca.trusted, proxy=proxy) == Reachability()
        wrong = await tried("https://other.test/", tls=ca.trusted, proxy=proxy)
    assert wrong.why_not.startswith("the certificate was not accepted (")
    async with peer(PROXY_REFUSES, OK) as refusing:
        reached = await tried("https://chat.test/", proxy=refusing.url)
        assert await tried("http://chat.test/", proxy=refusing.url) == Reachability()
        assert [one.method for one in refusing.requests] == ["CONNECT"]
    assert reached.why_not.startswith("the proxy did not open the connection (")
    with closed_port() as port:
        gone = await tried("https://chat.test/", proxy=f"http://127.0.0.1:{port}")
    assert gone == Reachability("the proxy did not open the connection (Connection refused)")
    denied = await tried("https://169.254.169.254/", proxy="http://127.0.0.1:1")
    assert denied == Reachability("169.254.169.254 is denied by [network]")
