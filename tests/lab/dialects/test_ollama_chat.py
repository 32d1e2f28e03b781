"""Ollama as the lab speaks it, after the vendor's documentation."""

from __future__ import annotations

import json

from monitor.lab.dialects.ollama_chat import SPEAKER, say


def test_an_answer() -> None:
    """A line a piece, and one that ends it with its reason and its counts."""
    speech = say(("1\n", "2\n"), "length")
    assert all(message.endswith(b"\n") and message.count(b"\n") == 1 for message in speech.messages)
    first, second, last = map(json.loads, speech.messages)
    assert [first["message"]["content"], second["message"]["content"]] == ["1\n", "2\n"]
    assert (first["done"], last["done"], last["done_reason"], last["eval_count"]) == (False, True, "length", 2)
    assert (speech.output, speech.end, speech.marker) == (range(2), 2, None)


def test_an_error_is_a_line() -> None:
    """With a text, whatever the status was."""
    assert json.loads(SPEAKER.errors["upstream"])["error"].startswith("peer closed")
    assert SPEAKER.content_type == "application/x-ndjson"


def test_no_stream_is_one_object() -> None:
    """The whole answer, done."""
    assert json.loads(SPEAKER.whole("1"))["message"]["content"] == "1"
    assert json.loads(SPEAKER.whole("1"))["done"] is True
