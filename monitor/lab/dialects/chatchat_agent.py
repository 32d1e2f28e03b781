"""Langchain-Chatchat 0.3 agent: a status in every frame; 2 is output, 3 and 5 repeat the whole text, 5 is the end."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects import chatchat
from monitor.lab.dialects.base import Dialect, EncodedAnswer

STARTED, TOKEN, MODEL_DONE, FINISHED, TOOL_STARTED, TOOL_DONE, FAILED = 1, 2, 3, 5, 6, 7, 8


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one status 2 a piece; no finish reason is ever sent."""
    del finish
    text = "".join(pieces)
    outputs = [_frame(TOKEN, piece) for piece in pieces]
    end = len(outputs) + 2
    messages = (_frame(STARTED), *outputs, _frame(MODEL_DONE, text), _frame(FINISHED, text))
    return EncodedAnswer(messages, range(1, end - 1), end)


def whole(text: str) -> bytes:
    """The completion if no stream was requested."""
    return chatchat.route_whole(text, status=FINISHED)


def _frame(status: int, content: str = "") -> bytes:
    return chatchat.route_frame(content, status=status)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    errors={**chatchat.failures(), "status": _frame(FAILED, "the tool raised KeyError")},
    ping=chatchat.PING,
    asides={
        "empty": _frame(TOKEN),
        "role": _frame(STARTED),
        "tool-start": _frame(TOOL_STARTED),
        "tool-end": _frame(TOOL_DONE),
    },
    garbled=chatchat.DIALECT.garbled,
)
