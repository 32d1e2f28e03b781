"""Concatenated JSON: values are found by their brackets, and no byte is looked at twice."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from monitor.stream import json_objects
from monitor.stream.events import Message
from monitor.stream.framing import Rest
from monitor.stream.json_objects import ConcatenatedJson, JsonArray
from tests.stream.reading import ROOMY, Read, byte_by_byte, read

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
    """Text between values that is neither white space nor comma is a message of its own."""
    for pieces in ([data], byte_by_byte(data)):
        assert read(ConcatenatedJson, pieces) == Read(messages, rest, foreign=False, too_large=False)


@pytest.mark.parametrize("data", [b"{", b'{"a', b'{"a\\', b"[[]", b'{}{"a":'])
def test_a_begun_value_is_left(data: bytes) -> None:
    """An incomplete value is not returned as a message, and is reported as left."""
    assert read(ConcatenatedJson, [data]).rest == Rest(None, inside=True)


class Counted(NamedTuple):
    """Looks for marks, and counts the bytes that it looked at."""

    marks: re.Pattern[bytes]
    looked_at: list[int]

    def search(self, buffer: bytearray, start: int) -> re.Match[bytes] | None:
        """Search like the framer's own expression."""
        found = self.marks.search(buffer, start)
        self.looked_at.append((found.end() if found else len(buffer)) - start)
        return found


def test_a_long_value_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many reads a value takes, the bytes that are looked at for brackets and quotes are those that came."""
    looked_at: list[int] = []
    for name in ("INSIDE", "OUTSIDE", "OPENING"):
        marks = getattr(json_objects, name)
        monkeypatch.setattr(json_objects, name, Counted(marks, looked_at))
    framer = ConcatenatedJson(ROOMY)
    pieces = [b'{"a": "', *[b"x" * 100] * 500, b'", "b": [[1]]}']
    found = [message for piece in pieces for message in framer.feed(piece)]
    assert [message.end for message in found] == [sum(map(len, pieces))]
    assert sum(looked_at) <= sum(map(len, pieces)) + 1
    assert not framer.close().inside


ARRAYS = {
    "elements": (b'[{"a":1},\r\n{"b":2}]', [Message('{"a":1}', 8), Message('{"b":2}', 18)], Rest()),
    "white space around": (b" \n[ [1] , [2] ]\n", [Message("[1]", 7), Message("[2]", 13)], Rest()),
    "a byte order mark": (b"\xef\xbb\xbf[{}]", [Message("{}", 6)], Rest()),
    "nothing in it": (b"[]", [], Rest()),
    "not closed": (b"[{}", [Message("{}", 3)], Rest(inside=True)),
    "not closed after a comma": (b"[{},", [Message("{}", 3)], Rest(inside=True)),
    "inside an element": (b'[{"a', [], Rest(inside=True)),
    "only opened": (b"[", [], Rest(inside=True)),
    "objects without an array": (b"{} {}", [Message("{}", 2), Message("{}", 5)], Rest()),
    "a value after it": (b"[{}]{}", [Message("{}", 3), Message("{}", 6)], Rest()),
    "words after it": (b"[{}] no", [Message("{}", 3)], Rest(Message("no", 7))),
    "brackets in strings": (b'[{"a":"]}"}]', [Message('{"a":"]}"}', 11)], Rest()),
    "a letter before it": (b'X["a"]', [Message("X", 1), Message('["a"]', 6)], Rest()),
    "nothing": (b"", [], Rest()),
}


@pytest.mark.parametrize(("data", "messages", "rest"), ARRAYS.values(), ids=ARRAYS.keys())
def test_the_elements_of_an_array(data: bytes, messages: list[Message], rest: Rest) -> None:
    """Each element is a message when it ends, however the array is split, and the array has to be closed."""
    for pieces in ([data], byte_by_byte(data)):
        assert read(JsonArray, pieces) == Read(messages, rest, foreign=False, too_large=False)


def test_an_array_after_what_was_read_before_it() -> None:
    """The elements of an array that does not begin the payload have their places in the payload."""
    framer = JsonArray(ROOMY, 10)
    assert framer.feed(b" [{},{}]") == [Message("{}", 14), Message("{}", 17)]


def test_a_closed_framer_holds_nothing() -> None:
    """A closed framer holds nothing, and reports an incomplete value once."""
    framer = ConcatenatedJson(ROOMY)
    framer.feed(b"{}abX")
    assert framer.close() == Rest(Message("abX", 5))
    assert framer.close() == Rest()


@pytest.mark.parametrize("word", ["X", "b,X", "aXX"])
def test_a_word_between_values_is_whole(word: str) -> None:
    """White space and commas around it are not of it; all its letters are."""
    result = read(ConcatenatedJson, [f"{{}} {word} ,{{}}".encode()])
    assert [message.data for message in result.messages] == ["{}", word, "{}"]
