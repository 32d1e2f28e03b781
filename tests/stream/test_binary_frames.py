"""Binary frames: their messages with any segmentation, and wrong checksums and lengths."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given, settings

from monitor.lab.dialects.bedrock_converse import frame
from monitor.stream.binary_frames import BinaryFrames
from monitor.stream.events import Message
from monitor.stream.framing import Rest
from tests.stream.reading import CUTS, ROOMY, byte_by_byte, read, split

EVENT = frame({":event-type": "a", ":message-type": "event"}, b'{"x":1}')
PLAIN = frame({":event-type": "b"}, b"")
EXCEPTION = frame({":exception-type": "throttlingException", ":message-type": "exception"}, b'{"message":"slow"}')
ERROR = frame({":error-code": "500", ":error-message": "no", ":message-type": "error"}, b"")
STREAM = EVENT + PLAIN + EXCEPTION + ERROR
MESSAGES = [
    Message('{"x":1}', len(EVENT), "a"),
    Message("{}", len(EVENT + PLAIN), "b"),
    Message('{"message":"slow"}', len(EVENT + PLAIN + EXCEPTION), "exception:throttlingException"),
    Message("no", len(STREAM), "error:500"),
]


@given(cuts=CUTS)
@settings(max_examples=50, deadline=None)
def test_frames_are_read_however_they_are_cut(cuts: list[int]) -> None:
    """Each frame is a message with the name of its event, its exception or its error."""
    for pieces in ([STREAM], byte_by_byte(STREAM), split(STREAM, cuts)):
        found = read(BinaryFrames, pieces)
        assert (found.messages, found.rest, found.too_large) == (MESSAGES, Rest(), False)


@pytest.mark.parametrize("cut", range(1, len(EVENT)))
def test_half_a_frame_is_left(cut: int) -> None:
    """A frame that was begun cannot be whole."""
    found = read(BinaryFrames, [EVENT, EVENT[:cut]])
    assert (found.messages, found.rest) == (MESSAGES[:1], Rest(inside=True))


def header(kind: int, value: bytes) -> bytes:
    """Return a header of the name `n`."""
    return b"\x01n" + bytes((kind,)) + value


def framed(headers: bytes, payload: bytes = b"{}", *, size: int = 0, of_headers: int = -1) -> bytes:
    """Return a frame with right checksums, whatever it says of its lengths."""
    lengths = struct.pack(
        ">II", size or 16 + len(headers) + len(payload), len(headers) if of_headers < 0 else of_headers
    )
    rest = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return rest + struct.pack(">I", crc32(rest))


TYPES = {
    "true": header(0, b""),
    "false": header(1, b""),
    "a byte": header(2, b"\x07"),
    "a short": header(3, b"\0\x07"),
    "an integer": header(4, bytes(4)),
    "a long": header(5, bytes(8)),
    "bytes": header(6, b"\0\x02ab"),
    "a text": header(7, b"\0\x02ab"),
    "a timestamp": header(8, bytes(8)),
    "an identifier": header(9, bytes(16)),
}


@pytest.mark.parametrize("one", TYPES.values(), ids=TYPES.keys())
def test_every_type_of_header_is_passed(one: bytes) -> None:
    """Headers of other types than text are passed over, and what follows them is read."""
    name = b"\x0b:event-type\x07\0\x01a"
    assert read(BinaryFrames, [framed(one + name)]).messages[0].name == "a"


def flipped(data: bytes, at: int) -> bytes:
    """Return the data with one bit changed."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


BROKEN = {
    "a length": (flipped(EVENT, 3), "the checksum of a frame's length does not agree", 12),
    "the checksum of the lengths": (flipped(EVENT, 9), "the checksum of a frame's length does not agree", 12),
    "a header": (flipped(EVENT, 14), "the checksum of a frame does not agree", len(EVENT)),
    "the payload": (flipped(EVENT, len(EVENT) - 6), "the checksum of a frame does not agree", len(EVENT)),
    "the checksum": (flipped(EVENT, len(EVENT) - 1), "the checksum of a frame does not agree", len(EVENT)),
    "a length that is too short": (framed(b"", size=15), "the length of a frame is invalid", 12),
    "more than the format allows": (framed(b"", size=1 << 28), "the length of a frame is invalid", 12),
    "headers that are longer than the frame": (framed(b"", of_headers=9), "the length of a frame is invalid", 12),
    "an unknown type of header": (framed(header(10, b"")), "the headers of a frame are invalid", 21),
    "a header that is too long": (framed(header(7, b"\0\x09ab")), "the headers of a frame are invalid", 25),
    "half a header": (framed(b"\x01"), "the headers of a frame are invalid", 19),
    "a header's name that is no text": (framed(b"\x01\xff\x00"), "the headers of a frame are invalid", 21),
    "a length of all bits": (b"\xff" * 12, "the checksum of a frame's length does not agree", 12),
    "a length that begins as text does": (b"{\0\0\0" * 3, "the checksum of a frame's length does not agree", 12),
}


