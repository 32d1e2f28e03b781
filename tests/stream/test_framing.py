"""Bytes cut into messages: the rules of each framing to the letter, wherever the network cuts, and never too much."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.stream.events import Message
from monitor.stream.framing import ConcatenatedJson, Framer, Lines, Raw, Rest, ServerSentEvents

ROOMY = 1 << 20


class Read(NamedTuple):
    """All that a framer said of a stream."""

    messages: list[Message]
    rest: Rest
    foreign: bool
    too_large: bool


def read(framing: Callable[[int], Framer], pieces: Sequence[bytes], limit: int = ROOMY) -> Read:
    """Feed the pieces and the end of the stream."""
    framer = framing(limit)
    messages = [message for piece in pieces for message in framer.feed(piece)]
    rest = framer.close()
    return Read(messages, rest, framer.foreign, framer.too_large)


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut the data at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


def byte_by_byte(data: bytes) -> list[bytes]:
    """Cut the data everywhere."""
    return [data[at : at + 1] for at in range(len(data))]


def comment(end: int, name: str = "") -> Message:
    """Life on the wire."""
    return Message("", end, name, comment=True)


# -- server-sent events ------------------------------------------------------------------------------------------------

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
    "a comment inside an event": (b"data: a\n:\ndata: b\n\n", [comment(9), Message("a\nb", 17)]),
    "several data lines": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Message("YHOO\n+2\n10", 28)]),
    "one space is taken off": (b"data: a\n\n", [Message("a", 7)]),
    "no space": (b"data:a\n\n", [Message("a", 6)]),
    "only one space is taken off": (b"data:  a\n\n", [Message(" a", 8)]),
    "a tab is no space": (b"data:\ta\n\n", [Message("\ta", 7)]),
    "a colon in the value": (b"data: a: b\n\n", [Message("a: b", 10)]),
    "spaces at the end stay": (b"data: a \n\n", [Message("a ", 8)]),
    "unknown fields are passed over": (b"foo: 1\ndata: a\nbar\n\n", [Message("a", 14)]),
    "names of fields are case-sensitive": (b"Data: a\nDATA: b\n\n", []),
    "a space before a field makes another": (b" data: a\n\n", []),
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
    """How a stream of events stopped, and what is said of it."""

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
    "half an unknown field": Left(b"foo: b", Rest(), foreign=True),
    "half a byte order mark": Left(b"\xef\xbb", Rest(), foreign=True),
    "a byte order mark alone": Left(b"\xef\xbb\xbf", Rest()),
    "a page": Left(b"<html>\n<body>", Rest(), foreign=True),
    "a page in one line": Left(b"<html>", Rest(), foreign=True),
    "an unknown field and an event": Left(b"foo: b\ndata: a\n\n", Rest(), foreign=True),
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_what_is_left_of_events(left: Left) -> None:
    """An unterminated last event is offered, anything less of one is told, and comments count for nothing."""
    for pieces in ([left.data], byte_by_byte(left.data)):
        found = read(ServerSentEvents, pieces)
        assert (found.rest, found.foreign) == (left.rest, left.foreign)


def test_an_empty_read_changes_nothing() -> None:
    """Half a CRLF stays half of one, though nothing comes for a while."""
    assert read(ServerSentEvents, [b"data: a\r", b"", b"\ndata: b\r\n\r\n"]).messages == [Message("a\nb", 16)]
    assert read(ServerSentEvents, [b"", b"\xef", b"", b"\xbb\xbfdata: a\n\n"]).messages == [Message("a", 10)]


# -- lines -------------------------------------------------------------------------------------------------------------

LINES = {
    "one": (b'{"a":1}\n', [Message('{"a":1}', 7)], Rest()),
    "two": (b"a\nbc\n", [Message("a", 1), Message("bc", 4)], Rest()),
    "CRLF": (b"a\r\nb\r\n", [Message("a", 1), Message("b", 4)], Rest()),
    "blank lines": (b"\n\r\n \t\na\n", [Message("a", 7)], Rest()),
    "CR is no line end": (b"a\rb\n", [Message("a\rb", 3)], Rest()),
    "U+2028 is no line end": (b"a\xe2\x80\xa8b\n", [Message("a\u2028b", 5)], Rest()),
    "spaces stay": (b" a \n", [Message(" a ", 3)], Rest()),
    "invalid UTF-8": (b"\xff\n", [Message("\ufffd", 1)], Rest()),
    "a byte order mark": (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [Message("a", 4), Message("\ufeffb", 9)], Rest()),
    "no line end": (b"a\nbc", [Message("a", 1)], Rest(Message("bc", 4), inside=True)),
    "half a CRLF": (b"a\nbc\r", [Message("a", 1)], Rest(Message("bc", 4), inside=True)),
    "white space is left": (b"a\n \r", [Message("a", 1)], Rest()),
    "nothing": (b"", [], Rest()),
}


@pytest.mark.parametrize(("data", "messages", "rest"), LINES.values(), ids=LINES.keys())
def test_lines(data: bytes, messages: list[Message], rest: Rest) -> None:
    """Every line that is not blank is a message, and a last one without its line end is offered."""
    for pieces in ([data], byte_by_byte(data)):
        assert read(Lines, pieces) == Read(messages, rest, foreign=False, too_large=False)


# -- concatenated JSON -------------------------------------------------------------------------------------------------

JSON = {
    "one": (b'{"a":1}', [Message('{"a":1}', 7)]),
    "two without anything between": (b'{"a":1}{"b":2}', [Message('{"a":1}', 7), Message('{"b":2}', 14)]),
    "white space and commas between": (
        b'{"a":1} ,\r\n\t{"b":2}\n',
        [Message('{"a":1}', 7), Message('{"b":2}', 19)],
    ),
    "arrays": (b"[1][2]", [Message("[1]", 3), Message("[2]", 6)]),
    "brackets in brackets": (b'{"a":[{"b":{}}]}{}', [Message('{"a":[{"b":{}}]}', 16), Message("{}", 18)]),
    "brackets in strings": (b'{"a":"}]{["}{}', [Message('{"a":"}]{["}', 12), Message("{}", 14)]),
    "an escaped quote": (b'{"a":"\\"}"}{}', [Message('{"a":"\\"}"}', 11), Message("{}", 13)]),
    "an escaped backslash": (b'{"a":"\\\\"}{}', [Message('{"a":"\\\\"}', 10), Message("{}", 12)]),
    "an escape in front of a bracket": (b'{"\\u007d":"\\}"}{}', [Message('{"\\u007d":"\\}"}', 15), Message("{}", 17)]),
    "a split character": (b'{"a":"\xe4\xb8\xad"}', [Message('{"a":"\u4e2d"}', 11)]),
    "invalid UTF-8": (b'{"a":"\xff"}', [Message('{"a":"\ufffd"}', 9)]),
    "brackets that do not match are not looked at": (b"{]{}", [Message("{]", 2), Message("{}", 4)]),
    "nothing": (b"", []),
    "white space": (b" \n", []),
}


@pytest.mark.parametrize(("data", "messages"), JSON.values(), ids=JSON.keys())
def test_concatenated_json(data: bytes, messages: list[Message]) -> None:
    """Values are found by their brackets, with strings and escapes understood, however they are split."""
    for pieces in ([data], byte_by_byte(data)):
        assert read(ConcatenatedJson, pieces) == Read(messages, Rest(), foreign=False, too_large=False)


NO_VALUES = {
    "a page": (b"<html>\n", [], Rest(Message("<html>", 6))),
    "an event stream": (b'data: {"a":1}\n\n', [Message("data:", 5), Message('{"a":1}', 13)], Rest()),
    "a number": (b"12", [], Rest(Message("12", 2))),
    "a number between values": (b"[1] 2 ,[3]", [Message("[1]", 3), Message("2", 5), Message("[3]", 10)], Rest()),
    "a number behind a value": (b"{} 2\n", [Message("{}", 2)], Rest(Message("2", 4))),
    "a closing bracket": (b"}{}", [Message("}", 1), Message("{}", 3)], Rest()),
    "half a value behind it": (b'null {"a"', [Message("null", 4)], Rest(inside=True)),
    "a byte order mark": (b"\xef\xbb\xbf{}", [Message("{}", 5)], Rest()),
    "a byte order mark and words": (b"\xef\xbb\xbfno {}", [Message("no", 5), Message("{}", 8)], Rest()),
    "a byte order mark alone": (b"\xef\xbb\xbf", [], Rest()),
    "half a byte order mark": (b"\xef\xbb", [], Rest(Message("\ufffd", 2))),
    "a byte order mark later on": (
        b"{}\xef\xbb\xbf{}",
        [Message("{}", 2), Message("\ufeff", 5), Message("{}", 7)],
        Rest(),
    ),
}


@pytest.mark.parametrize(("data", "messages", "rest"), NO_VALUES.values(), ids=NO_VALUES.keys())
def test_what_is_no_json_value(data: bytes, messages: list[Message], rest: Rest) -> None:
    """What stands between values and is neither white space nor comma is a message of its own, and a whole one."""
    for pieces in ([data], byte_by_byte(data)):
        assert read(ConcatenatedJson, pieces) == Read(messages, rest, foreign=False, too_large=False)


@pytest.mark.parametrize("data", [b"{", b'{"a', b'{"a\\', b"[[]", b'{}{"a":'])
def test_a_begun_value_is_left(data: bytes) -> None:
    """A value that was begun cannot be whole: nothing is offered, and that it was left is told."""
    assert read(ConcatenatedJson, [data]).rest == Rest(None, inside=True)


# -- raw ---------------------------------------------------------------------------------------------------------------

RAW = {
    "every read is a message": ([b"ab", b"c"], [Message("ab", 2), Message("c", 3)], Rest()),
    "a character is kept whole": ([b"a\xe2", b"\x82", b"\xacb"], [Message("a", 2), Message("\u20acb", 5)], Rest()),
    "half a character is left": ([b"a\xe2\x82"], [Message("a", 3)], Rest(inside=True)),
    "invalid UTF-8": ([b"\xffa"], [Message("\ufffda", 2)], Rest()),
    "nothing": ([b""], [], Rest()),
}


@pytest.mark.parametrize(("pieces", "messages", "rest"), RAW.values(), ids=RAW.keys())
def test_raw(pieces: list[bytes], messages: list[Message], rest: Rest) -> None:
    """Every read is the text of its bytes, and offsets count bytes."""
    assert read(Raw, pieces) == Read(messages, rest, foreign=False, too_large=False)


# -- bounds ------------------------------------------------------------------------------------------------------------

TOO_LARGE = {
    "a data line": (ServerSentEvents, b"data: aaaaaaaaaaa\n\n", 16),
    "a line without end": (ServerSentEvents, b"data: aaaaaaaaaaa", 16),
    "many data lines": (ServerSentEvents, b"data: a\ndata: a\ndata: a\n\n", 16),
    "many empty data lines": (ServerSentEvents, b"data\n" * 5, 16),
    "a comment": (ServerSentEvents, b": aaaaaaaaaaaaaaa\n", 16),
    "an unknown field": (ServerSentEvents, b"aaaaaaaaaaaaaaaaa\n", 16),
    "a line behind a carriage return": (ServerSentEvents, b"\raaaaaaaaaaaaaaaaa\n", 16),
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


@pytest.mark.parametrize(("framing", "data", "limit"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_a_message_past_the_limit(framing: Callable[[int], Framer], data: bytes, limit: int) -> None:
    """A message past the limit is none: that is told, what follows is not read, and nothing is left."""
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


class Counted(NamedTuple):
    """Looks for line ends, and counts what it looked at."""

    looked_at: list[int]

    def finditer(self, buffer: bytes, start: int) -> Iterator[re.Match[bytes]]:
        """As the framer's own expression finds them."""
        self.looked_at.append(len(buffer) - start)
        return re.finditer(rb"\r\n|\r|\n", buffer[start:])


