"""Ollama's own chat: a JSON object a line, the last of them with `done` and the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact
from monitor.lab.dialects.errors import ERRORS

COUNTS: Mapping[str, int] = {
    "total_duration": 1210372500,
    "load_duration": 20372500,
    "prompt_eval_count": 20,
    "prompt_eval_duration": 30000000,
    "eval_duration": 1160000000,
}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one line a piece."""
    outputs = [_line({"content": piece}) for piece in pieces]
    last = _line({"content": ""}, done_reason=finish, done=True, **COUNTS, eval_count=len(outputs))
    return EncodedAnswer((*outputs, last), range(len(outputs)), len(outputs))


def whole(text: str) -> bytes:
    """The one object if no stream was requested."""
    return _line({"content": text}, done_reason="stop", done=True, **COUNTS, eval_count=1)


def _line(message: Mapping[str, object], *, done: bool = False, **more: object) -> bytes:
    reply = {"role": "assistant", **message}
    frame = {"model": "lab", "created_at": "2026-11-22T22:10:00.123456789Z", "message": reply, "done": done, **more}
    return compact(frame).encode() + b"\n"


TOOL_CALL = {"function": {"name": "count", "arguments": {"to": 9}}}

DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="application/x-ndjson",
    whole_type="application/json; charset=utf-8",
    framing="lines",
    finishes=("stop", "length"),
    errors={kind: compact({"error": error["message"]}).encode() + b"\n" for kind, (_, error) in ERRORS.items()},
    asides={
        "empty": _line({"content": ""}),
        "thinking": _line({"content": "", "thinking": "one after the other "}),
        "tool": _line({"content": "", "tool_calls": [TOOL_CALL]}),
        "blank": b"\r\n",
    },
    kinds={"thinking": "reasoning", "tool": "tool_call"},
    usage=(20, 1),
    garbled={
        "json": b'{"model":"lab","message":{"role":"assistant","content":\n',
        "shape": compact({"message": 7, "done": False}).encode() + b"\n",
        "text": b"the cat sat on the wire\n",
    },
)
