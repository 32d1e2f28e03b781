"""The server's side of one stream: it plays a step at a time and notes when, with plain blocking sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple

from monitor.lab.connection import RESET_ON_CLOSE
from tests.conftest import WITHIN
from tests.stopped.streams import End, Step, Stream

_GARBAGE = b"\x17\x03\x03\x00\x20" + bytes(32)
"""A record of application data whose authentication fails."""


class Span(NamedTuple):
    """The times of `time.monotonic` between which something happened."""

    begin: float
    end: float


class ServedStream:
    """A stream, its listener, and its connection."""

    def __init__(self, stream: Stream, context: ssl.SSLContext) -> None:
        self.stream = stream
        self.spans: list[Span] = []
        """When each step was played."""
        self.requested = Span(0.0, 0.0)
        """When the request was sent."""
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WITHIN)

    @property
    def _probe(self) -> dict[str, str]:
        """What the client is asked."""
        scheme, port = "https" if self.stream.tls else "http", self._listener.getsockname()[1]
        return {"url": f"{scheme}://127.0.0.1:{port}/v1", "http": "2" if self.stream.http2 else "1.1"}

    def accept(self, ask: Callable[[dict[str, str]], None]) -> None:
        """Ask for it and read the request; its body, a JSON object, ends it in either version of HTTP."""
        begin = time.monotonic()
        ask(self._probe)
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(WITHIN)
        self._socket = self._context.wrap_socket(sock, server_side=True) if self.stream.tls else sock
        received = b""
        while not received.endswith(b"}"):
            received += self._socket.recv(65536)
        self.requested = Span(begin, time.monotonic())

    def play(self, step: Step) -> None:
        """Play one step; the client may have closed or reset the connection before."""
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            self._perform(step)
        self.spans.append(Span(begin, time.monotonic()))

    def _perform(self, step: Step) -> None:
        below = socket.socket  # what TLS writes on
        match step:
            case bytes():
                self._socket.sendall(step)
            case End.FIN:
                below.shutdown(self._socket, socket.SHUT_WR)
            case End.RST:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                self._socket.close()
            case End.GARBAGE:
                below.sendall(self._socket, _GARBAGE)
            case End.NOTIFY:
                assert isinstance(self._socket, ssl.SSLSocket)
                self._socket.setblocking(False)  # the client's own close_notify is not waited for
                self._socket.unwrap()

    def close(self) -> None:
        """Close what is open."""
        self._socket.close()
        self._listener.close()
