"""Vercel's data stream as the lab speaks it."""

from __future__ import annotations

from monitor.lab.dialects.vercel_data_stream import SPEAKER, say


def test_an_answer() -> None:
    """A part a piece, the end of the step, and the end of the message."""
    speech = say(("1\n", "2\n"), "length")
    assert speech.messages[1] == b'0:"1\\n"\n'
    assert speech.messages[4].startswith(b'd:{"finishReason":"length"')
    assert (speech.output, speech.end, speech.marker) == (range(1, 3), 4, None)
    assert b'0:"1"' in SPEAKER.whole("1")
