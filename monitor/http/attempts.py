"""The connections of one request: sockets that stamp, made where the address may be dialled."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import aiohttp

from monitor.http.policy import PolicyDeniedError, denied, denied_host
from monitor.http.protocol import HttpProtocol
from monitor.http.timestamps import TimestampedSocket, poll_tracking_selector
from monitor.settings import Network


class ConnectionAttempts:
    """The connections of one request: at most one of several attempts stands."""

    def __init__(self, network: Network) -> None:
        self.taps: list[TimestampedSocket] = []
        self.wire: HttpProtocol | None = None
        self.transport: asyncio.BaseTransport | None = None
        self._socket: asyncio.BaseTransport | None = None
        # noted when the connection stands: a TLS transport that was closed has forgotten them
        self.peer: tuple[str, int] | None = None
        self.certificate: Mapping[str, Any] = {}
        self.on_resolved: Callable[[], None] = _nobody
        self.on_made: Callable[[], None] = _nobody
        self.denied: str | None = None
        self._network = network

    def resolved(self) -> None:
        """Tell that the name was looked up."""
        self.on_resolved()

    def socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return a tap for one address, checked here, where it is dialled."""
        family, kind, proto, _, sockaddr = address
        if denied(str(sockaddr[0]), self._network):
            self._refuse(str(sockaddr[0]))
        tap = TimestampedSocket(family, kind, proto, poll_tracking_selector())
        self.taps.append(tap)
        return tap

    def check_host(self, host: str) -> None:
        """Raise a PolicyDeniedError if `host` is a denied address; needed if a proxy dials it in our place."""
        if denied_host(host, self._network):
            self._refuse(host)

    def _refuse(self, address: str) -> NoReturn:
        self.denied = address
        raise PolicyDeniedError(errno.EACCES, "denied by [network]")

    def made(self, wire: HttpProtocol, transport: asyncio.BaseTransport) -> None:
        """Note which of the sockets stands, and with whom."""
        self.certificate = transport.get_extra_info("peercert") or {}
        name = transport.get_extra_info("peername")
        self.peer = (str(name[0]), int(name[1])) if name else None
        found = transport.get_extra_info("socket")
        number = found.fileno() if found is not None else -1
        wire.tap = next((tap for tap in self.taps if tap.fileno() == number), None)
        self.wire, self.transport, self._socket = wire, transport, _of_the_socket(transport)
        self.on_made()

    @property
    def encrypted(self) -> bool:
        """Whether what is said on it goes through TLS."""
        return self.wire is not None and self.wire.encrypted

    @property
    def tap(self) -> TimestampedSocket | None:
        """The socket that stands, or the last one tried."""
        if self.wire is not None and self.wire.tap is not None:
            return self.wire.tap
        return self.taps[-1] if self.taps else None

    def leave(self) -> None:
        """Tell nobody any more."""
        self.on_resolved = self.on_made = _nobody

    def close(self) -> None:
        """Let go of everything at once."""
        for transport in (self.transport, self._socket):
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        for tap in self.taps:
            tap.close()
        self.wire = self.transport = self._socket = None  # they lead back here


def _of_the_socket(transport: asyncio.BaseTransport) -> asyncio.BaseTransport:
    """Return the transport below TLS (private, pinned).

    From Python 3.12 on, one of TLS that is closed twice, as aiohttp does, forgets what is below and cannot be aborted:
    the socket would be closed under a live transport, and whoever gets its descriptor next could not connect.
    """
    return getattr(getattr(transport, "_ssl_protocol", None), "_transport", None) or transport


def _nobody() -> None:
    """Be told, and do nothing."""
