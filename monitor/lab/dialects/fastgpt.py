"""FastGPT with details: OpenAI's shape in named events, `stop` and `[DONE]`, and then what each node did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event
from monitor.lab.dialects.errors import ERRORS

TOOL: Mapping[str, object] = {"id": "call_lab", "toolName": "Count", "toolAvatar": "", "functionName": "count"}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one event a piece; the model's own finish reason is never passed on."""
    del finish
    outputs = [_answer({"role": "assistant", "content": piece}) for piece in pieces]
    messages = (
        _named("flowNodeStatus", {"status": "running", "name": "AI"}),
        *outputs,
        _answer({"role": "assistant", "content": None}, "stop"),
        event("[DONE]", name="answer"),
        _named("flowResponses", [{"nodeId": "lab", "moduleName": "AI", "moduleType": "chatNode", "runningTime": 0.9}]),
    )
    return EncodedAnswer(messages, range(1, 1 + len(outputs)), len(messages) - 2)


def whole(text: str) -> bytes:
    """The completion if no stream was requested."""
    choices = [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop", "index": 0}]
    return compact({"id": "", "model": "", "choices": choices}).encode()


def _answer(delta: Mapping[str, object], finish: str | None = None, name: str = "answer") -> bytes:
    choices = [{"delta": delta, "index": 0, "finish_reason": finish}]
    return _named(name, {"id": "", "object": "", "created": 0, "model": "", "choices": choices})


def _named(name: str, value: object) -> bytes:
    return event(compact(value), name=name)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream;charset=utf-8",
    errors={kind: _named("error", {"message": error["message"]}) for kind, (_, error) in ERRORS.items()}
    | {"status": _named("error", {"code": 504000, "statusText": "lab", "message": "chat.lab", "data": None})},
    asides={
        "empty": _answer({"role": "assistant", "content": ""}),
        "reasoning": _answer({"role": "assistant", "content": "", "reasoning_content": "one after the other "}),
        "unnamed": _answer({"role": "assistant", "content": ""}, name=""),
        "tool": _named("toolCall", {"tool": {**TOOL, "params": "", "response": ""}}),
        "tool-params": _named("toolParams", {"tool": {**TOOL, "params": '{"to": 9}', "response": ""}}),
        "tool-response": _named("toolResponse", {"tool": {**TOOL, "params": "", "response": "9"}}),
        "variables": _named("updateVariables", {"lab": 9}),
        "duration": _named("workflowDuration", {"durationSeconds": 0.9}),
    },
    kinds={"reasoning": "reasoning", "tool": "tool_call", "tool-params": "tool_call"},
    garbled={
        "json": b'event: answer\ndata: {"id":"","choices":[{"delta":{"content":\n\n',
        "shape": _named("answer", {"choices": 7}),
        "text": event("the cat sat on the wire", name="answer"),
    },
)
