"""HTTP/2 without I/O: the events of frames, the end of a response, and the limits of other frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack import Decoder

from monitor.http.framing import CROWDED
from monitor.http.h2_connection import Answer, Http2Connection, Http2Output, Payload, StreamEnd, code_name
from monitor.http.h2_frames import Flag, FrameSplitter
from monitor.http.h2_frames import FrameType as Type
from monitor.lab import h2_wire as wire
from monitor.stream.endings import EndKind
from tests.http.h2_parts import FIELDS, HEAD, head

PSEUDO = {":method": "POST", ":scheme": "https", ":authority": "chat.test", ":path": "/v1"}
BODY = b'{"stream": true}'
FLOOD = 1001


def asked(body: bytes = BODY, headers: Mapping[str, str] | None = None) -> Http2Connection:
    """Return a connection on which a request was sent."""
    made = Http2Connection()
    made.request(PSEUDO, (headers or {}).items(), body)
    return made


def events_of(connection: Http2Connection, *reads: bytes, every: float = 0.0) -> list[Http2Output]:
    """Return what these reads say."""
    return [one for number, read in enumerate(reads) for one in connection.receive(read, number * every)]


def end_of(*reads: bytes) -> StreamEnd:
    """Return the end after these reads."""
    found = events_of(asked(), *reads)
    assert isinstance(found[-1], StreamEnd)
    assert [one for one in found[:-1] if isinstance(one, StreamEnd)] == []
    return found[-1]


def sent(connection: Http2Connection) -> list[Any]:
    """Return the frames that the connection wants to send, without the preface."""
    data = connection.output().removeprefix(wire.PREFACE)
    return [one for one in FrameSplitter().split(wire.SETTINGS + data) if hasattr(one, "wire")][1:]


def test_a_request_is_sent_at_once() -> None:
    """Settings, a larger window, headers and body are sent together; headers of HTTP/1.1 only are left out."""
    frames = sent(asked(headers={"Authorization": "Bearer x", "Connection": "close", "Host": "h", "X-Api-Key": "k"}))
    assert [one.kind for one in frames] == [
        Type.SETTINGS,
        Type.WINDOW_UPDATE,
        Type.HEADERS,
        Type.DATA,
    ]
    assert frames[-1].payload == BODY
    assert frames[-1].flags == Flag.END_STREAM
    fields = [(bytes(name), bytes(value)) for name, value in Decoder().decode(frames[2].payload, raw=True)]
    assert fields == [
        (b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"chat.test"), (b":path", b"/v1"),
        (b"authorization", b"Bearer x"), (b"x-api-key", b"k"),
    ]  # fmt: skip
    decoded = Decoder().decode(frames[2].payload, raw=True)
    assert [field.indexable for field in decoded][-2:] == [False, False]


def test_a_request_without_a_body_ends_with_its_headers() -> None:
    """Nothing is left to send."""
    connection = asked(b"")
    assert sent(connection)[-1].flags & Flag.END_STREAM
    assert connection.held_back == 0


def test_an_answer() -> None:
    """A head, the payload as it comes, and END_STREAM; the windows are opened again."""
    connection = asked()
    found = events_of(connection, HEAD, wire.data(1, b"abc"), wire.data(1, b"x" * 600_000)[:600_000], b"")
    assert found[0] == Answer(200, [(b"content-type", b"text/event-stream")], ended=False)
    assert found[1] == Payload(b"abc")
    assert connection.in_a_body
    connection = asked()
    large = [wire.data(1, b"x" * 16384)] * 40
    found = events_of(connection, HEAD, *large, wire.data(1, b"", end=True))
    assert found[-1] == StreamEnd(EndKind.COMPLETE)
    assert {one.stream for one in sent(connection) if one.kind == Type.WINDOW_UPDATE} == {0, 1}
    assert connection.usable
    assert not connection.in_a_body


@pytest.mark.parametrize(
    ("reads", "kind", "detail"),
    [
        ([head(end=True)], EndKind.COMPLETE, ""),
        ([HEAD, wire.headers(1, [("grpc-status", "0")], end=True)], EndKind.COMPLETE, ""),
        ([HEAD, wire.headers(1, [("grpc-status", "13")], end=True)], EndKind.COMPLETE, "grpc-status 13"),
        ([HEAD, wire.headers(1, [("grpc-status", "boom")], end=True)], EndKind.COMPLETE, ""),
        ([HEAD, wire.reset(1)], EndKind.RESET, "RST_STREAM INTERNAL_ERROR"),
        ([HEAD, wire.reset(1, ErrorCodes.NO_ERROR)], EndKind.RESET, "RST_STREAM NO_ERROR"),
        ([HEAD, wire.reset(1, 0x99)], EndKind.RESET, "RST_STREAM error code 0x99"),
        ([wire.SETTINGS, wire.reset(1, ErrorCodes.REFUSED_STREAM)], EndKind.RESET, "RST_STREAM REFUSED_STREAM"),
        ([wire.SETTINGS, wire.goaway(0)], EndKind.RESET, "GOAWAY NO_ERROR"),
        (
            [head(("content-length", "5")), wire.data(1, b"abc", end=True)],
            EndKind.INCOMPLETE,
            "content-length is 5, and 3 bytes came in DATA frames",
        ),
        (
            [head(("content-length", "2")), wire.data(1, b"abc", end=True)],
            EndKind.INCOMPLETE,
            "content-length is 2, and 3 bytes came in DATA frames",
        ),
        (
            [head(("content-length", "5")), wire.headers(1, [("a", "b")], end=True)],
            EndKind.INCOMPLETE,
            "content-length is 5, and 0 bytes came in DATA frames",
        ),
        ([head(("content-length", "5"), status="304", end=True)], EndKind.COMPLETE, ""),
    ],
)
def test_how_an_answer_ends(reads: list[bytes], kind: EndKind, detail: str) -> None:
    """END_STREAM is complete, if the length agrees; a reset or a refusal has its code's name."""
    assert end_of(*reads) == StreamEnd(kind, detail)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"HTTP/1.1 400 Bad\r\n\r\n", "it answers in HTTP/1.1"),
        (wire.SETTINGS + wire.data(1, b"x"), "DATA before the response's HEADERS"),
        (head(status="101"), "status 101, which HTTP/2 does not have"),
        (head(status="2000"), "no valid status"),
        (head(("Upper", "x")), "an invalid HEADERS frame"),
        (head(("connection", "close")), "an invalid HEADERS frame"),
        (head(*((f"x-{number}", "y") for number in range(1001))), "it has more than 1,000 headers"),
        (head(("x-large", "y" * 70_000)), "a line of it has more than 64 KiB"),
        (head(*((f"x-{number}", "#" * 60_000) for number in range(9))), "it has more than 256 KiB"),
        (
            wire.SETTINGS + wire.frame(Type.HEADERS, wire.block([("x", "y" * 4000)] * 100), flags=4, stream=1),
            "it has more than 256 KiB",
        ),
        (
            wire.SETTINGS + wire.frame(Type.HEADERS, b"", stream=1) + wire.frame(Type.CONTINUATION, b"", stream=1) * 33,
            "it has more than 32 CONTINUATION frames",
        ),
        (wire.SETTINGS + wire.frame(Type.CONTINUATION, b"", flags=4, stream=1), "an invalid CONTINUATION frame"),
        (wire.SETTINGS + wire.frame(Type.HEADERS, b"\xff" * 5, flags=4, stream=1), "an invalid HEADERS frame"),
        (wire.SETTINGS + wire.frame(Type.PUSH_PROMISE, bytes(4), flags=4, stream=1), "an invalid PUSH_PROMISE frame"),
        (wire.SETTINGS + wire.frame(Type.GOAWAY, b"short"), "an invalid GOAWAY frame"),
        (wire.SETTINGS + wire.frame(Type.GOAWAY, bytes(8), stream=1), "an invalid GOAWAY frame"),
        (wire.SETTINGS + wire.frame(Type.PING, b"short"), "an invalid PING frame"),
        (wire.SETTINGS + wire.window(0, 2**31 - 1), "more data than its flow-control window allows"),
        (wire.settings({SettingCodes.MAX_FRAME_SIZE: 1}), "an invalid value in SETTINGS"),
        (wire.SETTINGS * (FLOOD + 1), "a flood of SETTINGS frames"),
        (wire.SETTINGS + wire.frame(Type.PING, bytes(8)) * FLOOD, "a flood of PING frames"),
        (wire.SETTINGS + wire.frame(0x77, b"x") * FLOOD, "a flood of unknown frames"),
        (wire.SETTINGS + wire.headers(1, [(":status", "103")]) * FLOOD, "a flood of HEADERS frames"),
        (wire.SETTINGS + wire.reset(3) * FLOOD, "a flood of RST_STREAM frames"),
        (wire.SETTINGS + wire.goaway(2**31 - 1) * FLOOD, "a flood of GOAWAY frames"),
        (wire.SETTINGS + wire.headers(1, [("x", "y")], end=True), "an invalid HEADERS frame"),
        (wire.SETTINGS + wire.headers(3, FIELDS), "an invalid HEADERS frame"),
        (wire.SETTINGS + wire.data(0, b"x"), "an invalid DATA frame"),
        (wire.SETTINGS + wire.data(3, b"x"), "an invalid DATA frame"),
    ],
)  # fmt: skip
def test_what_is_no_answer(sent: bytes, words: str) -> None:
    """Whatever breaks the protocol before the head is a malformed head, and its detail says what, in our words."""
    connection = asked()
    assert events_of(connection, sent)[-1] == StreamEnd(EndKind.MALFORMED_HEAD, words)
    assert connection.broken
    assert not connection.usable


