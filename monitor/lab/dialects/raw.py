"""The bytes are the answer: no messages and no end."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer itself, one write a piece."""
    del finish
    return EncodedAnswer(tuple(piece.encode() for piece in pieces), range(len(pieces)))


DIALECT = Dialect(
    encode=encode,
    whole=str.encode,
    whole_type="text/plain; charset=utf-8",
    content_type="text/plain; charset=utf-8",
    framing="raw",
)
