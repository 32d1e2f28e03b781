"""Anthropic's messages as the lab speaks them, against a real capture."""

from __future__ import annotations

from monitor.lab.dialects.anthropic_messages import DIALECT, encode

CAPTURE = (
    b"event: content_block_delta\n"
    b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " the"}}\n\n'
)


def test_an_answer_to_the_byte() -> None:
    """Each piece as a real gateway sent it, between the start and the stop of its block and of the message."""
    answer = encode((" the", " the"), "length")
    assert [answer.messages[index] for index in answer.output] == [CAPTURE, CAPTURE]
    assert (answer.end, answer.marker) == (6, None)
    assert b'"stop_reason": "max_tokens"' in answer.messages[5]
    assert answer.messages[6] == b'event: message_stop\ndata: {"type": "message_stop"}\n\n'


def test_errors_come_with_their_type() -> None:
    """As the vendor names them."""
    assert b'"overloaded_error"' in DIALECT.errors["overloaded"]
    assert b'"api_error"' in DIALECT.errors["upstream"]