def test_a_long_line_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many reads a line takes, what is left of the reads before is searched for no line end again."""
    counted = Counted([])
    monkeypatch.setattr("monitor.stream.framing._LINE_END", counted)
    framer = ServerSentEvents(ROOMY)
    for piece in (b"data: \r", *[b"a" * 10] * 50, b"\r"):
        framer.feed(piece)
    assert counted.looked_at == [7, 10, 1], "a line end is looked for where there may be one"


# -- however the network cuts ------------------------------------------------------------------------------------------

PIECES = (
    *(b"data", b"event", b"error", b"id", b"retry", b":", b": ", b" ", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n"),
    *(b"\xef\xbb\xbf", b"\xe2\x82\xac", b"\xe2", b"\xff", b"\0", b"\xe2\x80\xa8"),
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"x", b'{"a":"}"}', b"data: x\n\n", b"[DONE]"),
)
STREAMS = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join) | st.binary(max_size=60)
CUTS = st.lists(st.integers(0, 400), max_size=12)
LIMITS = st.sampled_from((4, 9, 16, ROOMY))


@pytest.mark.parametrize("framing", [ServerSentEvents, Lines, ConcatenatedJson])
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


@given(data=STREAMS, cuts=CUTS)
@settings(max_examples=150, deadline=None)
def test_raw_text_is_the_same_however_split(data: bytes, cuts: Sequence[int]) -> None:
    """Raw reads differ with the network, but not the text they make."""
    text = data.decode("utf-8", "replace")
    for pieces in ([data], split(data, cuts), byte_by_byte(data)):
        found = read(Raw, pieces)
        assert text.startswith("".join(message.data for message in found.messages))
        assert found.rest.inside == (len(text) > sum(len(message.data) for message in found.messages))


@given(texts=st.lists(st.text(), max_size=6), cuts=CUTS, eol=st.sampled_from(("\n", "\r\n", "\r")))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(texts: list[str], cuts: Sequence[int], eol: str) -> None:
    """Any text written as the data of an event is read again, line by line."""
    lines = [text.encode("utf-8", "replace").decode().replace("\r", "\n").split("\n") for text in texts]
    written = "".join(eol.join([*(f"data: {line}" for line in text), "", ""]) for text in lines)
    found = read(ServerSentEvents, split(written.encode(), cuts))
    assert [message.data for message in found.messages] == ["\n".join(text) for text in lines]
    assert found.rest == Rest()
