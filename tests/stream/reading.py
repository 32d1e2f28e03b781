"""How the tests of every framing read a stream: in one piece, byte by byte, or cut anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

from monitor.stream.events import Message
from monitor.stream.framing import Framer, Rest

ROOMY = 1 << 20


class Read(NamedTuple):
    """The results of a framer for one stream."""

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


PIECES = (
    *(b"data", b"event", b"error", b"id", b"retry", b":", b": ", b" ", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n"),
    *(b"\xef\xbb\xbf", b"\xe2\x82\xac", b"\xe2", b"\xff", b"\0", b"\xe2\x80\xa8"),
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"x", b'{"a":"}"}', b"data: x\n\n", b"[DONE]"),
)
STREAMS = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join) | st.binary(max_size=60)
CUTS = st.lists(st.integers(0, 400), max_size=12)
