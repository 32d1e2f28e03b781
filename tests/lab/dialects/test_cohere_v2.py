"""Cohere's chat of version 2 as the lab speaks it, after the vendor's documentation."""

from __future__ import annotations

from monitor.lab.dialects.cohere_v2 import DIALECT, encode

DELTA = (
    b'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"LL"}}}}\n\n'
)


def test_an_answer() -> None:
    """Named events, each piece in one, between the start and the end of its block and of the message."""
    answer = encode(("LL", "LL"), "length")
    assert [answer.messages[index] for index in answer.output] == [DELTA, DELTA]
    assert (answer.end, answer.marker) == (5, None)
    assert b'"finish_reason":"MAX_TOKENS"' in answer.messages[5]
    assert b'"tokens":{"input_tokens":20,"output_tokens":2}' in answer.messages[5]


def test_errors_have_a_message_alone() -> None:
    """As those of any request."""
    assert DIALECT.errors["other"] == b'data: {"id":"lab","message":"the dice fell badly"}\n\n'
