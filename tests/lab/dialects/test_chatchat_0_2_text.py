"""Langchain-Chatchat 0.2.0 as the lab speaks it, against a real capture."""

from __future__ import annotations

from monitor.lab.dialects.chatchat_0_2_text import DIALECT


def test_the_bytes_are_the_answer() -> None:
    """One write a piece, and only the type speaks of events, as a real server had it."""
    assert DIALECT.encode((" the", " fake")).messages == (b" the", b" fake")
    assert DIALECT.content_type == "text/event-stream; charset=utf-8"
