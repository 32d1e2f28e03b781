"""Heads, bodies and the bytes after them, found with any segmentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.http.framing import HEAD_LINE, ChunkedBody, CloseBody, HeadSplitter, LengthBody

FINAL = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Return every way to cut bytes into two, and the bytes one by one."""
    yield from ([data[:at], data[at:]] for at in range(len(data) + 1))
    yield [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(
    ("data", "heads", "body"),
    [
        (FINAL + b"body", [FINAL], b"body"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + FINAL, [b"HTTP/1.1 100 Continue\r\n\r\n", FINAL], b""),
        (b"HTTP/1.1 101 Switching\r\n\r\nwords", [b"HTTP/1.1 101 Switching\r\n\r\n"], b"words"),
        (b"HTTP/1.0 200 OK\n\nbody", [b"HTTP/1.0 200 OK\n\n"], b"body"),
        (b"\r\n\r\n" + FINAL + b"body", [b"\r\n\r\n" + FINAL], b"body"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", [b"HTTP/1.1 200 OK\r\nA: b\r\n"], b""),
        (b"", [], b""),
    ],
    ids=["final", "interim", "switching", "LF alone", "empty lines first", "half", "nothing"],
)
def test_heads_are_cut_from_what_follows(data: bytes, heads: list[bytes], body: bytes) -> None:
    """Each head is delivered alone, however the bytes were cut into segments, and no byte is lost or moved."""
    assert HeadSplitter().split(data) == (heads, body)
    ends = {len(b"".join(heads[:number])) for number in range(1, len(heads) + 1)}
    for parts in splits(data):
        splitter = HeadSplitter()
        found = [splitter.split(part) for part in parts]
        pieces = [piece for several, _ in found for piece in several]
        assert (b"".join(pieces), b"".join(rest for _, rest in found)) == (b"".join(heads), body)
        assert ends <= {len(b"".join(pieces[:number])) for number in range(len(pieces) + 1)}


@pytest.mark.parametrize(
    ("first", "foreign"),
    [
        (b"HTTP/1.1 200 OK", False),
        (b"HTTP/1.0 200", False),
        (b"HTTP/2.0 200 OK", True),
        (b"RTSP/1.0 200 OK", True),
        (b"HTTP/1.1 099 X", True),
        (b"HTTP/1.1 000", True),
        (b"ICY 200 OK", True),
    ],
)
def test_a_head_of_another_protocol(first: bytes, foreign: bool) -> None:
    """Only HTTP/1.0 and 1.1 are ours, with a status of 100 or more, whatever the parser takes."""
    splitter = HeadSplitter()
    splitter.split(first + b"\r\n\r\n")
    assert splitter.final
    assert splitter.foreign is foreign


def test_all_before_the_body_is_counted() -> None:
    """Empty lines and interim heads count as the final head does, and the body does not."""
    before = b"\r\n" * 3 + b"HTTP/1.1 100 Continue\r\n\r\n" + FINAL
    for parts in splits(before + b"body"):
        splitter = HeadSplitter()
        for part in parts:
            splitter.split(part)
        assert splitter.taken == len(before)


def followed(body: CloseBody, parts: list[bytes]) -> tuple[bytes, bytes | None, bool]:
    """Return the payload, what came after a whole body, None if it is not whole, and whether it is broken."""
    payload = bytearray()
    for at, part in enumerate(parts):
        if body.whole or body.broken:
            return bytes(payload), body.rest + b"".join(parts[at:]) if body.whole else None, body.broken
        payload += body.take(part)
    return bytes(payload), body.rest if body.whole else None, body.broken


def test_a_body_to_the_close_is_all() -> None:
    """A body without length or chunks ends with the connection."""
    assert followed(CloseBody(), [b"a", b"b"]) == (b"ab", None, False)


def test_a_body_with_a_length() -> None:
    """Bytes past the length do not belong to it."""
    assert followed(LengthBody(0), [b"x"]) == (b"", b"x", False)
    for parts in splits(b"12345more"):
        assert followed(LengthBody(5), parts) == (b"12345", b"more", False)
    for parts in splits(b"1234"):
        assert followed(LengthBody(5), parts) == (b"1234", None, False)


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b"0\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"003;a=b \r\nabc\r\n1\r\nd\r\n000\r\n\r\n", b"abcd"),
        (b'3;a="b;\\"c"\r\nabc\r\n0\r\n\r\n', b"abc"),
        (b"3  ;x\r\n\r\n\r\r\n0\r\nX: y\r\nZ:\r\n\r\n", b"\r\n\r"),
        (b"A\t\r\n0123456789\r\na\r\n0\r\n\r\n0\r\n\r\n\r\n0;q\r\n\r\n", b"01234567890\r\n\r\n0\r\n\r\n"),
    ],
)
def test_a_chunked_body_has_an_end(body: bytes, payload: bytes) -> None:
    """A chunked body is complete with its last byte and not before; later bytes do not belong to it."""
    for parts in splits(body):
        assert followed(ChunkedBody(), parts) == (payload, b"", False)
    for parts in splits(body[:-1]):
        assert followed(ChunkedBody(), parts) == (payload, None, False)
    for parts in splits(body + b"0\r\nmore"):
        assert followed(ChunkedBody(), parts) == (payload, b"0\r\nmore", False)


