"""Tests of which requests are allowed."""

from __future__ import annotations

import pytest

from monitor.web.guard import FOREIGN_HOST, FOREIGN_PAGE, hostname, refusal

ALLOWED = frozenset({"monitor.example"})


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("localhost:9877", "localhost"),
        ("LOCALHOST.", "localhost"),
        ("[::1]:9877", "::1"),
        ("[::1]", "::1"),
        ("10.0.0.5", "10.0.0.5"),
        ("monitor.example:", "monitor.example"),
        ("", None),
        ("a@localhost", None),
        ("localhost/x", None),
        ("localhost:9877:1", None),
        ("localhost:123456", None),
        ("::1", None),
        ("loc\u0430lhost", None),
        ("localhost\n", None),
    ],
)
def test_hostname(authority: str, name: str | None) -> None:
    """A name or address with or without a port is read; all else is nothing."""
    assert hostname(authority) == name


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("localhost:9877", True),
        ("127.0.0.1", True),
        ("127.9.9.9:1", True),
        ("[::1]:9877", True),
        ("10.0.0.5:9877", True),
        ("0.0.0.0:9877", True),
        ("[fe80::1]:9877", True),
        ("[2001:db8::1]", True),
        ("monitor.example", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("[::1%25eth0]", False),
        ("[::g]", False),
        ("", False),
    ],
)
def test_host(host: str, *, passes: bool) -> None:
    """Addresses, which no page can be rebound to, localhost and configured names pass; any other name is foreign."""
    assert refusal("GET", "/", {"Host": host}, ALLOWED) == (None if passes else FOREIGN_HOST)


@pytest.mark.parametrize(
    ("target", "passes"),
    [
        ("http://localhost:9877/", True),
        ("HTTP://127.0.0.1", True),
        ("https://monitor.example?x=1", True),
        ("/x?to=http://evil.example/", True),
        ("*", True),
        ("http://evil.example/", False),
        ("http://localhost@evil.example/", False),
        ("http://evil.example#localhost", False),
        ("http://evil.example:9877?//localhost/", False),
        ("ftp://evil.example/", False),
        ("http://", False),
    ],
)
def test_absolute_form(target: str, *, passes: bool) -> None:
    """The authority of an absolute request-target has to be ours as well as the Host that it takes the place of."""
    assert refusal("GET", target, OURS, ALLOWED) == (None if passes else FOREIGN_HOST)


def test_no_host_at_all() -> None:
    """A request without Host (a health check in HTTP/1.0) comes from no browser."""
    assert refusal("GET", "/", {}, ALLOWED) is None


OURS = {"Host": "localhost:9877"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("method", "headers", "passes"),
    [
        ("GET", {}, True),
        ("POST", {}, True),
        ("POST", {"Origin": "http://localhost:9877"}, True),
        ("POST", {"Origin": "https://LOCALHOST:9877"}, True),
        ("POST", {"Origin": "https://monitor.example"}, True),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ("GET", {"Sec-Fetch-Site": "none"}, True),
        ("GET", LINK, True),
        ("HEAD", LINK, True),
        ("POST", LINK, False),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, False),
        ("GET", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, False),
        ("GET", LINK | {"Sec-Fetch-Dest": "iframe"}, False),
        ("GET", LINK | {"Origin": "http://evil.example"}, False),
        ("GET", {"Origin": "http://localhost:3000"}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {"Origin": "http://localhost:9877/path"}, False),
        ("POST", {"Origin": "file://localhost:9877"}, False),
        ("POST", {"Origin": "http://evil.example"}, False),
        ("POST", {"Origin": ""}, False),
        ("POST", {"Sec-Fetch-Site": "none", "Origin": "http://evil.example"}, False),
    ],
)
def test_page(method: str, headers: dict[str, str], *, passes: bool) -> None:
    """Our own pages, programs and followed links pass; what another site's page sends does not, nor another port's."""
    assert refusal(method, "/", OURS | headers, ALLOWED) == (None if passes else FOREIGN_PAGE)
