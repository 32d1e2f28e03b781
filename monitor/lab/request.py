"""A client's HTTP/1.1 request, parsed strictly and bounded in size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MAX_HEAD = 64 << 10
MAX_BODY = 4 << 20
HTTP_2 = "2"
HEAD_END = b"\r\n\r\n"
REQUEST_LINE = re.compile(r"([A-Z]{1,20}) ([!-~]{1,8192}) HTTP/(1\.[01])")
FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")


class MalformedRequestError(ValueError):
    """A request that the lab rejects, with the status of the response."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class LabRequest:
    """One request; header names in lower case."""

    method: str
    target: str
    version: str
    headers: Mapping[str, str]
    body: bytes = b""
    raw: bytes = b""
    """All its bytes."""

    @property
    def last(self) -> bool:
        """Whether the client wants the connection closed after the response."""
        wish = self.headers.get("connection", "").lower()
        return "close" in wish or (self.version == "1.0" and "keep-alive" not in wish)


class ByteSource(Protocol):
    """A source of bytes."""

    received: bytearray

    async def more(self) -> None:
        """Wait until more has come in."""

    def take(self, size: int) -> bytes:
        """Take so many of them."""
        ...


async def read_request(source: ByteSource) -> LabRequest:
    """The next request; the bytes after it are left in the source."""
    while (end := source.received.find(HEAD_END)) < 0:
        if len(source.received) > MAX_HEAD:
            raise MalformedRequestError("431 Request Header Fields Too Large", f"a head is at most {MAX_HEAD} bytes")
        await source.more()
    end += len(HEAD_END)
    request = parse_head(bytes(source.received[:end]))
    size = body_size(request.headers)
    while len(source.received) < end + size:
        await source.more()
    raw = source.take(end + size)
    return LabRequest(request.method, request.target, request.version, request.headers, raw[end:], raw)


def parse_head(head: bytes) -> LabRequest:
    """A request without its body."""
    first, *lines = head.removesuffix(HEAD_END).decode("latin-1").split("\r\n")
    line = REQUEST_LINE.fullmatch(first)
    if line is None:
        raise MalformedRequestError("400 Bad Request", "the request line is not METHOD TARGET HTTP/1.1")
    fields = [FIELD.fullmatch(line) for line in lines]
    headers = {field[1].lower(): field[2] for field in fields if field is not None}
    if len(headers) != len(lines):
        raise MalformedRequestError("400 Bad Request", "a header is malformed or given twice")
    return LabRequest(line[1], line[2], line[3], headers)


def body_size(headers: Mapping[str, str]) -> int:
    """The declared length of the body."""
    if "transfer-encoding" in headers:
        raise MalformedRequestError("411 Length Required", "send the body with a Content-Length")
    text = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise MalformedRequestError("400 Bad Request", "Content-Length is not a number")
    if int(text) > MAX_BODY:
        raise MalformedRequestError("413 Content Too Large", f"a body is at most {MAX_BODY} bytes")
    return int(text)