@pytest.mark.parametrize(
    ("made", "parts", "after"),
    [
        (CloseBody(), [b"abc"], 0),
        (LengthBody(3), [b"abc"], 0),
        (LengthBody(3), [b"abcde"], 2),
        (ChunkedBody(), [b"3\r\nabc\r\n"], 2),
        (ChunkedBody(), [b"3\r\nabc\r\n3\r\nabc\r\n"], 2),
        (ChunkedBody(), [b"3\r\nabc\r\n1"], 3),
        (ChunkedBody(), [b"3\r\nabc\r\n1\r\n"], 5),
        (ChunkedBody(), [b"3\r\nab"], 0),
        (ChunkedBody(), [b"3\r\nab", b"c\r\n0\r\n"], 5),
        (ChunkedBody(), [b"3\r\nabc\r\n0\r\n\r\nx"], 8),
    ],
)
def test_how_many_bytes_follow_the_payload(made: CloseBody, parts: list[bytes], after: int) -> None:
    """Framing that came after the last payload of a read may have come much later than that."""
    for part in parts:
        made.take(part)
    assert made.after == after


@pytest.mark.parametrize(
    ("good", "bad", "payload"),
    [
        *(
            (b"1\r\na\r\n", line, b"a")
            for line in (b"z", b"\r\n", b"\n", b"+1\r\n", b"0x1\r\n", b"1_0", b" 1\r\n", b"g", b"1 1\r\n", b"1\n")
        ),
        (b"1\r\na\r\n", b"1;\n", b"a"),
        (b"1\r\na\r\n", b'1;a="\r\nb', b"a"),
        (b"1\r\na\r\n", b"1\rx", b"a"),
        (b"1\r\na\r\n", b"1" + b"0" * 16 + b"\r\n", b"a"),
        (b"1\r\na\r\n", b"1;" + b"x" * HEAD_LINE, b"a"),
        (b"1\r\na", b"\n", b"a"),
        (b"1\r\na", b"b\r\n", b"a"),
        (b"1\r\na", b"\rb", b"a"),
        (b"0\r\n", b"\n", b""),
        (b"0\r\nX: y\r\n", b"Z: y\n", b""),
        (b"0\r\n", b"no field\r\n", b""),
        (b"0\r\n", b"X: " + b"y" * HEAD_LINE, b""),
    ],
)
def test_a_chunked_body_that_breaks(good: bytes, bad: bytes, payload: bytes) -> None:
    """The position of a framing error does not depend on the segments, and the bytes before it are payload."""
    for parts in splits(good + bad) if len(bad) < 100 else [[good, bad], [good + bad]]:
        assert followed(ChunkedBody(), parts) == (payload, None, True)


