"""Langchain-Chatchat 0.2.9 and up: SSE with CRLF, a text in every event, no end and no errors."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects import chatchat
from monitor.lab.dialects.base import Dialect, EncodedAnswer, event, spaced

MESSAGE_ID = "c2480d90b39443958d113749278d7ec8"


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one event a piece."""
    del finish
    return EncodedAnswer(tuple(_text(piece) for piece in pieces), range(len(pieces)))


def _text(text: str) -> bytes:
    return event(spaced({"text": text, "message_id": MESSAGE_ID}), chatchat.EOL)


DIALECT = Dialect(
    encode=encode,
    whole=_text,  # one event: it answers in SSE even when no stream was asked for
    whole_type="text/event-stream; charset=utf-8",
    content_type="text/event-stream; charset=utf-8",
    ping=chatchat.PING,
    asides={"docs": event(spaced({"docs": ["doc.csv"]}), chatchat.EOL)},
    garbled={name: message for name, message in chatchat.DIALECT.garbled.items() if name != "shape"},
)
