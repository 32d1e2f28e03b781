"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from monitor.keys.proxies import excepted, proxy_of_environment, unusable

PLAIN, SECURE = "http://api.example.net/v1", "https://api.example.net/v1"


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        (PLAIN, {}, None),
        (PLAIN, {"HTTP_PROXY": "http://p:3128"}, "http://p:3128"),
        (PLAIN, {"http_proxy": "p:3128"}, "http://p:3128"),
        (PLAIN, {"HTTP_PROXY": "http://upper:1", "http_proxy": "http://lower:1"}, "http://upper:1"),
        (PLAIN, {"HTTP_PROXY": "", "http_proxy": "http://lower:1"}, "http://lower:1"),
        (PLAIN, {"HTTPS_PROXY": "http://p:3128", "ALL_PROXY": "http://all:1"}, None),
        (SECURE, {"HTTPS_PROXY": "https://p:3128"}, "https://p:3128"),
        (SECURE, {"https_proxy": "http://u:w@p:3128", "HTTP_PROXY": "http://other:1"}, "http://u:w@p:3128"),
        (SECURE, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other.net, example.net"}, None),
        (SECURE, {"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, None),
        (SECURE, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other.net"}, "http://p:1"),
        ("http://127.0.0.1:8000/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://[::1]:8000/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://localhost:8000/", {"HTTP_PROXY": "http://p:1"}, None),
    ],
)
def test_the_proxy_of_the_environment(url: str, environ: dict[str, str], proxy: str | None) -> None:
    """The variable of the URL's scheme counts, in capitals first, and never for this machine itself."""
    assert proxy_of_environment(url, environ) == proxy


@pytest.mark.parametrize(
    ("url", "exception", "holds"),
    [
        (PLAIN, "api.example.net", True),
        (PLAIN, "API.example.net.", True),
        ("http://api.example.net./", "api.example.net", True),
        (PLAIN, "example.net", True),
        (PLAIN, ".example.net", True),
        (PLAIN, "*.example.net", True),
        (PLAIN, "ample.net", False),
        ("http://example.net/", ".example.net", False),
        (PLAIN, "api.example.net:80", True),
        (SECURE, "api.example.net:443", True),
        (PLAIN, "api.example.net:8080", False),
        ("http://10.1.2.3:8000/", "10.0.0.0/8", True),
        ("http://10.1.2.3:8000/", "10.1.2.3", True),
        ("http://10.1.2.3:8000/", "10.1.2.3:8000", True),
        ("http://10.1.2.3:8000/", "10.1.2.4/32", False),
        ("http://10.1.2.3:8000/", "fd00::/8", False),
        ("http://[fd00::1]:8000/", "fd00::/8", True),
        ("http://[fd00::1]:8000/", "[fd00::1]:8000", True),
        ("http://[fd00::1]:8000/", "[fd00::1]:80", False),
        (PLAIN, "10.0.0.0/8", False),
        (PLAIN, "", False),
        (PLAIN, ".", False),
        (PLAIN, "*", True),
    ],
)
def test_exceptions(url: str, exception: str, holds: bool) -> None:
    """A name also matches its subdomains, a network its addresses, and a port only itself."""
    assert excepted(url, (exception,)) is holds
    assert excepted(url, ("nobody.example.com", f" {exception} ")) is holds


def test_variables_that_name_no_proxy() -> None:
    """A variable whose value is not the URL of an HTTP proxy is named; an unset one is not."""
    assert list(unusable({"HTTP_PROXY": "socks5://p:1", "https_proxy": "u:12/w@p:1"})) == ["HTTP_PROXY", "https_proxy"]
    assert list(unusable({"HTTP_PROXY": "p:1", "HTTPS_PROXY": "", "NO_PROXY": "%%"})) == []
