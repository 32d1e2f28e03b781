"""A call: what it has in common with another, and whether it goes through TLS or a tunnel."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from yarl import URL

from monitor.http.request import HttpRequest, credentials
from monitor.keys.secret import Secret
from monitor.keys.tls import Tls
from monitor.lab.peer import peer
from monitor.lab.steps import Send
from tests.conftest import SHORT, MakeProber, target
from tests.http.parts import OK, unchecked
from tests.test_wire import verdict

CALL = HttpRequest("POST", "http://one.test/v1", {}, b"{}", SHORT)


@pytest.mark.parametrize(
    ("url", "proxy", "secure", "tunnelled"),
    [
        ("http://one.test/", None, False, False),
        ("HTTPS://one.test/", None, True, False),
        ("http://one.test/", "http://proxy.test", False, False),
        ("https://one.test/", "http://proxy.test", True, True),
    ],
)
def test_what_stands_between_us_and_the_target(url: str, proxy: str | None, secure: bool, tunnelled: bool) -> None:
    """TLS settings apply to the target, also through a proxy, which has its own."""
    call = replace(CALL, url=url, proxy=proxy)
    assert (call.secure, call.tunnelled) == (secure, tunnelled)


def test_what_two_requests_need_to_share_a_connection() -> None:
    """Another body may use the same connection; another target, URL, TLS or proxy may not."""
    assert replace(CALL, body=b"[]", headers={"A": "b"}).connection_key == CALL.connection_key
    others = ({"keep_for": "one"}, {"url": "http://one.test/v2"}, {"tls": Tls(server_name="a")}, {"proxy": "http://p"})
    assert all(replace(CALL, **other).connection_key != CALL.connection_key for other in others)


def test_a_call_shows_no_secret() -> None:
    """Its representation has neither URL nor headers nor body nor proxy, any of which can hold one."""
    call = HttpRequest("POST", "http://canary", {"A": "canary"}, b"canary", SHORT, proxy="http://canary")
    assert "canary" not in repr(call)


@pytest.mark.parametrize(
    ("url", "bare", "pair"),
    [
        ("http://h/p?q=1", "http://h/p?q=1", None),
        ("http://user:pw@h:81/p", "http://h:81/p", "user:pw"),
        ("http://w%C3%B6rd:%D0%BF@h/", "http://h/", "wörd:п"),
        ("http://пароль:ключ@h/", "http://h/", "пароль:ключ"),
        ("http://p%40ss%3Aw%25@h/", "http://h/", "p@ss:w%:"),
        ("http://:pw@h/", "http://h/", ":pw"),
    ],
)
def test_user_info_goes_out_as_utf_8(url: str, bare: str, pair: str | None) -> None:
    """User and password are sent in UTF-8, decoded, and are removed from the URL."""
    left, header = credentials(URL(url))
    assert str(left) == bare
    assert header == (None if pair is None else f"Basic {b64encode(pair.encode()).decode()}")


@pytest.mark.parametrize("secure", [False, True])
async def test_a_password_beyond_latin_1_reaches_target_and_proxy(prober: MakeProber, *, secure: bool) -> None:
    """Each gets its own, the proxy of a tunnel with CONNECT alone."""
    scheme = "https" if secure else "http"
    async with peer(OK) as proxy:
        asked = target(f"{scheme}://ключ:п@chat.test/", proxy=Secret(proxy.url.replace("//", "//кто:там@")))
        await prober()(asked, "cli")
        headers = dict(proxy.requests[0].headers)
    assert b64decode(headers["proxy-authorization"].removeprefix("Basic ")).decode() == "кто:там"
    assert ("authorization" in headers) is not secure
    if not secure:
        assert b64decode(headers["authorization"].removeprefix("Basic ")).decode() == "ключ:п"


async def test_a_key_comes_before_user_info(prober: MakeProber) -> None:
    """A target's key is sent in place of the user-info of its URL: both have the same header."""
    async with peer(OK) as server:
        observation = await prober()(
            target(**unchecked(server.url.replace("//", "//u:p@")), api_key=Secret("k")), "cli"
        )
        headers = dict(server.requests[0].headers)
    assert (verdict(observation), headers["authorization"]) == ("ok", "Bearer k")


@pytest.mark.parametrize("length", [2**64 - 1, 2**64, 10**40])
async def test_a_length_beyond_any_body(prober: MakeProber, length: int) -> None:
    """A Content-Length that no body can have is a malformed head, and no bug of the monitor."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\ndata: x\n\n"
    async with peer((Send(head % length),)) as server:
        assert verdict(await prober()(target(server.url), "cli")) == "bad_response/malformed_head"
