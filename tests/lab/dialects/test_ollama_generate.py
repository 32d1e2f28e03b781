"""Ollama's own completion as the lab speaks it."""

from __future__ import annotations

import json

from monitor.lab.dialects.ollama_generate import SPEAKER, say


def test_an_answer() -> None:
    """A line a piece, and the last with the counts."""
    speech = say(("1\n", "2\n"), "length")
    assert [json.loads(message)["done"] for message in speech.messages] == [False, False, True]
    assert json.loads(speech.messages[2])["done_reason"] == "length"
    assert (speech.output, speech.end, speech.marker) == (range(2), 2, None)
    assert json.loads(SPEAKER.whole("1"))["response"] == "1"
