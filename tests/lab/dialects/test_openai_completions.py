"""OpenAI's legacy completions as the lab speaks them."""

from __future__ import annotations

import json

from monitor.lab.dialects.openai_completions import DIALECT, encode


def test_an_answer() -> None:
    """An event a piece, the finish reason, the usage, and the marker."""
    answer = encode(("1\n", "2\n"), "length")
    assert (answer.output, answer.end, answer.marker) == (range(2), 2, 4)
    assert b'"finish_reason":"length"' in answer.messages[2]
    assert b'"completion_tokens":2' in answer.messages[3]
    assert json.loads(DIALECT.whole("1"))["choices"][0]["text"] == "1"
