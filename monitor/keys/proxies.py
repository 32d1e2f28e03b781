"""Which proxy a request goes through: the one that is configured, or that of the environment, as in Prometheus.

The rules for `NO_PROXY` are those of Go's golang.org/x/net/http/httpproxy, which Prometheus uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from monitor.keys.values import proxy_url

_VARIABLES = {"http": ("HTTP_PROXY", "http_proxy"), "https": ("HTTPS_PROXY", "https_proxy")}
PROXY_VARIABLES = tuple(name for names in _VARIABLES.values() for name in names)
"""The variables that may name a proxy."""
_EXCEPTIONS = ("NO_PROXY", "no_proxy")
_PORTS = {"http": 80, "https": 443}
EVERYTHING = "*"


def proxy_of_environment(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy that the environment names for a URL; None for none, as always for this machine's own names."""
    parts = urlsplit(url)
    name = _set(_VARIABLES[parts.scheme.lower()], environ)
    host = (parts.hostname or "").removesuffix(".")
    if name is None or _is_this_machine(host):
        return None
    exceptions = environ.get(_set(_EXCEPTIONS, environ) or "", "").split(",")
    return None if excepted(url, exceptions) else _with_scheme(environ[name])


def unusable(environ: Mapping[str, str]) -> Iterator[str]:
    """Return the names of the variables that hold something else than the URL of an HTTP proxy."""
    for names in _VARIABLES.values():
        name = _set(names, environ)
        if name is not None and not _is_url(_with_scheme(environ[name])):
            yield name


def excepted(url: str, exceptions: Iterable[str]) -> bool:
    """Whether a URL's host is one of these, each `*`, an address, a network, a name with its subdomains, or a `.name`.

    All but a network may end with `:PORT`.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    port = parts.port or _PORTS[parts.scheme.lower()]
    return any(_matches(host, port, one.strip().lower()) for one in exceptions)


def _matches(host: str, port: int, exception: str) -> bool:
    if exception == EVERYTHING:
        return True
    bare = exception.removeprefix("[").removesuffix("]")
    try:
        return ip_address(host) in ip_network(bare, strict=False)
    except ValueError:  # one of them is a name, or has a port
        name, colon, own_port = exception.rpartition(":")
    if colon and own_port.isdecimal():
        return int(own_port) == port and _matches(host, port, name)
    name = exception.removeprefix("*" if exception.startswith("*.") else "").removesuffix(".")
    return bool(name) and (host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}"))


def _set(names: Iterable[str], environ: Mapping[str, str]) -> str | None:
    """Return the first of these variables that is set to something."""
    return next((name for name in names if environ.get(name)), None)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_url(text: str) -> bool:
    try:
        proxy_url(text)
    except ValueError:
        return False
    return True
