"""Parts of the transport tests: bodies, names, closed ports, certificates, odd peers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from monitor.http.attempts import ConnectionAttempts
from monitor.http.exchange import Exchange
from monitor.http.fetch import fetch
from monitor.http.in_flight import InFlight, StreamMemory
from monitor.http.reachability import Reachability, reach
from monitor.http.request import HttpRequest
from monitor.keys.tls import Tls
from monitor.lab.steps import Send
from monitor.settings import Limits, Network
from monitor.stream.recorder import Recorder
from tests.conftest import SHORT

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
WHOLE = HI + STOP
CLOSED = HEAD + b"Connection: close\r\n\r\n"


def sized(body: bytes, more: bytes = b"") -> bytes:
    """Return a response with the length of its body in the head."""
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


OK = (Send(sized(WHOLE)),)
LISTED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


class Names(AbstractResolver):
    """A resolver with these names only."""

    def __init__(self, **names: list[str] | OSError) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name, of the requested family, or raise the exception that is set for it."""
        found = self._names[host.partition(".")[0]]
        if isinstance(found, OSError):
            raise found
        kinds = [(address, socket.AF_INET6 if ":" in address else socket.AF_INET) for address in found]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in kinds
            if family in {socket.AF_UNSPEC, kind}
        ]

    async def close(self) -> None:
        """Keep nothing."""


@contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port of loopback on which nothing listens, and reserve it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        holder.bind((host, 0))
        yield holder.getsockname()[1]


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let this process open nothing: the limit comes down to what is open, and what is free below is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    taken = [spare]
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(spare))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in taken:
            os.close(number)


def unchecked(url: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Target
    """Return the arguments of a probe without a content check, as the bodies here count nothing."""
    return {"url": url, "check": None, **more}


async def got(url: str, **more: Any) -> bytes | str:  # noqa: ANN401 - what fetch takes
    """Return a document, or why it did not come."""
    try:
        given: dict[str, Any] = {"network": Network(), "within": 5.0, "at_most": 100}
        return await fetch(url, **(given | more))
    except OSError as error:
        return str(error)


async def tried(url: str, network: Network | None = None, *, within: float = 20.0, **more: Any) -> Reachability:  # noqa: ANN401 - of HttpRequest
    """Return what comes of a connection that is only tried."""
    timeouts = replace(SHORT, connect=within)
    return await reach(HttpRequest("POST", url, {}, b"", timeouts, **more), network or Network())


class CertificateAuthority:
    """A certificate authority, and servers with its certificates."""

    def __init__(self, place: Path) -> None:
        self.authority = trustme.CA()
        self.file = str(place / "authority.pem")
        self.authority.cert_pem.write_to_path(self.file)
        self.trusted = Tls(ca_file=self.file)

    def server(self, *names: str, **more: Any) -> ssl.SSLContext:  # noqa: ANN401 - of trustme.CA.issue_cert
        """Return the context of a server with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("127.0.0.1",)), **more).configure_cert(context)
        return context


class Mute(asyncio.Protocol):
    """A peer on a TLS port that speaks none: it answers the first bytes with a script of its own."""

    def __init__(self, answer: Callable[[asyncio.Transport], None]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        del data
        self._answer(self._transport)


REQUEST = HttpRequest("GET", "http://127.0.0.1/", {}, b"", SHORT)


async def unsent() -> Exchange:
    """Return an exchange whose request is never sent."""
    limits, attempts = Limits(), ConnectionAttempts(Network())
    return Exchange(REQUEST, Recorder(), lambda _: None, limits, attempts, memory=StreamMemory(InFlight(limits)))
