"""A call: what it has in common with another, and whether it goes through TLS or a tunnel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.http.request import HttpRequest
from monitor.target import Tls
from tests.http.parts import HASTY

CALL = HttpRequest("POST", "http://one.test/v1", {}, b"{}", HASTY)


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
    """TLS is the target's, whoever carries us there; a proxy connects us for that alone."""
    call = replace(CALL, url=url, proxy=proxy)
    assert (call.secure, call.tunnelled) == (secure, tunnelled)


def test_a_connection_is_of_use_for_the_same_way_alone() -> None:
    """Another body goes the same way; another target, URL, TLS or proxy does not."""
    assert replace(CALL, body=b"[]", headers={"A": "b"}).way == CALL.way
    others = ({"keep_for": "one"}, {"url": "http://one.test/v2"}, {"tls": Tls(server_name="a")}, {"proxy": "http://p"})
    assert all(replace(CALL, **other).way != CALL.way for other in others)


def test_a_call_shows_no_secret() -> None:
    """Its representation has neither URL nor headers nor body nor proxy, any of which can hold one."""
    call = HttpRequest("POST", "http://canary", {"A": "canary"}, b"canary", HASTY, proxy="http://canary")
    assert "canary" not in repr(call)
