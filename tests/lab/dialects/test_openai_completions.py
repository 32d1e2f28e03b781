"""OpenAI's legacy completions as the lab speaks them."""

from __future__ import annotations

import json

from monitor.lab.dialects.openai_completions import SPEAKER, say


def test_an_answer() -> None:
    """An event a piece, the finish reason, the usage, and the marker."""
    speech = say(("1\n", "2\n"), "length")
    assert (speech.output, speech.end, speech.marker) == (range(2), 2, 4)
    assert b'"finish_reason":"length"' in speech.messages[2]
    assert b'"completion_tokens":2' in speech.messages[3]
    assert json.loads(SPEAKER.whole("1"))["choices"][0]["text"] == "1"
