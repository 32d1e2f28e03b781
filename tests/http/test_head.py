"""What a head says: retry, ids and type, and what is no such thing."""

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
        (b"Retry-After: soon", "retry_after", None),
        (b"X-Request-Id: abc", "request_ids", {"x-request-id": "abc"}),
        (b"Content-Type: nonsense", "content_type", "invalid"),
        (b"A: b", "content_type", None),
    ],
)
async def test_what_a_head_says(ask: Ask, header: bytes, key: str, value: object) -> None:
    """Both forms of Retry-After, ids of the request and the type are in the event; what is no such thing is not."""
    answer = b"HTTP/1.1 503 Busy\r\n" + header + b"\r\nContent-Length: 0\r\n\r\n"
    async with peer((Send(answer),)) as server:
        seen = await ask(f"{server.url}/")
    assert verdict(seen) == "http_error/overloaded"
    assert record(seen).get(key) == value


async def test_a_retry_date_is_seconds_from_now(ask: Ask) -> None:
    """A date in Retry-After is taken as how long that is from now, in whole seconds."""
    date = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
    async with peer((Send(b"HTTP/1.1 429 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % date),)) as server:
        seen = await ask(f"{server.url}/")
    head = seen.recording.head
    assert head is not None
    assert isinstance(head.retry_after, int)
    assert head.retry_after == pytest.approx(60, abs=5)
