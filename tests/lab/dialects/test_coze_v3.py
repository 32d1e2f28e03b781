"""Coze as the lab speaks it, after streams that its users show."""

from __future__ import annotations

from monitor.lab.dialects.coze_v3 import DIALECT, encode


def test_an_answer() -> None:
    """A delta a piece, all of it again, the chat's end with the counts, and the marker."""
    answer = encode(("1\n", "2\n"), "length")
    pieces = [answer.messages[index] for index in answer.output]
    assert all(piece.startswith(b'event:conversation.message.delta\ndata:{"id":') for piece in pieces)
    assert b'"content":"1\\n2\\n"' in answer.messages[4]
    assert answer.messages[6].startswith(b"event:conversation.chat.completed\n")
    assert b'"output_count":2' in answer.messages[6]
    assert answer.messages[7] == b'event:done\ndata:"[DONE]"\n\n'
    assert (answer.output, answer.end, answer.marker) == (range(2, 4), 6, 7)


def test_errors_are_a_state_of_the_chat_or_an_event() -> None:
    """Each with a code and a message."""
    assert DIALECT.errors["other"].startswith(b"event:conversation.chat.failed\n")
    assert b'"last_error":{"code":5000,"msg":"the dice fell badly"}' in DIALECT.errors["other"]
    assert DIALECT.errors["event"] == b'event:error\ndata:{"code":4000,"msg":"the dice fell badly"}\n\n'
