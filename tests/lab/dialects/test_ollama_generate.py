"""Ollama's own completion as the lab speaks it."""

from __future__ import annotations

import json

from monitor.lab.dialects.ollama_generate import DIALECT, encode


def test_an_answer() -> None:
    """A line a piece, and the last with the counts."""
    answer = encode(("1\n", "2\n"), "length")
    assert [json.loads(message)["done"] for message in answer.messages] == [False, False, True]
    assert json.loads(answer.messages[2])["done_reason"] == "length"
    assert (answer.output, answer.end, answer.marker) == (range(2), 2, None)
    assert json.loads(DIALECT.whole("1"))["response"] == "1"
