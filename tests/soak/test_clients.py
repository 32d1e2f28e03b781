"""Tests of a soak's clients."""

from __future__ import annotations

import pytest

from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Rst, Send
from tests.soak.clients import Response, fetch, parsed_response

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "found"),
    [
        (WHOLE, Response(200, b"hi")),
        (WHOLE[:-1], Response(0, b"")),
        (CHUNKED, Response(200, b"hi")),
        (CHUNKED[:-5], Response(0, b"")),
        (WHOLE[:20], Response(0, b"")),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", Response(0, b"hi")),
        (b"", Response(0, b"")),
    ],
)
def test_a_response_is_complete_or_has_no_status(received: bytes, found: Response) -> None:
    """A scrape that was cut is an error of the daemon, not a response."""
    assert parsed_response(received) == found


async def test_asking() -> None:
    """A page is fetched as a whole; a reset and a closed port give no response."""
    async with peer((Send(WHOLE), Fin()), (Rst(),)) as server:
        assert await fetch(server.port, "/") == Response(200, b"hi")
        assert (await fetch(server.port, "/")).status == 0
        port = server.port
    assert (await fetch(port, "/")).status == 0
