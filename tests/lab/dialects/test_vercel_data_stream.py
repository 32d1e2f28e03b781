"""Vercel's data stream as the lab speaks it."""

from __future__ import annotations

from monitor.lab.dialects.vercel_data_stream import DIALECT, encode


def test_an_answer() -> None:
    """A part a piece, the end of the step, and the end of the message."""
    answer = encode(("1\n", "2\n"), "length")
    assert answer.messages[1] == b'0:"1\\n"\n'
    assert answer.messages[4].startswith(b'd:{"finishReason":"length"')
    assert (answer.output, answer.end, answer.marker) == (range(1, 3), 4, None)
    assert b'0:"1"' in DIALECT.whole("1")
    assert b'"finishReason":"content-filter"' in encode((), "content_filter").messages[-1]
    assert b'"finishReason":"error"' in encode((), "abort").messages[-1]
