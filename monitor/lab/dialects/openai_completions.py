"""OpenAI's legacy completions: SSE; a piece of text in every event, a finish reason, the usage frame, `[DONE]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects import openai_chat
from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event
from monitor.lab.dialects.openai_chat import usage

FRAME: Mapping[str, object] = {"id": "cmpl-lab", "object": "text_completion", "created": 1700000000, "model": "lab"}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one event a piece."""
    outputs = [_piece(piece) for piece in pieces]
    end = len(outputs)
    messages = (*outputs, _piece("", finish), _frame(choices=[], usage=usage(end)), event("[DONE]"))
    return EncodedAnswer(messages, range(end), end, end + 2)


def whole(text: str) -> bytes:
    """The completion if no stream was requested."""
    return compact({**FRAME, "choices": [_choice(text, "stop")], "usage": usage(1)}).encode()


def _choice(text: str, finish: str | None) -> Mapping[str, object]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}


def _piece(text: str, finish: str | None = None) -> bytes:
    return _frame(choices=[_choice(text, finish)])


def _frame(**more: object) -> bytes:
    return event(compact({**FRAME, **more}))


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    finishes=openai_chat.DIALECT.finishes,
    errors=openai_chat.DIALECT.errors,
    ping=b": ping\n\n",
    asides={
        "empty": _piece(""),
        "usage": _frame(choices=[], usage=usage(0)),
    },
    usage=(20, 1),
    garbled={
        "json": b'data: {"id":"cmpl-lab","choices":[{"index":0,"text":\n\n',
        "shape": _frame(choices=7),
        "text": event("the cat sat on the wire"),
    },
)
