"""Cloudflare Workers AI as the lab speaks it."""

from __future__ import annotations

import json

from monitor.lab.dialects.workers_ai import SPEAKER, say


def test_an_answer() -> None:
    """An event a piece, the counts, and `[DONE]` as the end."""
    speech = say(("1\n", "2\n"))
    assert speech.messages[3] == b"data: [DONE]\n\n"
    assert (speech.output, speech.end, speech.marker) == (range(2), 3, None)
    assert json.loads(SPEAKER.whole("1"))["result"]["response"] == "1"
