"""Clients of the daemon's pages in a soak, on bare sockets: valid ones, slow ones and invalid ones."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import NamedTuple, cast

from tests.soak.attackers import USER

HOST = "127.0.0.1"
TIMEOUT = 30.0
SLOW_FOR = 40
"""Bytes that a slow reader takes, one a second: for longer than the daemon's own timeout."""
ACCEPTS = (
    "",
    "Accept: application/openmetrics-text;version=1.0.0\r\n",
    "Accept-Encoding: gzip\r\n",
    "Accept: text/plain\r\n",
)


class Response(NamedTuple):
    """Status and body; the status is 0 if the response was not complete."""

    status: int
    body: bytes


def request(method: str, path: str, more: str = "") -> bytes:
    """Return a request with the user's credentials, on a connection of its own."""
    user = "".join(f"{name}: {value}\r\n" for name, value in USER.items())
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{user}{more}\r\n".encode()


class _Received(NamedTuple):
    """What `http.client` reads a response from, instead of a socket."""

    data: bytes

    def makefile(self, _mode: str) -> BytesIO:
        """Return the bytes as a file."""
        return BytesIO(self.data)


def parsed_response(received: bytes) -> Response:
    """Return the response; it is complete if it has its declared length, or its last chunk."""
    response = HTTPResponse(cast("socket.socket", _Received(received)))
    try:
        response.begin()
        is_framed = response.chunked or response.length is not None
        body = response.read()
    except (HTTPException, ValueError):
        return Response(0, b"")
    return Response(response.status if is_framed else 0, body)


async def fetch(port: int, path: str, method: str = "GET", more: str = "") -> Response:
    """Send one request; whatever goes wrong is a response that is not complete."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(TIMEOUT):
            return parsed_response(await exchange(port, request(method, path, more)))
    return Response(0, b"")


async def exchange(port: int, request_: bytes) -> bytes:
    """Send bytes on a new connection and return all that is received until its end."""
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
    """Scrape and read a byte a second, until the daemon closes the connection or `SLOW_FOR` bytes came."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client, suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (HOST, port))
        await loop.sock_sendall(client, request("GET", "/metrics"))
        for _ in range(SLOW_FOR):
            if not await loop.sock_recv(client, 1):
                return
            await asyncio.sleep(1)


INVALID = (
    request("GET", "/metrics?" + "q" * (1 << 20)),
    b"\x16\x03\x01 not HTTP\r\n\r\n",
    request("GET", "/../../etc/passwd"),
    request("POST", "/-/reload", "Origin: http://elsewhere.invalid\r\n"),
)


async def send_invalid(port: int) -> None:
    """Send invalid requests, and valid ones that are aborted before a response comes."""
    for request_ in INVALID:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                await exchange(port, request_)
    for request_ in (request("GET", "/metrics"), b"GET /metrics HT", b""):
        with suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.write(request_)
            writer.transport.abort()
