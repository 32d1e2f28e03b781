"""OpenAI chat completions: SSE; role frame, deltas, a finish reason, the usage frame, `[DONE]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event
from monitor.lab.dialects.errors import ERRORS

FRAME: Mapping[str, Any] = {
    "id": "chatcmpl-lab",
    "object": "chat.completion.chunk",
    "created": 1700000000,
    "model": "lab",
}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one delta a piece."""
    outputs = [_delta({"content": piece}) for piece in pieces]
    end = 1 + len(outputs)
    messages = (
        _delta({"role": "assistant", "content": ""}),
        *outputs,
        _delta({}, finish),
        _frame(choices=[], usage=usage(len(outputs))),
        event("[DONE]"),
    )
    return EncodedAnswer(messages, range(1, end), end, end + 2)


def whole(text: str) -> bytes:
    """The completion if no stream was requested."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return compact({**FRAME, "object": "chat.completion", "choices": choices, "usage": usage(1)}).encode()


def _delta(delta: Mapping[str, object], finish: str | None = None) -> bytes:
    return _frame(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def _frame(**more: object) -> bytes:
    return event(compact({**FRAME, **more}))


def usage(output: int) -> Mapping[str, int]:
    """The counts of an answer with so many tokens."""
    return {"prompt_tokens": 20, "completion_tokens": output, "total_tokens": 20 + output}


TOOL_CALL = {"index": 0, "id": "call_lab", "type": "function", "function": {"name": "count", "arguments": "{}"}}

DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    finishes=("stop", "length", "content_filter", "abort", "error"),
    errors={kind: event(compact({"error": error})) for kind, (_, error) in ERRORS.items()},
    ping=b":\n\n",  # llama.cpp's: a bare colon
    asides={
        "azure": _frame(choices=[], prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}]),
        "openrouter": b": OPENROUTER PROCESSING\n\n",
        "deepseek": b": keep-alive\n\n",
        "empty": _delta({"content": ""}),
        "role": _delta({"role": "assistant"}),
        "reasoning": _delta({"reasoning_content": "one after the other "}),
        "reasoning-short": _delta({"reasoning": "one after the other "}),
        "tool": _delta({"tool_calls": [TOOL_CALL]}),
    },
    kinds={"reasoning": "reasoning", "reasoning-short": "reasoning", "tool": "tool_call"},
    usage=(20, 1),
    garbled={
        "json": b'data: {"id":"chatcmpl-lab","choices":[{"index":0,"delta":{"content":\n\n',
        "shape": _frame(choices=7),
        "text": event("the cat sat on the wire"),
    },
)
