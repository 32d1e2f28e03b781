"""Cloudflare Workers AI: SSE; a piece of text in every event, the counts, and `[DONE]`."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event
from monitor.lab.dialects.errors import ERRORS


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one event a piece."""
    del finish
    outputs = [_event(response=piece, p="abdefghijk") for piece in pieces]
    usage = {"prompt_tokens": 20, "completion_tokens": len(outputs), "total_tokens": 20 + len(outputs)}
    return EncodedAnswer(
        (*outputs, _event(response="", usage=usage), event("[DONE]")), range(len(outputs)), len(outputs) + 1
    )


def whole(text: str) -> bytes:
    """The one object if no stream was requested."""
    return compact({"result": {"response": text}, "success": True, "errors": [], "messages": []}).encode()


def _event(**frame: object) -> bytes:
    return event(compact(frame))


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream",
    errors={kind: _event(error=error) for kind, (_, error) in ERRORS.items()}
    | {"list": _event(result=None, success=False, errors=[{"code": 3043, "message": "the dice fell badly"}])},
    ping=b":\n\n",
    asides={
        "empty": _event(response=""),
        "null": _event(response=None),
    },
    usage=(20, 1),
    garbled={
        "json": b'data: {"response":\n\n',
        "shape": _event(response="", tool_calls=7),
        "text": event("the cat sat on the wire"),
    },
)
