"""Langchain-Chatchat's agent as the lab speaks it, against a real capture."""

from __future__ import annotations

import json

from monitor.lab.dialects.chatchat_agent import DIALECT, encode, whole
from tests.lab.wires import objects

CAPTURE = (
    b'data: {"id": "chatlab", "object": "chat.completion.chunk", "model": "lab", "created": 1700000000, "status": 5, '
    b'"message_type": 1, "message_id": null, "is_ref": false, "choices": [{"delta": {"content": "Hello from the fake '
    b'upstream.", "tool_calls": []}, "role": "assistant"}]}\r\n\r\n'
)


def test_an_answer() -> None:
    """Started, tokens, the whole text twice; the last status is the end."""
    answer = encode(("a", "b"))
    deltas = [(one["status"], one["choices"][0]["delta"]["content"]) for one in objects(answer.messages)]
    assert deltas == [(1, ""), (2, "a"), (2, "b"), (3, "ab"), (5, "ab")]
    assert (answer.output, answer.end, answer.marker) == (range(1, 3), 4, None)


def test_a_frame_to_the_byte() -> None:
    """As a real server sent it, but for names and times."""
    assert encode(("Hello from the fake ", "upstream.")).messages[-1] == CAPTURE


def test_errors_have_a_status_of_their_own() -> None:
    """Beside the error object of all routes."""
    assert objects([DIALECT.errors["status"]])[0]["status"] == 8
    assert objects([DIALECT.errors["empty"]]) == [{"error": ""}]


def test_no_stream() -> None:
    """One object with the text and the last status."""
    assert (json.loads(whole("a"))["status"], json.loads(whole("a"))["choices"][0]["message"]["content"]) == (5, "a")