@pytest.mark.parametrize(("data", "why", "at"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_with_a_frame(data: bytes, why: str, at: int) -> None:
    """After a wrong checksum or length nothing is read, and that it is wrong is known at the same place always."""
    for pieces in ([EVENT + data + EVENT], byte_by_byte(EVENT + data + EVENT)):
        framer = BinaryFrames(ROOMY)
        messages = [message for piece in pieces for message in framer.feed(piece)]
        assert messages == MESSAGES[:1]
        assert (framer.broken, framer.broken_at) == (why, len(EVENT) + at)
        assert framer.close() == Rest()


def test_a_length_that_lies() -> None:
    """A frame that says that it is longer than it is swallows the next, and its checksum shows it."""
    framer = BinaryFrames(ROOMY)
    assert framer.feed(framed(b"", size=40) + EVENT) == []
    assert framer.broken == "the checksum of a frame does not agree"


def test_a_frame_past_the_limit() -> None:
    """A frame longer than an event may be is not waited for."""
    for pieces in ([EVENT], byte_by_byte(EVENT)):
        found = read(BinaryFrames, [*pieces, EVENT], len(EVENT) - 1)
        assert (found.messages, found.rest, found.too_large) == ([], Rest(), True)


@pytest.mark.parametrize("before", [b"", EVENT])
def test_text_in_place_of_a_frame_is_outside(before: bytes) -> None:
    """A gateway's own error is a message outside the framing, and ends the frames before it."""
    text = b'{"message": "Too many requests \xff"}\n'
    for pieces in ([before + text], byte_by_byte(before + text)):
        framer = BinaryFrames(len(EVENT))
        for piece in pieces:
            framer.feed(piece)
        assert framer.broken == ("text stands in place of a frame" if before else "")
        assert framer.foreign
        end = len(before) + len(text)
        assert framer.close() == Rest(outside=Message(text.decode(errors="replace"), end, outside=True))


def test_no_more_text_is_kept_than_the_limit() -> None:
    """A page in place of frames is kept up to the limit of an event."""
    framer = BinaryFrames(10)
    for piece in (b"<html>", b"<body>", b"and more"):
        framer.feed(piece)
    assert framer.close().outside == Message("<html><bod", 10, outside=True)


def prelude(size: int) -> bytes:
    """Return the beginning of a frame of that length, without headers."""
    lengths = struct.pack(">II", size, 0)
    return lengths + struct.pack(">I", crc32(lengths))


def test_the_longest_frame_that_the_format_allows() -> None:
    """It has 24 MiB of payload and 128 KiB of headers; the length of a longer one is invalid as soon as it is known."""
    longest = 24 * 1024 * 1024 + 128 * 1024 + 16
    framer = BinaryFrames(1 << 30)
    framer.feed(prelude(longest))
    assert (framer.broken, framer.held) == ("", 12)
    framer = BinaryFrames(1 << 30)
    framer.feed(prelude(longest + 1))
    assert framer.broken == "the length of a frame is invalid"


LACKING = {
    "no type of event": (frame({}, b"{}"), "{}", ""),
    "a long type of event": (frame({":event-type": "a" * 300}, b"{}"), "{}", "a" * 300),
    "no message of an error": (frame({":message-type": "error", ":error-code": "500"}, b""), "{}", "error:500"),
    "no code of an error": (frame({":message-type": "error", ":error-message": "no"}, b""), "no", "error:"),
    "no type of exception": (frame({":message-type": "exception"}, b"{}"), "{}", "exception:"),
    "a payload that is not UTF-8": (frame({":event-type": "a"}, b"\xff"), "\ufffd", "a"),
}


@pytest.mark.parametrize(("data", "text", "name"), LACKING.values(), ids=LACKING.keys())
def test_frames_that_lack_something(data: bytes, text: str, name: str) -> None:
    """A frame is a message, whichever of its headers are missing or long, and if its payload is not UTF-8."""
    assert read(BinaryFrames, [data]).messages == [Message(text, len(data), name)]


def test_where_text_breaks_off_frames() -> None:
    """That text is in place of a frame is known from its first four bytes, and what was left is returned once."""
    framer = BinaryFrames(ROOMY)
    framer.feed(EVENT + b"<htm")
    assert framer.broken_at == len(EVENT) + 4
    assert framer.close().outside == Message("<htm", len(EVENT) + 4, outside=True)
    assert framer.held == 0
