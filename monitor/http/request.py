"""One request as it is to be sent, and what is learned of it besides the timeline."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from yarl import URL

from monitor.stream.endings import AfterCut
from monitor.target import Timeouts, Tls

Feed = Callable[[bytes], "str | None"]
"""Takes the payload's next bytes, records what they say, and returns why no more may be read, or None."""

ConnectionKey = tuple[str | None, str, Tls, str | None]


def credentials(url: URL) -> tuple[URL, str | None]:
    """Return a URL without its user-info, and that as HTTP's Basic scheme has it, in UTF-8 (RFC 7617); None without."""
    if not url.user and not url.password:
        return url, None
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return url.with_user(None), f"Basic {base64.b64encode(pair).decode()}"


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
    """Whose connection is kept for the next call; None for nobody's."""

    @property
    def secure(self) -> bool:
        """Whether the target, behind a proxy or not, is spoken to through TLS."""
        return self.url.lower().startswith("https:")

    @property
    def tunnelled(self) -> bool:
        """Whether a proxy has to connect us to the target before we speak with it."""
        return self.proxy is not None and self.secure

    @property
    def way(self) -> ConnectionKey:
        """What a connection has to have in common with another call's to be of use for this one."""
        return self.keep_for, self.url, self.tls, self.proxy


@dataclass(slots=True)
class ExchangeInfo:
    """What the transport learned besides the timeline; `reused` and `retried` are of a connection that was kept."""

    reused: bool = False
    retried: bool = False
    peer: str | None = None
    ip_family: int | None = None
    certificate_expiry: float | None = None
    error_body: bytes = b""
    after_cut: AfterCut | None = None