SIZES: st.SearchStrategy[Callable[[bytes], bytes]] = st.sampled_from([
    lambda data: b"%x" % len(data),
    lambda data: b"%04X" % len(data),
    lambda data: b"%x;lab=1" % len(data),
    lambda data: b"%x " % len(data),
])  # fmt: skip


@given(
    chunks=st.lists(st.tuples(st.binary(min_size=1, max_size=40), SIZES), max_size=6),
    behind=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 400), max_size=20),
)
def test_any_chunks_in_any_segments(
    chunks: list[tuple[bytes, Callable[[bytes], bytes]]], behind: bytes, cuts: list[int]
) -> None:
    """Every valid body is found whole, to its last byte, however it comes."""
    body = b"".join(size(data) + b"\r\n" + data + b"\r\n" for data, size in chunks) + b"0\r\n\r\n"
    borders = sorted({0, *cuts, len(body + behind)})
    parts = [(body + behind)[one:two] for one, two in pairwise(borders)]
    assert followed(ChunkedBody(), parts) == (b"".join(data for data, _ in chunks), behind, False)


@pytest.mark.parametrize(
    ("before", "fault"),
    [
        (b"2\r\nhi\r\n", "another HTTP response in place of a chunk's size"),
        (b"2\r\nhi", "the framing does not parse"),
    ],
    ids=["for a size", "inside a chunk"],
)
def test_a_response_inside_a_chunked_body(before: bytes, fault: str) -> None:
    """An error response of a proxy inside a chunked body is named if it is where a chunk size must be."""
    for parts in splits(b"HTTP/1.1 502 Bad Gateway\r\n"):
        body = ChunkedBody()
        assert body.take(before) == b"hi"
        assert not any(body.take(part) for part in parts if not body.broken)
        assert (body.broken, body.fault) == (True, fault)


@given(data=st.binary(max_size=80), cuts=st.lists(st.integers(0, 80), max_size=10))
def test_anything_in_any_segments(data: bytes, cuts: list[int]) -> None:
    """The result does not depend on the segments: the same payload, and complete, broken or unfinished."""
    borders = sorted({0, *cuts, len(data)})
    parts = [data[one:two] for one, two in pairwise(borders)]
    assert followed(ChunkedBody(), parts) == followed(ChunkedBody(), [data])


class Looks:
    """Looks whether a line may become a size, and counts the bytes that it looked at."""

    def __init__(self) -> None:
        self.bytes = 0

    def fullmatch(self, line: bytearray) -> re.Match[bytes] | None:
        """Match like the framing's own expression."""
        self.bytes += len(line)
        return BEGUN.fullmatch(line)


BEGUN = ChunkedBody.SIZE_BEGUN


def test_a_long_extension_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long chunk extension in small reads, only new bytes are searched: 60 KiB took half a second."""
    looks = Looks()
    monkeypatch.setattr(ChunkedBody, "SIZE_BEGUN", looks)
    body = ChunkedBody()
    for piece in (b"3;", *[b"x" * 50] * 1000, b"\r", b"\nabc\r\n"):
        assert body.take(piece) in {b"", b"abc"}
    assert not body.broken
    assert looks.bytes < 2000


@pytest.mark.parametrize("last", [b"\rx", b"\r\r", b"a\rb", b"\n"])
@pytest.mark.parametrize("split", [False, True])
def test_a_long_extension_that_breaks(last: bytes, split: bool) -> None:
    """A carriage return in it, or a line feed alone at its end, is found in whatever read it comes."""
    body = ChunkedBody()
    body.take(b"3;" + b"x" * 300)
    for piece in [bytes([one]) for one in last] if split else [last]:
        assert not body.broken
        body.take(piece)
    assert body.broken