def test_what_breaks_inside_a_body() -> None:
    """Data before the error, also in the same read, is kept; empty DATA frames count as a flood."""
    found = events_of(asked(), HEAD + wire.data(1, b"abc") + wire.frame(Type.PING, b"short"))
    assert found[1:] == [Payload(b"abc"), StreamEnd(EndKind.MALFORMED, "an invalid PING frame")]
    padding = wire.frame(Type.DATA, b"\x02\0\0", flags=Flag.PADDED, stream=1)
    more = wire.window(1, 2**31 - 1)
    assert end_of(HEAD, more) == StreamEnd(EndKind.MALFORMED, "an invalid WINDOW_UPDATE frame")
    for empty in (wire.data(1, b""), padding):
        assert end_of(HEAD, empty * FLOOD) == StreamEnd(EndKind.MALFORMED, "a flood of DATA frames")


def test_data_that_is_nearly_all_padding() -> None:
    """Padding without end is ended, however little payload is in each frame; payload in frames of one byte is not."""
    padded = wire.frame(Type.DATA, b"\xffx" + bytes(255), flags=Flag.PADDED, stream=1)
    assert end_of(HEAD, *[padded * 100] * 25) == StreamEnd(EndKind.MALFORMED, CROWDED)
    found = events_of(asked(), HEAD, *[wire.data(1, b"x") * 1000] * 60)
    assert found[1:] == [Payload(b"x")] * 60_000


