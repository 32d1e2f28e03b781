"""Langchain-Chatchat 0.2.7 and 0.2.8: the same objects as later, one after another without a separator."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, spaced


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one object a piece."""
    del finish
    return EncodedAnswer(tuple(_text(piece) for piece in pieces), range(len(pieces)))


def _text(text: str) -> bytes:
    return spaced({"text": text, "message_id": "m1"}).encode()


DIALECT = Dialect(
    encode=encode,
    whole=_text,
    content_type="text/event-stream; charset=utf-8",
    framing="json",
    asides={"docs": spaced({"answer": "", "docs": ["doc.csv"]}).encode(), "spaces": b" \r\n"},
    garbled={
        "json": b'{"text": , "message_id": "m1"}',
        "text": b"the cat sat on the wire",
    },
)
