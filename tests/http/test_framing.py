"""Heads, bodies and what is behind them, told apart whatever the segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.http.framing import ChunkedBody, CloseBody, HeadSplitter, LengthBody

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
    assert HeadSplitter().cut(data) == (heads, body)
    ends = {len(b"".join(heads[:number])) for number in range(1, len(heads) + 1)}
    for parts in splits(data):
        cutter = HeadSplitter()
        found = [cutter.cut(part) for part in parts]
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
        (b"ICY 200 OK", True),
    ],
)
def test_a_head_of_another_protocol(first: bytes, foreign: bool) -> None:
    """Only HTTP/1.0 and 1.1 are ours, whatever the parser takes."""
    cutter = HeadSplitter()
    cutter.cut(first + b"\r\n\r\n")
    assert cutter.final
    assert cutter.foreign is foreign


def followed(cutter: CloseBody, parts: list[bytes]) -> tuple[bytes, bool, bool]:
    """Return what is taken as the body, and whether it is whole or broken."""
    taken = bytearray()
    for part in parts:
        if cutter.whole or cutter.broken:
            break
        taken += part[: cutter.cut(part)]
    return bytes(taken), cutter.whole, cutter.broken


def test_a_body_to_the_close_is_all() -> None:
    """It has no end of its own."""
    assert followed(CloseBody(), [b"a", b"b"]) == (b"ab", False, False)


def test_a_body_with_a_length() -> None:
    """What is longer than said is not its own."""
    assert followed(LengthBody(0), [b"x"]) == (b"", True, False)
    for parts in splits(b"12345more"):
        assert followed(LengthBody(5), parts) == (b"12345", True, False)
    for parts in splits(b"1234"):
        assert followed(LengthBody(5), parts) == (b"1234", False, False)


@pytest.mark.parametrize(
    "body",
    [
        b"0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
        b"003;a=b \r\nabc\r\n1\r\nd\r\n000\r\n\r\n",
        b"3  ;x\r\n\r\n\r\r\n0\r\nX: y\r\nZ:\r\n\r\n",
        b"A\t\r\n0123456789\r\na\r\n0\r\n\r\n0\r\n\r\n\r\n0;q\r\n\r\n",
    ],
)
def test_a_chunked_body_has_an_end(body: bytes) -> None:
    """It is whole with its last byte, and not before; what follows is not its own."""
    for parts in splits(body):
        assert followed(ChunkedBody(), parts) == (body, True, False)
    for parts in splits(body[:-1]):
        assert followed(ChunkedBody(), parts) == (body[:-1], False, False)
    for parts in splits(body + b"0\r\nmore"):
        assert followed(ChunkedBody(), parts) == (body, True, False)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        *((b"1\r\na\r\n", line) for line in (b"z", b"\r\n", b"\n", b"+1\r\n", b"0x1\r\n", b"1_0", b" 1\r\n", b"g")),
        (b"1\r\na\r\n", b"1 1\r\n"),
        (b"1\r\na\r\n", b"1\n"),
        (b"1\r\na\r\n", b"1;\n"),
        (b"1\r\na\r\n", b"1\rx"),
        (b"1\r\na\r\n", b"1" + b"0" * 16 + b"\r\n"),
        (b"1\r\na\r\n", b"1;" + b"x" * 8190),
        (b"1\r\na", b"\n"),
        (b"1\r\na", b"b\r\n"),
        (b"1\r\na", b"\rb"),
        (b"0\r\n", b"\n"),
        (b"0\r\nX: y\r\n", b"Z: y\n"),
        (b"0\r\n", b"X: " + b"y" * 8190),
    ],
)
def test_a_chunked_body_that_breaks(good: bytes, bad: bytes) -> None:
    """Where it breaks does not depend on the segments, but for the bytes of a line that was right until then."""
    for parts in splits(good + bad) if len(bad) < 100 else [[good, bad], [good + bad]]:
        taken, whole, broken = followed(ChunkedBody(), parts)
        assert (whole, broken) == (False, True)
        assert (good + bad).startswith(taken)
        assert taken.startswith(good)


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
    """Every right body is found whole, to its last byte, however it comes."""
    body = b"".join(size(data) + b"\r\n" + data + b"\r\n" for data, size in chunks) + b"0\r\n\r\n"
    borders = sorted({0, *cuts, len(body + behind)})
    parts = [(body + behind)[one:two] for one, two in pairwise(borders)]
    assert followed(ChunkedBody(), parts) == (body, True, False)


@given(data=st.binary(max_size=80), cuts=st.lists(st.integers(0, 80), max_size=10))
def test_anything_in_any_segments(data: bytes, cuts: list[int]) -> None:
    """Whatever comes is judged the same as in one piece: whole, broken, or neither yet."""
    borders = sorted({0, *cuts, len(data)})
    parts = [data[one:two] for one, two in pairwise(borders)]
    assert followed(ChunkedBody(), parts)[1:] == followed(ChunkedBody(), [data])[1:]