@pytest.mark.parametrize(
    ("frame", "name"),
    [(wire.reset(1), "RST_STREAM"), (wire.data(1, b"x"), "DATA"), (wire.window(1, 1), "WINDOW_UPDATE")],
)
def test_a_flood_for_a_stream_that_has_ended(frame: bytes, name: str) -> None:
    """A flood for an ended stream ends the current response on the kept connection, and its replies are bounded."""
    connection = asked()
    events_of(connection, HEAD, wire.data(1, b"a", end=True))
    connection.request(PSEUDO, (), b"")
    connection.output()
    found = events_of(connection, wire.headers(3, FIELDS), frame * 20_000)
    assert found[1:] == [StreamEnd(EndKind.MALFORMED, f"a flood of {name} frames")]
    assert len(connection.output()) < 100_000


def test_many_small_pieces_are_no_flood() -> None:
    """Frames that carry one byte each are an answer, padded or not."""
    padded = wire.frame(Type.DATA, b"\x01x\0", flags=Flag.PADDED, stream=1)
    found = events_of(asked(), HEAD, padded * FLOOD, wire.data(1, b"y") * FLOOD, wire.data(1, b"", end=True))
    assert b"".join(one.data for one in found if isinstance(one, Payload)) == b"x" * FLOOD + b"y" * FLOOD
    assert found[-1] == StreamEnd(EndKind.COMPLETE)


def test_pings_over_time_are_no_flood() -> None:
    """A server may ask often whether we are there, as long as it takes its time; each is answered."""
    connection = asked()
    found = events_of(connection, HEAD, *[wire.frame(Type.PING, bytes(8))] * 2000, every=0.05)
    assert found == [Answer(200, [(b"content-type", b"text/event-stream")], ended=False)]
    assert len([one for one in sent(connection) if one.kind == Type.PING]) == 2000


def test_interim_heads_and_other_streams_are_passed_over() -> None:
    """1xx heads, frames of ended streams, and broken frames without a request give no events."""
    connection = asked()
    interim = wire.headers(1, [(":status", "103"), ("link", "x")])
    found = events_of(connection, wire.SETTINGS + interim + wire.headers(1, FIELDS) + wire.data(1, b"a", end=True))
    assert [type(one) for one in found] == [Answer, Payload, StreamEnd]
    assert events_of(connection, wire.data(1, b"more") + wire.reset(1)) == []
    usable = connection.usable
    assert events_of(connection, wire.frame(Type.PING, b"short")) == []
    assert (usable, connection.usable) == (True, False)


