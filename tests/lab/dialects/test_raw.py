"""Raw bytes as the lab speaks them."""

from __future__ import annotations

from monitor.lab.dialects.raw import SPEAKER, say


def test_the_bytes_are_the_answer() -> None:
    """One write a piece, no messages beside them and no end."""
    speech = say(("a", "é"))
    assert speech.messages == (b"a", "é".encode())
    assert (speech.output, speech.end, speech.marker) == (range(2), None, None)
    assert SPEAKER.can == {"finish stop"}
    assert SPEAKER.whole("é") == "é".encode()
