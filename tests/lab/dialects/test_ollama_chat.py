"""Ollama as the lab speaks it, after the vendor's documentation."""

from __future__ import annotations

import json

from monitor.lab.dialects.ollama_chat import DIALECT, encode


def test_an_answer() -> None:
    """A line a piece, and one that ends it with its reason and its counts."""
    answer = encode(("1\n", "2\n"), "length")
    assert all(message.endswith(b"\n") and message.count(b"\n") == 1 for message in answer.messages)
    first, second, last = map(json.loads, answer.messages)
    assert [first["message"]["content"], second["message"]["content"]] == ["1\n", "2\n"]
    assert (first["done"], last["done"], last["done_reason"], last["eval_count"]) == (False, True, "length", 2)
    assert (answer.output, answer.end, answer.marker) == (range(2), 2, None)


def test_an_error_is_a_line() -> None:
    """With a text, whatever the status was."""
    assert json.loads(DIALECT.errors["upstream"])["error"].startswith("peer closed")
    assert DIALECT.content_type == "application/x-ndjson"


def test_no_stream_is_one_object() -> None:
    """The whole answer, done."""
    assert json.loads(DIALECT.whole("1"))["message"]["content"] == "1"
    assert json.loads(DIALECT.whole("1"))["done"] is True
