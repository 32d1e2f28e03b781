"""A bare asyncio protocol: what the loop itself costs, without HTTP; events are counted by their size on the wire."""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import cast
from urllib.parse import urlsplit

from benchmarks.load import PATH, Load, Reads, body, run


class Reader(asyncio.Protocol):
    """Sends a request when connected, and records every read of the body."""

    def __init__(self, request: bytes, reads: Reads, load: Load, done: asyncio.Future[None]) -> None:
        self._request, self._reads, self._load, self._done = request, reads, load, done
        self._front = b""
        self._in_body = False
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Record how many events are complete."""
        size = len(data)
        if not self._in_body:
            self._front += data
            _, found, rest = self._front.partition(b"\r\n\r\n")
            self._in_body, size = bool(found), len(rest)
            if not self._in_body or not size:
                return
        events, self._left = divmod(self._left + size, self._load.event_on_wire)
        self._reads.read(events * self._load.event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Complete the future."""
        if not self._done.done():
            self._done.set_exception(exc) if exc else self._done.set_result(None)


async def ask(load: Load, context: ssl.SSLContext | None, request_id: str, reads: Reads) -> None:
    """Send one request over a new connection."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    data, origin = body(), urlsplit(load.origin)
    head = (
        f"POST {PATH}?{load.query_text} HTTP/1.1\r\nHost: {origin.netloc}\r\nContent-Type: application/json\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    reads.start()
    await loop.create_connection(
        functools.partial(Reader, head.encode() + data, reads, load, done), "127.0.0.1", origin.port or 0, ssl=context
    )
    await done


def main() -> None:
    """Run the load."""
    load = Load.from_argument()
    context = ssl.create_default_context(cafile=load.ca_file) if load.ca_file else None
    run(functools.partial(ask, load, context), load)


if __name__ == "__main__":
    main()
