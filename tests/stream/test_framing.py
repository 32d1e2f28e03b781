"""Properties of every framing: the limit of a message, bounded memory, the same messages with any segmentation."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.stream.binary_frames import BinaryFrames
from monitor.stream.framing import Framer, Rest
from monitor.stream.json_objects import ConcatenatedJson, JsonArray
from monitor.stream.lines import Lines
from monitor.stream.raw import Raw
from monitor.stream.sse import ServerSentEvents
from tests.stream.reading import CUTS, ROOMY, STREAMS, byte_by_byte, read, split

TOO_LARGE = {
    "a data line": (ServerSentEvents, b"data: aaaaaaaaaaa\n\n", 16),
    "a line without end": (ServerSentEvents, b"data: aaaaaaaaaaa", 16),
    "many data lines": (ServerSentEvents, b"data: a\ndata: a\ndata: a\n\n", 16),
    "many empty data lines": (ServerSentEvents, b"data\n" * 5, 16),
    "a comment": (ServerSentEvents, b": aaaaaaaaaaaaaaa\n", 16),
    "an unknown field": (ServerSentEvents, b"aaaaaaaaaaaaaaaaa\n", 16),
    "a line behind a carriage return": (ServerSentEvents, b"\raaaaaaaaaaaaaaaaa\n", 16),
    "a line without end behind a carriage return": (ServerSentEvents, b"\raaaaaaaaaaaaaaaaa", 16),
    "a name": (ServerSentEvents, b"event: aaaaaaaaaaa\n", 16),
    "a name and then data": (ServerSentEvents, b"event: aaaa\ndata: a\n\n", 16),
    "the field error": (ServerSentEvents, b"error: a\nerror: a\nerror: a\n\n", 16),
    "a line": (Lines, b"aaaaaaaaaaaaaaaaa\n", 16),
    "a line that never ends": (Lines, b"aaaaaaaaaaaaaaaaa", 16),
    "a value": (ConcatenatedJson, b'{"a":"aaaaaaaaa"}', 16),
    "a value without end": (ConcatenatedJson, b'{"a":"aaaaaaaaaaa', 16),
    "brackets": (ConcatenatedJson, b"[" * 17, 16),
    "what is no value": (ConcatenatedJson, b"aaaaaaaaaaaaaaaaa{}", 16),
}


@pytest.mark.parametrize("framing", [ServerSentEvents, Lines, ConcatenatedJson, JsonArray, BinaryFrames, Raw])
def test_nothing_is_wrong_before_anything_came(framing: Callable[[int], Framer]) -> None:
    """A framer begins as one that has read nothing: no limit is passed, nothing is foreign, nothing is broken."""
    framer = framing(ROOMY)
    assert (framer.too_large, framer.foreign, framer.broken, framer.broken_at) == (False, False, "", 0)
    assert framer.close() == Rest()


@pytest.mark.parametrize(("framing", "data", "limit"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_a_message_past_the_limit(framing: Callable[[int], Framer], data: bytes, limit: int) -> None:
    """A message above the limit is reported and dropped, nothing after it is read, and nothing is left."""
    for pieces in ([data], byte_by_byte(data)):
        found = read(framing, [*pieces, b'\n\ndata: a\n\n{"a":1}\na\n'], limit)
        assert (found.messages, found.rest, found.too_large) == ([], Rest(), True)


WITHIN = {
    "a data line": (ServerSentEvents, b"data: aaaaaaaaaa\n\n", 17),
    "many events": (ServerSentEvents, b"data: a\n\n" * 50, 17),
    "many ids without data": (ServerSentEvents, b"id: aaaa\n\n" * 50 + b"data: a\n\n", 17),
    "many comments": (ServerSentEvents, b": a\n" * 50, 4),
    "a line": (Lines, b"aaaaaaaaaaaaaaaa\n" * 9, 16),
    "a value": (ConcatenatedJson, b'{"a":"aaaaaaaa"}' * 9, 16),
    "raw has no messages to be too large": (Raw, b"a" * 100, 4),
}


@pytest.mark.parametrize(("framing", "data", "limit"), WITHIN.values(), ids=WITHIN.keys())
def test_messages_within_the_limit(framing: Callable[[int], Framer], data: bytes, limit: int) -> None:
    """The limit is one message's, however many of them there are."""
    for pieces in ([data], byte_by_byte(data)):
        found = read(framing, pieces, limit)
        assert found.messages
        assert not found.too_large


