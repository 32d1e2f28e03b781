"""The parts of a head: retry, ids and type, and invalid values of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.lab.peer import peer
from monitor.lab.steps import Send
from tests.conftest import Ask
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(
    ("header", "key", "value"),
    [
        (b"Retry-After: 7", "retry_after", 7),
        (b"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", "retry_after", 0),
        (b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", "retry_after", 366 * 86_400),
        (b"Retry-After: 99999999999999999999", "retry_after", 366 * 86_400),
        (b"Retry-After: soon", "retry_after", None),
        (b"X-Request-Id: abc", "request_ids", {"x-request-id": "abc"}),
        (b"Content-Type: nonsense", "content_type", "invalid"),
        (b"A: b", "content_type", None),
    ],
)
async def test_what_a_head_says(ask: Ask, header: bytes, key: str, value: object) -> None:
    """Both forms of Retry-After, request ids and the type are in the event; invalid values are not."""
    answer = b"HTTP/1.1 503 Busy\r\n" + header + b"\r\nContent-Length: 0\r\n\r\n"
    async with peer((Send(answer),)) as server:
        observation = await ask(f"{server.url}/")
    assert verdict(observation) == "http_error/overloaded"
    assert record(observation).get(key) == value


async def test_a_retry_date_is_seconds_from_now(ask: Ask) -> None:
    """A date in Retry-After is taken as how long that is from now, in whole seconds."""
    date = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
    async with peer((Send(b"HTTP/1.1 429 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % date),)) as server:
        observation = await ask(f"{server.url}/")
    head = observation.recording.head
    assert head is not None
    assert isinstance(head.retry_after, int)
    assert head.retry_after == pytest.approx(60, abs=5)


HEADS: dict[str, tuple[bytes, str]] = {
    "160 headers": (b"".join(b"X-%d: %s\r\n" % (number, b"v" * 50) for number in range(160)), ""),
    "a long line": (b"X-A: " + b"v" * 60_000 + b"\r\n", ""),
    "a line that is too long": (b"X-A: " + b"v" * 66_000 + b"\r\n", "a line of it has more than 64 KiB"),
    "too many headers": (b"X-A: v\r\n" * 1100, "it has more than 1,000 headers"),
    "too much in all": ((b"X-A: " + b"v" * 60_000 + b"\r\n") * 5, "it has more than 256 KiB"),
}
STREAM = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(("more", "why"), HEADS.values(), ids=HEADS.keys())
async def test_the_limits_of_a_head(ask: Ask, more: bytes, why: str) -> None:
    """64 KiB a line, 1,000 headers and 256 KiB in all; the detail says which limit a head broke."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + more
    async with peer((Send(head + b"Content-Length: %d\r\n\r\n" % len(STREAM) + STREAM),)) as server:
        observation = await ask(f"{server.url}/", check=None)
    assert verdict(observation) == ("bad_response/malformed_head" if why else "ok")
    assert why in observation.verdict.detail
    assert "no HTTP" not in observation.verdict.detail


@pytest.mark.parametrize(
    ("coding", "comes_to"),
    [
        (b"none", "ok"), (b"UTF-8", "ok"), (b"identity", "ok"), (b"GZIP", "bad_response/encoding"),
        (b"identity, br", "bad_response/encoding"), (b"zstd", "bad_response/encoding"),
    ],
)  # fmt: skip
async def test_only_codings_that_compress_count(ask: Ask, coding: bytes, comes_to: str) -> None:
    """Any other word in Content-Encoding changes nothing of the body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: " + coding + b"\r\n"
    async with peer((Send(head + b"Content-Length: %d\r\n\r\n" % len(STREAM) + STREAM),)) as server:
        observation = await ask(f"{server.url}/", check=None)
    assert verdict(observation) == comes_to
