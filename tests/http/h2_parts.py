"""Parts of the HTTP/2 tests: responses in frames, and targets with `http = "2"`."""

from __future__ import annotations

import ssl
from typing import Any

from monitor.lab import h2_wire as wire
from monitor.lab.steps import ReadRequest, Send
from monitor.target import Http
from tests.http.parts import HI, STOP, CertificateAuthority

FIELDS = ((":status", "200"), ("content-type", "text/event-stream"))
HEAD = wire.SETTINGS + wire.headers(1, FIELDS)
WHOLE = HEAD + wire.data(1, HI) + wire.data(1, STOP, end=True)


def head(*more: tuple[str, str], status: str = "200", end: bool = False) -> bytes:
    """Return the begin of an answer with these headers."""
    return wire.SETTINGS + wire.headers(1, ((":status", status), *FIELDS[1:], *more), end=end)


def answer(*sent: bytes, then: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    """Return a script that reads a request, sends these segments, and does what follows."""
    return (ReadRequest(), *map(Send, sent), *then)


def in_http2(url: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Target
    """Return the arguments of a probe in HTTP/2 without a content check."""
    return {"url": f"{url}/v1", "check": None, "http": Http.TWO, **more}


def agreeing(ca: CertificateAuthority, *protocols: str) -> ssl.SSLContext:
    """Return the context of a server that agrees to these protocols by ALPN."""
    context = ca.server()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