ENDLESS = {
    "a line of data": (ServerSentEvents, b"data: ", b"a"),
    "lines of data": (ServerSentEvents, b"", b"data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"),
    "a name": (ServerSentEvents, b"event: ", b"a"),
    "a line": (Lines, b"", b"a"),
    "a string": (ConcatenatedJson, b'{"', b"a"),
    "brackets": (ConcatenatedJson, b"", b"["),
    "garbage": (ConcatenatedJson, b"", b"a"),
    "raw": (Raw, b"", b"a"),
}


@pytest.mark.parametrize(("framing", "start", "more"), ENDLESS.values(), ids=ENDLESS.keys())
def test_memory_is_bounded(framing: Callable[[int], Framer], start: bytes, more: bytes) -> None:
    """A message without end costs a few times the limit, however long it goes on."""
    framer = framing(1 << 16)
    piece = more * ((1 << 15) // len(more))
    framer.feed(start)
    tracemalloc.start()
    try:
        for _ in range(128):
            framer.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 8 << 16
    finally:
        tracemalloc.stop()


LIMITS = st.sampled_from((4, 9, 16, ROOMY))


@pytest.mark.parametrize("framing", [ServerSentEvents, Lines, ConcatenatedJson, JsonArray, BinaryFrames])
@given(data=STREAMS, cuts=CUTS, limit=LIMITS)
@example(data=b"\xef\xbb\xbfdata: x\r\n\r\n", cuts=[1, 2, 11, 12, 13], limit=ROOMY)
@settings(max_examples=150, deadline=None)
def test_any_split_reads_the_same(
    framing: Callable[[int], Framer], data: bytes, cuts: Sequence[int], limit: int
) -> None:
    """However a stream is cut, the same messages are read at the same offsets, the same is left, and nothing raises."""
    whole = read(framing, [data], limit)
    assert read(framing, split(data, cuts), limit) == whole
    assert read(framing, byte_by_byte(data), limit) == whole
    assert all(0 < message.end <= len(data) for message in whole.messages)
    assert [message.end for message in whole.messages] == sorted(message.end for message in whole.messages)


@pytest.mark.parametrize("framing", [ServerSentEvents, Lines, ConcatenatedJson, Raw])
def test_these_framings_cannot_be_broken(framing: Callable[[int], Framer]) -> None:
    """Framings without checksum and length cannot break."""
    framer = framing(16)
    assert framer.broken == ""
    framer.feed(b"\x00\xff{]data: \n\n")
    framer.close()
    assert framer.broken == ""


HELD = {
    "a line in two reads": (ServerSentEvents, [b"data: a", b"bc"], 9, 2),
    "lines of an event": (ServerSentEvents, [b"data: a\ndata: bc\nda"], 19, 3),
    "a line": (Lines, [b"a\nbc", b"d"], 3, 2),
    "a value": (ConcatenatedJson, [b'{"a":1} {"b"'], 4, 0),
    "an element": (JsonArray, [b'[{"a":1},{"b"'], 4, 0),
    "a frame": (BinaryFrames, [b"\0\0\0\x20\0"], 5, 0),
    "a read": (Raw, [b"abc", b"\xe2"], 0, 0),
}


@pytest.mark.parametrize(("framing", "data", "size", "pieces"), HELD.values(), ids=HELD.keys())
def test_what_is_held_of_a_message(
    framing: Callable[[int], Framer], data: Sequence[bytes], size: int, pieces: int
) -> None:
    """The size is that of the bytes of the unfinished message, and of their pieces as objects."""
    framer = framing(ROOMY)
    assert framer.held == 0
    for piece in data:
        framer.feed(piece)
    assert framer.held == size + pieces * 64
