"""Server-sent events: the rules of the standard, the unterminated rest, and no byte scanned or copied twice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.stream.events import Message
from monitor.stream.framing import Rest
from monitor.stream.sse import ServerSentEvents
from tests.stream.reading import CUTS, ROOMY, byte_by_byte, read, split


def outside(text: str, end: int) -> Message:
    """Return a line that the framing does not have."""
    return Message(text, end, outside=True)


def comment(end: int, name: str = "") -> Message:
    """Life on the wire."""
    return Message("", end, name, comment=True)


EVENTS = {
    "LF": (b"data: a\n\n", [Message("a", 7)]),
    "CRLF": (b"data: a\r\n\r\n", [Message("a", 7)]),
    "CR": (b"data: a\r\rdata: b\r\r", [Message("a", 7), Message("b", 16)]),
    "line ends of all kinds": (
        b"data: a\r\n\ndata: b\n\rdata: c\r\r\n",
        [Message("a", 7), Message("b", 17), Message("c", 26)],
    ),
    "CRLF is one line end": (b"data: a\r\ndata: b\r\n\r\n", [Message("a\nb", 16)]),
    "LF and CR are two": (b"data: a\n\rdata: b\n\r", [Message("a", 7), Message("b", 16)]),
    "a byte order mark at the start": (b"\xef\xbb\xbfdata: a\n\n", [Message("a", 10)]),
    "a byte order mark in a value": (b"data: \xef\xbb\xbfa\n\n", [Message("\ufeffa", 10)]),
    "a comment": (b": ping\n\n", [comment(6)]),
    "a bare colon": (b":\n\n", [comment(1)]),
    "a comment at the end of an event": (b"data: a\n:\n\n", [comment(9), Message("a", 9)]),
    "a comment inside an event": (b"data: a\n:\ndata: b\n\n", [comment(9), Message("a\nb", 17)]),
    "several data lines": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Message("YHOO\n+2\n10", 28)]),
    "one space is taken off": (b"data: a\n\n", [Message("a", 7)]),
    "no space": (b"data:a\n\n", [Message("a", 6)]),
    "only one space is taken off": (b"data:  a\n\n", [Message(" a", 8)]),
    "a tab is no space": (b"data:\ta\n\n", [Message("\ta", 7)]),
    "a colon in the value": (b"data: a: b\n\n", [Message("a: b", 10)]),
    "spaces at the end stay": (b"data: a \n\n", [Message("a ", 8)]),
    "unknown fields stand outside": (
        b"foo: 1\ndata: a\nbar\n\n",
        [outside("foo: 1", 6), outside("bar", 18), Message("a", 18)],
    ),
    "names of fields are case-sensitive": (
        b"Data: a\nDATA: b\n\n",
        [outside("Data: a", 7), outside("DATA: b", 15)],
    ),
    "a space before a field makes another": (b" data: a\n\n", [outside(" data: a", 8)]),
    "data without a colon": (b"data\n\n", [Message("", 4)]),
    "two data lines without a colon": (b"data\ndata\n\n", [Message("\n", 9)]),
    "empty data": (b"data:\n\n", [Message("", 5)]),
    "data of one space": (b"data: \n\n", [Message("", 6)]),
    "id and retry are no message": (b"id: 1\nretry: 10\n\n", []),
    "an event with an id": (b"id: 1\ndata: a\nid\n\n", [Message("a", 16)]),
    "a name": (b"event: delta\ndata: a\n\n", [Message("a", 20, "delta")]),
    "a name behind the data": (b"data: a\nevent: delta\n\n", [Message("a", 20, "delta")]),
    "the last name counts": (b"event: a\nevent: b\ndata: c\n\n", [Message("c", 25, "b")]),
    "a name holds for one event": (b"event: a\ndata: b\n\ndata: c\n\n", [Message("b", 16, "a"), Message("c", 25)]),
    "a name without data is life": (b"event: ping\n\n", [comment(11, "ping")]),
    "and holds no longer": (b"event: ping\n\ndata: a\n\n", [comment(11, "ping"), Message("a", 20)]),
    "an empty name is none": (b"event:\n\n", []),
    "the field error of old llama.cpp": (b'error: {"code": 1}\n\n', [Message('{"code": 1}', 18, "error")]),
    "a carriage return and a line feed apart": (b"data: a\rdata: b\n\n", [Message("a\nb", 15)]),
    "a name that is invalid UTF-8": (b"event: \xff\ndata: a\n\n", [Message("a", 16, "\ufffd")]),
    "NUL": (b"data: a\0b\n\n", [Message("a\0b", 9)]),
    "no line end: U+2028, U+2029, U+0085, VT, FF": (
        b"data: \xe2\x80\xa8\xe2\x80\xa9\xc2\x85\x0b\x0c.\n\n",
        [Message("\u2028\u2029\u0085\x0b\x0c.", 17)],
    ),
    "invalid UTF-8": (b"data: \xff\xe2\x82\n\n", [Message("\ufffd\ufffd", 9)]),
    "a character of four bytes": (b"data: \xf0\x9f\x98\x80\n\n", [Message("\U0001f600", 10)]),
    "blank lines alone": (b"\n\r\n\r\n\n", []),
    "nothing": (b"", []),
    "the standard's example of ids": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [comment(13), Message("first event", 38), Message("second event", 60), Message(" third event", 80)],
    ),
    "the standard's example of empty data": (b"data\n\ndata\ndata\n\ndata:", [Message("", 4), Message("\n", 15)]),
    "the standard's example of equal events": (
        b"data:test\n\ndata: test\n\n",
        [Message("test", 9), Message("test", 21)],
    ),
}


@pytest.mark.parametrize(("data", "messages"), EVENTS.values(), ids=EVENTS.keys())
def test_server_sent_events(data: bytes, messages: list[Message]) -> None:
    """Events are read as the WHATWG standard says, in one piece and byte by byte."""
    assert read(ServerSentEvents, [data]).messages == messages
    assert read(ServerSentEvents, byte_by_byte(data)).messages == messages


class Left(NamedTuple):
    """How a stream of events stopped, and the expected result."""

    data: bytes
    rest: Rest
    foreign: bool = False


LEFT = {
    "nothing": Left(b"data: a\n\n", Rest()),
    "no blank line": Left(b"data: a\n", Rest(Message("a", 7), inside=True)),
    "no line end": Left(b"data: a", Rest(Message("a", 7), inside=True)),
    "half a CRLF": Left(b"data: a\r", Rest(Message("a", 7), inside=True)),
    "two lines, one whole": Left(b"data: a\nda", Rest(Message("a", 7), inside=True)),
    "two lines": Left(b"data: a\ndata: b", Rest(Message("a\nb", 15), inside=True)),
    "with its name": Left(b"event: x\ndata: a", Rest(Message("a", 16, "x"), inside=True)),
    "a name alone": Left(b"event: x\n", Rest(inside=True)),
    "half a name": Left(b"event: x", Rest(inside=True)),
    "the beginning of a field": Left(b"dat", Rest(inside=True)),
    "a field without its colon": Left(b"data", Rest(Message("", 4), inside=True)),
    "a colon without a value": Left(b"data:", Rest(Message("", 5), inside=True)),
    "the field error": Left(b"error: x", Rest(Message("x", 8, "error"), inside=True)),
    "half a character": Left(b"data: \xe2\x82", Rest(Message("\ufffd", 8), inside=True)),
    "half a comment": Left(b": pi", Rest()),
    "half an id": Left(b"id: 5", Rest(inside=True)),
    "an id whose data never came": Left(b"data: a\n\nid: 5\n", Rest(inside=True)),
    "an id without data, ended": Left(b"id: 5\n\n", Rest()),
    "a retry time whose blank line never came": Left(b"retry: 5\r", Rest(inside=True)),
    "the name of a field and no more": Left(b"event", Rest(inside=True)),
    "half an unknown field": Left(b"foo: b", Rest(outside=outside("foo: b", 6)), foreign=True),
    "half a byte order mark": Left(b"\xef\xbb", Rest(outside=outside("\ufffd", 2)), foreign=True),
    "a byte order mark alone": Left(b"\xef\xbb\xbf", Rest()),
    "an event and half an unknown field": Left(
        b"data: a\nfoo: b", Rest(Message("a", 7), inside=True, outside=outside("foo: b", 14)), foreign=True
    ),
    **{
        f"the first letters of a field: {begun}": Left(begun.encode(), Rest(inside=True))
        for begun in ("d", "da", "ev", "er", "i", "r")
    },
    **{
        f"more than the name of a field: {line}": Left(
            line.encode(), Rest(outside=outside(line, len(line))), foreign=True
        )
        for line in ("dataX", "eventX", "errorX", "idX", "retryX")
    },
    "a page": Left(b"<html>\n<body>", Rest(outside=outside("<body>", 13)), foreign=True),
    "a page in one line": Left(b"<html>", Rest(outside=outside("<html>", 6)), foreign=True),
    "an unknown field and an event": Left(b"foo: b\ndata: a\n\n", Rest(), foreign=True),
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_what_is_left_of_events(left: Left) -> None:
    """An unterminated last event is returned, a shorter rest is reported, and comments are ignored."""
    for pieces in ([left.data], byte_by_byte(left.data)):
        found = read(ServerSentEvents, pieces)
        assert (found.rest, found.foreign) == (left.rest, left.foreign)


def test_an_empty_read_changes_nothing() -> None:
    """Half a CRLF stays half of one, though nothing comes for a while."""
    assert read(ServerSentEvents, [b"data: a\r", b"", b"\ndata: b\r\n\r\n"]).messages == [Message("a\nb", 16)]
    assert read(ServerSentEvents, [b"", b"\xef", b"", b"\xbb\xbfdata: a\n\n"]).messages == [Message("a", 10)]


class Counted(NamedTuple):
    """Looks for line ends, and counts what it looked at."""

    looked_at: list[int]

    def finditer(self, buffer: bytes, start: int) -> Iterator[re.Match[bytes]]:
        """Find like the framer's own expression."""
        self.looked_at.append(len(buffer) - start)
        return re.finditer(rb"\r\n|\r|\n", buffer[start:])


