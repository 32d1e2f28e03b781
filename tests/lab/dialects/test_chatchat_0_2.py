"""Langchain-Chatchat 0.2.9 and up as the lab speaks it, against a real capture."""

from __future__ import annotations

from monitor.lab.dialects.chatchat_0_2 import DIALECT, encode

CAPTURE = b'data: {"text": " the", "message_id": "c2480d90b39443958d113749278d7ec8"}\r\n\r\n'


def test_an_answer_to_the_byte() -> None:
    """One event a piece and nothing else, as a real server sent it."""
    answer = encode((" the", " the"))
    assert answer.messages == (CAPTURE, CAPTURE)
    assert (answer.output, answer.end, answer.marker) == (range(2), None, None)


def test_no_stream_is_an_event_all_the_same() -> None:
    """The real server answers in its stream's shape even then."""
    assert DIALECT.whole(" the") == CAPTURE
    assert DIALECT.whole_type.startswith("text/event-stream")


def test_it_has_no_words_for_errors() -> None:
    """They are swallowed."""
    assert not DIALECT.errors
