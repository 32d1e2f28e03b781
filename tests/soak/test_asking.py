"""Tests of a soak's clients."""

from __future__ import annotations

import pytest

from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Rst, Send
from tests.soak.asking import Answer, answer, asked

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "found"),
    [
        (WHOLE, Answer(200, b"hi")),
        (WHOLE[:-1], Answer(0, b"")),
        (CHUNKED, Answer(200, b"hi")),
        (CHUNKED[:-5], Answer(0, b"")),
        (WHOLE[:20], Answer(0, b"")),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", Answer(0, b"hi")),
        (b"", Answer(0, b"")),
    ],
)
def test_an_answer_is_whole_or_none(received: bytes, found: Answer) -> None:
    """Half an answer is none: a scrape that was cut is a fault of the daemon's."""
    assert answer(received) == found


async def test_asking() -> None:
    """A page is fetched as a whole; a reset and a closed port give no response."""
    async with peer((Send(WHOLE), Fin()), (Rst(),)) as server:
        assert await asked(server.port, "/") == Answer(200, b"hi")
        assert (await asked(server.port, "/")).status == 0
        port = server.port
    assert (await asked(port, "/")).status == 0
