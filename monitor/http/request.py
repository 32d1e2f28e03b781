"""One request to send, the interface that takes its response, and further information about the exchange."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from yarl import URL

from monitor.keys.tls import Tls
from monitor.stream.endings import AfterCut, EndKind, Head
from monitor.target import Http, Timeouts

NO_HTTP = "no HTTP/1.1 response head"

Feed = Callable[[bytes], "str | None"]
"""Takes the payload's next bytes, records their events, and returns why reading must stop, or None."""

ConnectionKey = tuple[str | None, str, Tls, str | None, Http]


def credentials(url: URL) -> tuple[URL, str | None]:
    """Return a URL without its user-info, and that as a Basic authorization in UTF-8 (RFC 7617); None without one."""
    if not url.user and not url.password:
        return url, None
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return url.with_user(None), f"Basic {base64.b64encode(pair).decode()}"


class Receiver(Protocol):
    """Takes a response as it arrives, in any version of HTTP. Times are seconds of `time.monotonic`."""

    def head(self, found: Head, at: float, uncertainty: float) -> None:
        """Take the final head, whose last byte arrived at most `uncertainty` before `at`."""

    def payload(self, data: bytes, at: float, uncertainty: float, spread: float) -> None:
        """Take payload of one read: its last byte arrived at most `uncertainty` before `at`, the others `spread`."""

    def end(self, kind: EndKind, at: float, detail: str = "", *, extra: bool = False, amid: bool = False) -> None:
        """Take the end; the first one counts. `amid`: it came with a read that goes on after it."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, ready to be sent."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeouts: Timeouts
    tls: Tls = field(default_factory=Tls)
    proxy: str | None = field(default=None, repr=False)
    keep_for: str | None = None
    """The name under which the connection is kept for the next request; None if it is not kept."""
    http: Http = Http.ONE

    @property
    def secure(self) -> bool:
        """Whether the connection to the target uses TLS, through a proxy or not."""
        return self.url.lower().startswith("https:")

    @property
    def tunnelled(self) -> bool:
        """Whether a proxy has to open a tunnel to the target first."""
        return self.proxy is not None and self.secure

    @property
    def proxied_in_tls(self) -> bool:
        """Whether the connection to the proxy uses TLS."""
        return self.proxy is not None and self.proxy.lower().startswith("https:")

    @property
    def connection_key(self) -> ConnectionKey:
        """The key that two requests must have in common to share a connection."""
        return self.keep_for, self.url, self.tls, self.proxy, self.http


@dataclass(slots=True)
class ExchangeInfo:
    """Information besides the recording; `reused` and `retried` are about a kept connection."""

    reused: bool = False
    retried: bool = False
    peer: str | None = None
    ip_family: int | None = None
    certificate_expiry: float | None = None
    error_body: bytes = b""
    after_cut: AfterCut | None = None
    own_delay: float | None = None
    """The monitor's own delay in seconds until the request was sent; it is not part of any time."""
