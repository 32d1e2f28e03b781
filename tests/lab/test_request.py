"""Requests to the lab: parsed strictly, bounded, and separated."""

from __future__ import annotations

import pytest

from monitor.lab.request import (
    MAX_BODY,
    MAX_HEAD,
    LabRequest,
    MalformedRequestError,
    body_size,
    parse_head,
    read_request,
)


class Fed:
    """A source that returns given parts, one for each read."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)
        self.received = bytearray()

    async def more(self) -> None:
        """Take the next part in."""
        self.received += self._parts.pop(0)

    def take(self, size: int) -> bytes:
        """Take bytes out."""
        data = bytes(self.received[:size])
        del self.received[:size]
        return data


async def test_a_request_is_the_same_however_it_is_cut() -> None:
    """Whole or byte by byte, and what follows it is left for the next."""
    raw = b"POST /a?b=c HTTP/1.1\r\nHost: lab\r\nContent-Length: 3\r\nX-Empty:\r\n\r\nabc"
    wanted = LabRequest("POST", "/a?b=c", "1.1", {"host": "lab", "content-length": "3", "x-empty": ""}, b"abc", raw)
    assert await read_request(Fed(*(raw[i : i + 1] for i in range(len(raw))))) == wanted
    whole = Fed(raw + b"GET")
    assert await read_request(whole) == wanted
    assert whole.received == b"GET"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
    ],
)
def test_a_malformed_head_is_refused(head: bytes) -> None:
    """Lines that are none, and headers that are malformed or given twice."""
    with pytest.raises(MalformedRequestError) as caught:
        parse_head(head)
    assert caught.value.status == "400 Bad Request"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"transfer-encoding": "chunked"}, "411 Length Required"),
        ({"content-length": "+1"}, "400 Bad Request"),
        ({"content-length": str(MAX_BODY + 1)}, "413 Content Too Large"),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(headers: dict[str, str], status: str) -> None:
    """Chunked, no number, or too large."""
    with pytest.raises(MalformedRequestError) as caught:
        body_size(headers)
    assert caught.value.status == status


async def test_a_head_without_an_end_is_bounded() -> None:
    """A client that sends endless headers is refused."""
    with pytest.raises(MalformedRequestError) as caught:
        await read_request(Fed(b"GET / HTTP/1.1\r\n", b"x" * MAX_HEAD))
    assert caught.value.status == "431 Request Header Fields Too Large"


@pytest.mark.parametrize(
    ("version", "connection", "last"),
    [
        ("1.1", None, False),
        ("1.1", "Close", True),
        ("1.1", "keep-alive", False),
        ("1.0", None, True),
        ("1.0", "Keep-Alive", False),
    ],
)
def test_the_client_says_whether_it_comes_again(version: str, connection: str | None, last: bool) -> None:
    """By its Connection header, or by its version where it has none."""
    headers = {} if connection is None else {"connection": connection}
    assert LabRequest("GET", "/", version, headers).last is last
