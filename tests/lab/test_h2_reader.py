"""The lab reads requests in HTTP/2, sends a server's control frames, and keeps within its client's windows."""

from __future__ import annotations

import pytest
from h2.settings import SettingCodes

from monitor.http.h2_frames import Flag
from monitor.http.h2_frames import FrameType as Type
from monitor.lab import h2_wire as wire
from monitor.lab.h2_reader import Http2Reader, speaks_http2
from monitor.lab.request import MAX_BODY, MalformedRequestError

FIELDS = ((":method", "POST"), (":scheme", "http"), (":authority", "lab"), (":path", "/x?y"), ("x-a", "b"))


class Link:
    """A connection without a socket: what was received and sent."""

    def __init__(self, *reads: bytes) -> None:
        self._reads = list(reads)
        self.received = bytearray()
        self.sent = bytearray()

    async def more(self) -> None:
        """Take the next read; the peer leaves after the last."""
        if not self._reads:
            raise ConnectionError
        self.received += self._reads.pop(0)

    def take(self, size: int) -> bytes:
        """Take so many bytes."""
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    async def put(self, data: bytes) -> None:
        """Keep what is sent."""
        self.sent += data


def whole(body: bytes = b"") -> bytes:
    """Return all that a client sends for a request."""
    head = wire.headers(1, FIELDS, end=not body)
    return wire.PREFACE + wire.settings() + head + (wire.data(1, body, end=True) if body else b"")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("body", [b"", b"hello"])
async def test_a_request(size: int, body: bytes) -> None:
    """However it is cut, it is read; the settings and the data are acknowledged."""
    sent = whole(body)
    link = Link(*(sent[at : at + size] for at in range(0, len(sent), size)))
    assert await speaks_http2(link)
    request = await Http2Reader(link, polite=True).request()
    assert (request.method, request.target, request.version, request.body) == ("POST", "/x?y", "2", body)
    assert request.headers == {"host": "lab", "x-a": "b"}
    assert bytes(link.sent).startswith(wire.SETTINGS + wire.SETTINGS_ACK)
    assert (wire.window(0, 5) in bytes(link.sent)) is bool(body)


async def test_one_that_is_not_polite_says_nothing() -> None:
    """A script says everything there."""
    link = Link(whole(b"x") + wire.frame(Type.PING, bytes(8)))
    await Http2Reader(link, polite=False).request()
    assert link.sent == b""


async def test_another_version_is_distinguished() -> None:
    """A request of HTTP/1.1 is seen as soon as it differs from the preface."""
    for read in (b"GET / HTTP/1.1\r\n\r\n", b"POST"):
        assert not await speaks_http2(Link(read[:1], read[1:]))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"),
        (
            wire.PREFACE + wire.frame(Type.HEADERS, b"\xff" * 5, flags=Flag.END_HEADERS, stream=1),
            "400 Bad Request",
        ),
        (
            wire.PREFACE + wire.headers(1, FIELDS) + wire.data(1, bytes(1 << 14)) * (MAX_BODY // (1 << 14) + 1),
            "413 Content Too Large",
        ),
    ],
    ids=["preface", "headers", "too large"],
)
async def test_what_is_no_request(sent: bytes, status: str) -> None:
    """It is refused with a status."""
    with pytest.raises(MalformedRequestError) as error:
        await Http2Reader(Link(sent[:30], sent[30:]), polite=True).request()
    assert error.value.status == status


async def test_headers_with_a_priority_and_in_parts() -> None:
    """Browsers send a priority, and large blocks come in several frames."""
    encoded = wire.block(FIELDS)
    first = wire.frame(Type.HEADERS, bytes(5) + encoded[:4], flags=0x20 | Flag.END_STREAM, stream=1)
    last = wire.frame(Type.CONTINUATION, encoded[4:], flags=Flag.END_HEADERS, stream=1)
    reader = Http2Reader(Link(wire.PREFACE + first, last, last[:0], wire.headers(3, FIELDS, end=True)), polite=True)
    assert (await reader.request()).target == "/x?y"
    assert (await reader.request()).target == "/x?y"
    assert reader.stream == 3


async def test_data_waits_for_the_windows() -> None:
    """A DATA frame waits until stream and connection have room; anything else never does."""
    settings = wire.settings({SettingCodes.INITIAL_WINDOW_SIZE: 10, SettingCodes.ENABLE_PUSH: 0})
    ping = wire.frame(Type.PING, bytes(8)) + wire.frame(0x77, b"?")
    link = Link(
        wire.PREFACE + settings + wire.headers(1, FIELDS, end=True), ping + wire.window(1, 5), wire.window(0, 5)
    )
    reader = Http2Reader(link, polite=True)
    await reader.request()
    sent = wire.headers(1, [(":status", "200")]) + wire.data(1, b"x" * 10), wire.data(1, b"x" * 5) + b"rest"
    assert [one async for one in reader.portions(sent[0] + sent[1])] == list(sent)
    assert wire.frame(Type.PING, bytes(8), flags=Flag.ACK) in bytes(link.sent)
    with pytest.raises(ConnectionError):
        assert [one async for one in reader.portions(wire.data(1, b"x" * 65535))]
    assert [one async for one in Http2Reader(link, polite=False).portions(wire.data(1, b"x"))] == [wire.data(1, b"x")]
