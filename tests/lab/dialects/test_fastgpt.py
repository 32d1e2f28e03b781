"""FastGPT as the lab speaks it, after its source."""

from __future__ import annotations

from monitor.lab.dialects.fastgpt import DIALECT, encode


def test_an_answer() -> None:
    """A named event a piece, `stop` and `[DONE]`, and behind that a list of what each node did."""
    answer = encode(("1\n", "2\n"), "length")
    assert all(b'"content":"' in answer.messages[index] for index in answer.output)
    assert answer.messages[3].startswith(b"event: answer\ndata: {")
    assert b'"finish_reason":"stop"' in answer.messages[3]
    assert answer.messages[4:5] == (b"event: answer\ndata: [DONE]\n\n",)
    assert answer.messages[5].startswith(b"event: flowResponses\ndata: [{")
    assert (answer.output, answer.end, answer.marker) == (range(1, 3), 4, None)


def test_errors_have_an_event_of_their_own() -> None:
    """With a message, or with the code of a known error."""
    assert DIALECT.errors["other"] == b'event: error\ndata: {"message":"the dice fell badly"}\n\n'
    assert b'"code":504000' in DIALECT.errors["status"]
