"""Lines: every line that is not blank is a message, and a long one is joined once."""

from __future__ import annotations

import pytest

from monitor.stream.events import Message
from monitor.stream.framing import Rest
from monitor.stream.lines import JsonLines, Lines
from tests.stream.reading import ROOMY, Read, byte_by_byte, read

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


@pytest.mark.parametrize(("line", "inside"), [(b'{"a', True), (b" {", True), (b"Bad Gateway", False), (b"", False)])
def test_what_begins_as_no_object_is_no_half_of_one(line: bytes, inside: bool) -> None:
    """If lines are objects, a last line that begins with no object is a complete message, which does not decode."""
    framer = JsonLines(ROOMY)
    assert framer.feed(b"{}\n" + line) == [Message("{}", 2)]
    rest = framer.close()
    assert (rest.inside, rest.message is not None) == (inside, bool(line))


def test_the_pieces_of_a_long_line_are_held_as_they_came() -> None:
    """Reads without a line end are kept as they are and joined once, so that a long line takes linear time."""
    framer = Lines(ROOMY)
    pieces = [bytes([97 + at % 26]) * 100 for at in range(50)]
    for piece in pieces:
        framer.feed(piece)
    held = [part for value in vars(framer).values() if isinstance(value, list) for part in value]
    assert len(held) == len(pieces)
    assert all(part is piece for part, piece in zip(held, pieces, strict=True))
    assert framer.feed(b"\n") == [Message(b"".join(pieces).decode(), 5000)]


def test_a_line_past_the_limit_ends_the_reading() -> None:
    """An unfinished line counts as well; of what comes after it nothing is read, and nothing is left."""
    framer = Lines(4)
    assert framer.feed(b"abcd\nab") == [Message("abcd", 4)]
    passed = [(framer.feed(piece), framer.too_large) for piece in (b"cd", b"e")]
    assert passed == [([], False), ([], True)]
    assert framer.feed(b"\na\n") == []
    assert framer.close() == Rest()


def test_the_limit_is_of_each_line() -> None:
    """Lines of as many bytes as are allowed, each in two reads, stay within it."""
    framer = Lines(4)
    assert [framer.feed(piece) for piece in (b"ab", b"cd\nef", b"gh\n")] == [
        [],
        [Message("abcd", 4)],
        [Message("efgh", 9)],
    ]
    assert not framer.too_large
