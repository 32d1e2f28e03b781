"""Raw bytes as the lab speaks them."""

from __future__ import annotations

from monitor.lab.dialects.raw import DIALECT, encode


def test_the_bytes_are_the_answer() -> None:
    """One write a piece, no messages beside them and no end."""
    answer = encode(("a", "é"))
    assert answer.messages == (b"a", "é".encode())
    assert (answer.output, answer.end, answer.marker) == (range(2), None, None)
    assert DIALECT.can == {"finish stop"}
    assert DIALECT.whole("é") == "é".encode()
