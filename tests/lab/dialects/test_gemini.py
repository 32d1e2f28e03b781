"""Gemini as the lab speaks it, after the vendor's documentation."""

from __future__ import annotations

import json

from monitor.lab.dialects.gemini import DIALECT, encode


def test_an_answer() -> None:
    """An event a piece with CRLF, and one that ends it with its reason and its counts."""
    answer = encode(("1\n", "2\n"), "length")
    assert all(message.startswith(b"data: ") and message.endswith(b"}\r\n\r\n") for message in answer.messages)
    first, second, last = (json.loads(message.removeprefix(b"data: ")) for message in answer.messages)
    assert [frame["candidates"][0]["content"]["parts"][0]["text"] for frame in (first, second)] == ["1\n", "2\n"]
    assert "finishReason" not in first["candidates"][0]
    assert last["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert last["usageMetadata"] == {"promptTokenCount": 20, "candidatesTokenCount": 2, "totalTokenCount": 22}
    assert (answer.output, answer.end, answer.marker) == (range(2), 2, None)


def test_errors_come_with_their_status() -> None:
    """As Google's services write them, alone or in a list."""
    assert b'"status":"UNAVAILABLE"' in DIALECT.errors["overloaded"]
    assert DIALECT.errors["list"].startswith(b'data: [{"error"')