def test_a_goaway_ends_nothing_by_itself() -> None:
    """A stream that it has not refused goes on to its end; no other request follows on the connection."""
    connection = asked()
    found = events_of(
        connection, HEAD, wire.data(1, b"a"), wire.goaway(1), wire.goaway(2**31 - 1), wire.data(1, b"b", end=True)
    )
    assert found[1:] == [Payload(b"a"), Payload(b"b"), StreamEnd(EndKind.COMPLETE)]
    assert connection.goaway == "NO_ERROR"
    assert not connection.usable
    assert events_of(connection, wire.goaway(0)) == []


@pytest.mark.parametrize(
    ("reads", "ends"),
    [
        ([HEAD], True),
        ([HEAD + wire.data(1, b"a")], True),
        ([HEAD + wire.data(1, b"ab")[:-1]], True),
        ([HEAD + wire.data(1, b"a", end=True)], True),
        ([HEAD, wire.data(1, b"", end=True)], True),
        ([HEAD, wire.reset(1)], True),
        ([HEAD + wire.SETTINGS], False),
        ([HEAD, wire.data(1, b"a") + wire.data(1, b"")], False),
        ([HEAD, wire.data(1, b"a") + wire.goaway(1)], False),
        ([HEAD, wire.data(1, b"a") + wire.data(3, b"b")], False),
        ([HEAD, wire.data(1, b"a") + wire.data(1, b"")[:5]], False),
        ([HEAD, wire.data(1, b"", end=True) + wire.goaway(1)], False),
        ([HEAD, wire.data(1, b"a") + wire.frame(Type.PING, b"short")], False),
    ],
)
def test_whether_a_read_ends_with_its_output(reads: list[bytes], ends: bool) -> None:
    """Only then is the time of the read that of its last output; frames that follow it may have come much later."""
    connection = asked()
    events_of(connection, *reads)
    assert connection.ends_with_output is ends


def test_a_second_request() -> None:
    """A second request has its own stream; a GOAWAY with a lower number refuses it."""
    connection = asked()
    events_of(connection, HEAD, wire.data(1, b"a", end=True))
    connection.request(PSEUDO, (), b"")
    assert events_of(connection, wire.goaway(1, ErrorCodes.ENHANCE_YOUR_CALM)) == [
        StreamEnd(EndKind.RESET, "GOAWAY ENHANCE_YOUR_CALM")
    ]


def test_no_request_where_none_may_be_open() -> None:
    """A server that allows no stream now is asked on another connection."""
    connection = asked()
    events_of(connection, wire.settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0}) + wire.headers(1, FIELDS, end=True))
    assert not connection.usable


def test_a_large_request_waits_for_the_window() -> None:
    """The rest of a large request is sent when the window opens; after an early response it stays unsent."""
    connection = asked(b"x" * 100_000)
    assert connection.held_back == 100_000 - 65535
    assert events_of(connection, wire.SETTINGS + wire.window(0, 100_000)) == []
    assert connection.held_back == 100_000 - 65535
    assert events_of(connection, wire.window(1, 100_000)) == []
    assert connection.held_back == 0
    assert sum(len(one.payload) for one in sent(connection) if one.kind == Type.DATA) == 100_000
    early = asked(b"x" * 100_000)
    assert events_of(early, HEAD, wire.data(1, b"no", end=True))[-1] == StreamEnd(EndKind.COMPLETE)
    assert not early.usable


def test_whether_a_head_has_begun() -> None:
    """An incomplete block of headers is no response, but a begun head."""
    connection, states = asked(), []
    for read in (
        wire.SETTINGS,
        wire.frame(Type.HEADERS, b"", stream=1),
        wire.frame(Type.CONTINUATION, wire.block(FIELDS), flags=4, stream=1),
    ):
        events_of(connection, read)
        states.append((connection.inside_a_head, connection.answer_bytes > 0))
    assert states == [(False, False), (True, True), (False, True)]


@pytest.mark.parametrize(("code", "name"), [(0xD, "HTTP_1_1_REQUIRED"), (0x99, "error code 0x99")])
def test_codes_have_names(code: int, name: str) -> None:
    """The registry's, or the number."""
    assert code_name(code) == name
