"""Amazon Bedrock as the lab speaks it."""

from __future__ import annotations

import json
import struct
from zlib import crc32

import pytest

from monitor.lab.dialects.bedrock_converse import DIALECT, encode


@pytest.mark.parametrize("message", encode(("1\n", "2\n")).messages)
def test_a_frame_has_its_lengths_and_checksums(message: bytes) -> None:
    """As Amazon's clients compare them."""
    total, headers, prelude = struct.unpack(">III", message[:12])
    assert (total, prelude) == (len(message), crc32(message[:8]))
    assert struct.unpack(">I", message[-4:])[0] == crc32(message[:-4])
    assert json.loads(message[12 + headers : -4])


def test_an_answer() -> None:
    """A delta a piece, the block's and the message's stop, the counts; the end is the last byte of its frame."""
    answer = encode(("1\n", "2\n"), "length")
    assert (answer.output, answer.end, answer.marker) == (range(1, 3), 4, None)
    assert b'"stopReason":"max_tokens"' in answer.messages[4]
    assert answer.complete == sum(map(len, answer.messages[:5]))
    assert b"throttlingException" in DIALECT.errors["rate_limited"]
    assert json.loads(DIALECT.whole("1"))["stopReason"] == "end_turn"
