"""Langchain-Chatchat 0.2.7 as the lab speaks it, against a real capture."""

from __future__ import annotations

from monitor.lab.dialects.chatchat_0_2_json import DIALECT, encode

CAPTURE = b'{"text": " the", "message_id": "m1"}'


def test_an_answer_to_the_byte() -> None:
    """One object a piece and nothing between them, as a real server sent it."""
    answer = encode((" the", " the"))
    assert answer.messages == (CAPTURE, CAPTURE)
    assert (answer.output, answer.end, answer.marker) == (range(2), None, None)


def test_it_says_that_it_streams_events() -> None:
    """The type is that of the later releases."""
    assert DIALECT.content_type == "text/event-stream; charset=utf-8"
    assert DIALECT.whole(" the") == CAPTURE
