"""Langchain-Chatchat 0.3 knowledge base: the documents first, before the model has started, and no end at all."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects import chatchat
from monitor.lab.dialects.base import Dialect, EncodedAnswer, event, spaced

DOCS = (
    "出处 [1] [doc.csv](http://127.0.0.1/knowledge_base/download_doc?file_name=doc.csv) \n\nq: what is a monitor\n\n",
)


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The documents with an empty delta, then one delta a piece."""
    del finish
    return EncodedAnswer((_frame("", docs=DOCS), *(_frame(piece) for piece in pieces)), range(1, 1 + len(pieces)))


def whole(text: str) -> bytes:
    """The completion where no stream was asked for."""
    message = {"role": "assistant", "content": text, "finish_reason": "stop", "tool_calls": []}
    return spaced(
        {"id": "chatlab", "object": "chat.completion", "docs": DOCS, "choices": [{"message": message}]}
    ).encode()


def _frame(content: str, **more: object) -> bytes:
    frame = {
        "id": "chatlab",
        "object": "chat.completion.chunk",
        "model": "lab",
        "created": 1700000000,
        "status": None,
        "message_type": 1,
        "message_id": None,
        "is_ref": False,
        **more,
        "choices": [{"delta": {"content": content, "tool_calls": []}, "role": "assistant"}],
    }
    return event(spaced(frame), chatchat.EOL)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    errors=chatchat.failures(),
    ping=chatchat.PING,
    asides={"empty": _frame(""), "docs": _frame("", docs=DOCS)},
    garbled=chatchat.DIALECT.garbled,
)
