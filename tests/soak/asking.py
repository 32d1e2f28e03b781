"""Clients of the daemon's pages in a soak: polite ones, slow ones and rude ones, on bare sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import NamedTuple, cast

from tests.soak.attackers import USER

HOST = "127.0.0.1"
PATIENCE = 30.0
SLOW_FOR = 40
"""Bytes that a slow reader takes, one a second: longer than the daemon's own patience."""
ACCEPTS = (
    "",
    "Accept: application/openmetrics-text;version=1.0.0\r\n",
    "Accept-Encoding: gzip\r\n",
    "Accept: text/plain\r\n",
)


class Answer(NamedTuple):
    """Status and body; a status of 0 says that the answer was not whole."""

    status: int
    body: bytes


def request(method: str, path: str, more: str = "") -> bytes:
    """Return a request of the one user, on a connection of its own."""
    user = "".join(f"{name}: {value}\r\n" for name, value in USER.items())
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{user}{more}\r\n".encode()


class _Received(NamedTuple):
    """What `http.client` reads a response from, instead of a socket."""

    data: bytes

    def makefile(self, _mode: str) -> BytesIO:
        """Return the bytes as a file."""
        return BytesIO(self.data)


def answer(received: bytes) -> Answer:
    """Return the response; it is complete if it has its declared length, or its last chunk."""
    response = HTTPResponse(cast("socket.socket", _Received(received)))
    try:
        response.begin()
        is_framed = response.chunked or response.length is not None
        body = response.read()
    except (HTTPException, ValueError):
        return Answer(0, b"")
    return Answer(response.status if is_framed else 0, body)


async def asked(port: int, path: str, method: str = "GET", more: str = "") -> Answer:
    """Ask once; whatever goes wrong is an answer that is not whole."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            return answer(await spoken(port, request(method, path, more)))
    return Answer(0, b"")


async def spoken(port: int, request_: bytes) -> bytes:
    """Say something and return all that comes back."""
    reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 20)
    try:
        writer.write(request_)
        received = []
        while data := await reader.read(1 << 18):
            received.append(data)
        return b"".join(received)
    finally:
        writer.transport.abort()


async def read_slowly(port: int) -> None:
    """Ask for the metrics and read a byte a second, until the daemon has had enough, or we."""
    loop = asyncio.get_running_loop()
    with socket.socket() as door, suppress(OSError):
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        door.setblocking(False)
        await loop.sock_connect(door, (HOST, port))
        await loop.sock_sendall(door, request("GET", "/metrics"))
        for _ in range(SLOW_FOR):
            if not await loop.sock_recv(door, 1):
                return
            await asyncio.sleep(1)


RUDE = (
    request("GET", "/metrics?" + "q" * (1 << 20)),
    b"\x16\x03\x01 no HTTP\r\n\r\n",
    request("GET", "/../../etc/passwd"),
    request("POST", "/-/reload", "Origin: http://elsewhere.invalid\r\n"),
)


async def be_rude(port: int) -> None:
    """Send what no one should, and leave before an answer comes."""
    for request_ in RUDE:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await spoken(port, request_)
    for request_ in (request("GET", "/metrics"), b"GET /metrics HT", b""):
        with suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.write(request_)
            writer.transport.abort()
