"""Langchain-Chatchat 0.2.0 as the lab speaks it, against a real capture."""

from __future__ import annotations

from monitor.lab.dialects.chatchat_0_2_text import SPEAKER


def test_the_bytes_are_the_answer() -> None:
    """One write a piece, and only the type speaks of events, as a real server had it."""
    assert SPEAKER.say((" the", " fake")).messages == (b" the", b" fake")
    assert SPEAKER.content_type == "text/event-stream; charset=utf-8"
