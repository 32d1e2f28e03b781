"""The connections of one request: sockets with timestamps, opened if the policy allows the address."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from typing import NoReturn, Protocol

import aiohttp

from monitor.http.certificate import expiry_of
from monitor.http.clock import Clock
from monitor.http.h2_protocol import MakeProtocol
from monitor.http.policy import PolicyDeniedError, denied, denied_host
from monitor.http.protocol import HttpProtocol
from monitor.http.timestamps import TimestampedSocket, poll_tracking_selector
from monitor.settings import Network


class Observer(Protocol):
    """Is notified of the steps of a connection."""

    def resolved(self, at: float, uncertainty: float) -> None:
        """The name was resolved at most `uncertainty` before `at`, in seconds from zero."""

    def connected(self) -> None:
        """A connection was established."""


class ConnectionAttempts:
    """The connections of one request: at most one of several attempts succeeds."""

    def __init__(
        self,
        network: Network,
        make_protocol: MakeProtocol = HttpProtocol,
        *,
        tunnelled: bool = False,
    ) -> None:
        self.make_protocol = make_protocol
        self.tunnelled = tunnelled
        """Whether a proxy is to connect us to the target."""
        self.proxy_tls: ssl.SSLContext | None = None
        """The TLS context for a proxy over TLS."""
        self.tunnelling = tunnelled
        """Whether the proxy has not yet connected us."""
        self.sockets: list[TimestampedSocket] = []
        self.protocol: HttpProtocol | None = None
        self.transport: asyncio.BaseTransport | None = None
        self._below: asyncio.BaseTransport | None = None
        # stored when the connection is made: a TLS transport that was closed no longer has them
        self.peer: tuple[str, int] | None = None
        self.certificate_expiry: float | None = None
        """In Unix seconds."""
        self.agreed = ""
        """The protocol that was agreed on with the target by ALPN; "" if none was."""
        self.dialled: tuple[str, int] | None = None
        """The address to which the last socket was opened."""
        self.denied: str | None = None
        """The address that the policy denied."""
        self.observer: Observer | None = None
        self.clock: Clock | None = None
        """The clock of the request that is being sent."""
        self._network = network

    def asked(self) -> None:
        """The resolution of a name begins now."""
        if self.clock is not None:
            self.clock.wait_begins(time.monotonic())

    def resolved(self, at: float | None) -> None:
        """The name was resolved at `at`, or at some time since the loop's last poll."""
        selector = poll_tracking_selector()
        late = selector.lateness() if selector is not None else 0.0
        found, uncertainty = (at, 0.0) if at is not None else (time.monotonic(), late)
        if self.clock is not None and self.observer is not None:
            self.observer.resolved(*self.clock.wait_ends(found, uncertainty))

    def open_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return a socket for one address, which is checked here, just before it is dialled."""
        family, kind, proto, _, sockaddr = address
        if denied(str(sockaddr[0]), self._network):
            self._refuse(str(sockaddr[0]))
        self.dialled = str(sockaddr[0]), int(sockaddr[1])
        opened = TimestampedSocket(family, kind, proto, poll_tracking_selector())
        opened.clock = self.clock
        self.sockets.append(opened)
        return opened

    def check_host(self, host: str) -> None:
        """Raise a PolicyDeniedError if `host` is a denied address; needed if a proxy dials it for us."""
        if denied_host(host, self._network):
            self._refuse(host)

    def _refuse(self, address: str) -> NoReturn:
        self.denied = address
        raise PolicyDeniedError(errno.EACCES, "denied by [network]")

    def made(self, protocol: HttpProtocol, transport: asyncio.BaseTransport) -> None:
        """Take the established connection, to the target or to its proxy."""
        self.tunnelling = self.tunnelled and self.protocol is None
        self.certificate_expiry = None if self.tunnelling else expiry_of(transport)
        tls = transport.get_extra_info("ssl_object")
        self.agreed = (tls.selected_alpn_protocol() or "") if tls is not None else ""
        name = transport.get_extra_info("peername")
        self.peer = (str(name[0]), int(name[1])) if name else None
        found = transport.get_extra_info("socket")
        number = found.fileno() if found is not None else -1
        protocol.sock = next((one for one in self.sockets if one.fileno() == number), None)
        self.protocol, self.transport, self._below = protocol, transport, _below_tls(transport)
        if self.observer is not None:
            self.observer.connected()

    @property
    def current(self) -> TimestampedSocket | None:
        """The socket of the established connection, or the last one that was opened."""
        if self.protocol is not None and self.protocol.sock is not None:
            return self.protocol.sock
        return self.sockets[-1] if self.sockets else None

    def close(self) -> None:
        """Close everything at once."""
        for transport in (self.transport, self._below):
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        for one in self.sockets:
            one.close()
        if self.protocol is not None:
            self.protocol.forget()
        self.protocol = self.transport = self._below = None  # a protocol refers to these attempts


def _below_tls(transport: asyncio.BaseTransport) -> asyncio.BaseTransport:
    """Return the transport below TLS, and below that of a proxy as well (private, pinned).

    From Python 3.12 on, a TLS transport that is closed twice, as aiohttp does, forgets what is below and cannot be
    aborted: the socket would be closed under a live transport, and the next owner of its descriptor could not connect.
    """
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return _below_tls(below) if below is not None else transport
