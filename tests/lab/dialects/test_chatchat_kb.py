"""Langchain-Chatchat's knowledge base as the lab speaks it, against a real capture."""

from __future__ import annotations

import json

from monitor.lab.dialects.chatchat_kb import encode, whole
from tests.lab.wires import objects

CAPTURE = (
    b'data: {"id": "chatlab", "object": "chat.completion.chunk", "model": "lab", "created": 1700000000, '
    b'"status": null, "message_type": 1, "message_id": null, "is_ref": false, "choices": [{"delta": '
    b'{"content": " from", "tool_calls": []}, "role": "assistant"}]}\r\n\r\n'
)


def test_an_answer() -> None:
    """Documents with an empty delta first, then the pieces, and no end."""
    answer = encode(("a", "b"))
    docs, *pieces = objects(answer.messages)
    assert docs["docs"]
    assert docs["choices"][0]["delta"]["content"] == ""
    assert [one["choices"][0]["delta"]["content"] for one in pieces] == ["a", "b"]
    assert (answer.output, answer.end, answer.marker) == (range(1, 3), None, None)


def test_a_frame_to_the_byte() -> None:
    """As a real server sent it, but for names and times."""
    assert encode((" from",)).messages[1] == CAPTURE


def test_no_stream() -> None:
    """One object with the documents and the text."""
    assert json.loads(whole("a"))["choices"][0]["message"]["content"] == "a"
