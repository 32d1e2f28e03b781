"""Ollama's own completion: a JSON object a line, the last of them with `done` and the counts."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact
from monitor.lab.dialects.errors import ERRORS
from monitor.lab.dialects.ollama_chat import COUNTS


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one line a piece."""
    outputs = [_line(piece) for piece in pieces]
    last = _line("", done_reason=finish, done=True, context=[2, 105], **COUNTS, eval_count=len(outputs))
    return EncodedAnswer((*outputs, last), range(len(outputs)), len(outputs))


def whole(text: str) -> bytes:
    """The one object if no stream was requested."""
    return _line(text, done_reason="stop", done=True, **COUNTS, eval_count=1)


def _line(response: str, *, done: bool = False, **more: object) -> bytes:
    frame = {"model": "lab", "created_at": "2026-11-22T22:10:00.123456789Z", "response": response, "done": done, **more}
    return compact(frame).encode() + b"\n"


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="application/x-ndjson",
    whole_type="application/json; charset=utf-8",
    framing="lines",
    finishes=("stop", "length"),
    errors={kind: compact({"error": error["message"]}).encode() + b"\n" for kind, (_, error) in ERRORS.items()},
    asides={
        "empty": _line(""),
        "thinking": _line("", thinking="one after the other "),
        "blank": b"\r\n",
    },
    kinds={"thinking": "reasoning"},
    usage=(20, 1),
    garbled={
        "json": b'{"model":"lab","response":\n',
        "shape": b'{"model":"lab","response":}\n',
        "text": b"the cat sat on the wire\n",
    },
)