def test_a_long_line_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many reads a line takes, what is left of the reads before is searched for no line end again."""
    counted = Counted([])
    monkeypatch.setattr("monitor.stream.sse.LINE_END", counted)
    framer = ServerSentEvents(ROOMY)
    for piece in (b"data: \r", *[b"a" * 10] * 50, b"\r"):
        framer.feed(piece)
    assert counted.looked_at == [7, 10, 1], "a line end is looked for where there may be one"


def test_the_pieces_of_a_long_line_are_held_as_they_came() -> None:
    """Reads without a line end are kept as they are and joined once, so that a long event takes linear time."""
    framer = ServerSentEvents(ROOMY)
    pieces = [b"data: ", *(bytes([97 + at % 26]) * 100 for at in range(50))]
    for piece in pieces:
        framer.feed(piece)
    held = [part for value in vars(framer).values() if isinstance(value, list) for part in value]
    assert len(held) == len(pieces)
    assert all(part is piece for part, piece in zip(held, pieces, strict=True))
    assert framer.feed(b"\n\n") == [Message(b"".join(pieces)[6:].decode(), 5006)]


@given(texts=st.lists(st.text(), max_size=6), cuts=CUTS, eol=st.sampled_from(("\n", "\r\n", "\r")))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(texts: list[str], cuts: Sequence[int], eol: str) -> None:
    """Any text written as the data of an event is read again, line by line."""
    lines = [text.encode("utf-8", "replace").decode().replace("\r", "\n").split("\n") for text in texts]
    written = "".join(eol.join([*(f"data: {line}" for line in text), "", ""]) for text in lines)
    found = read(ServerSentEvents, split(written.encode(), cuts))
    assert [message.data for message in found.messages] == ["\n".join(text) for text in lines]
    assert found.rest == Rest()


def test_a_byte_order_mark_after_an_event_is_none() -> None:
    """A byte order mark is removed only at the start of the stream, for any reads."""
    found = read(ServerSentEvents, [b"data: a\n\n", b"\xef\xbb\xbfdata: b\n\n"])
    assert [(message.data, message.outside) for message in found.messages] == [("a", False), ("\ufeffdata: b", True)]


def test_a_read_of_one_event_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most reads are one line of data and its end: no line of them is looked at by itself."""
    monkeypatch.delattr(ServerSentEvents, "_plain_lines")
    assert read(ServerSentEvents, [b"data: a\n\n", b"data: b\n\n"]).messages == [Message("a", 7), Message("b", 16)]


@pytest.mark.parametrize("pieces", [(b"data: aaaa\n",), (b"data: ", b"aaaa\n"), (b"data: aaaa", b"\n")])
def test_a_line_of_the_limit(pieces: tuple[bytes, ...]) -> None:
    """A first line of as many bytes as are allowed stays within the limit, and one of a byte more does not."""
    assert not read(ServerSentEvents, pieces, 11).too_large
    assert read(ServerSentEvents, pieces, 9).too_large


def test_events_that_were_decoded_without_the_framing() -> None:
    """Omitted events keep their place in the payload, also after a carriage return that may be half a line end."""
    for before in (b"data: a\n\n", b"data: a\r\r"):
        framer = ServerSentEvents(ROOMY)
        framer.feed(before)
        assert framer.skip(20) == 29
        assert framer.feed(b"\ndata: b\n\n") == [Message("b", 37)]
