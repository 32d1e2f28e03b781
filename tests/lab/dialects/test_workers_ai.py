"""Cloudflare Workers AI as the lab speaks it."""

from __future__ import annotations

import json

from monitor.lab.dialects.workers_ai import DIALECT, encode


def test_an_answer() -> None:
    """An event a piece, the counts, and `[DONE]` as the end."""
    answer = encode(("1\n", "2\n"))
    assert answer.messages[3] == b"data: [DONE]\n\n"
    assert (answer.output, answer.end, answer.marker) == (range(2), 3, None)
    assert json.loads(DIALECT.whole("1"))["result"]["response"] == "1"
