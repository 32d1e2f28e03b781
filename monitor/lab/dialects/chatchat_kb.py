"""Langchain-Chatchat 0.3 knowledge base: the documents first, before the model has started, and no end at all."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects import chatchat
from monitor.lab.dialects.base import Dialect, EncodedAnswer
from monitor.lab.dialects.chatchat import route_frame

DOCS = (
    "出处 [1] [doc.csv](http://127.0.0.1/knowledge_base/download_doc?file_name=doc.csv) \n\nq: what is a monitor\n\n",
)


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The documents with an empty delta, then one delta a piece."""
    del finish
    return EncodedAnswer(
        (route_frame("", docs=DOCS), *(route_frame(piece) for piece in pieces)), range(1, 1 + len(pieces))
    )


def whole(text: str) -> bytes:
    """The completion if no stream was requested."""
    return chatchat.route_whole(text, docs=DOCS)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    errors=chatchat.failures(),
    ping=chatchat.PING,
    asides={"empty": route_frame(""), "docs": route_frame("", docs=DOCS)},
    garbled=chatchat.DIALECT.garbled,
)
