"""Raw reads: the text of the bytes, with characters kept whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from monitor.stream.events import Message
from monitor.stream.framing import Rest
from monitor.stream.raw import Raw
from tests.stream.reading import CUTS, STREAMS, Read, byte_by_byte, read, split

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


@given(data=STREAMS, cuts=CUTS)
@settings(max_examples=150, deadline=None)
def test_raw_text_is_the_same_however_split(data: bytes, cuts: Sequence[int]) -> None:
    """Raw reads differ with the network, but not the text they make."""
    text = data.decode("utf-8", "replace")
    for pieces in ([data], split(data, cuts), byte_by_byte(data)):
        found = read(Raw, pieces)
        assert text.startswith("".join(message.data for message in found.messages))
        assert found.rest.inside == (len(text) > sum(len(message.data) for message in found.messages))
