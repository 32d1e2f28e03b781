"""Cohere's chat of version 2: named events, one block of text, and the message's end with its reason and its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event
from monitor.lab.dialects.errors import ERRORS

WORDS: Mapping[str, str] = {"stop": "COMPLETE", "length": "MAX_TOKENS", "abort": "TIMEOUT", "error": "ERROR"}
"""OpenAI's finish reasons, which the lab's faults use, and Cohere's."""


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one delta a piece."""
    outputs = [_content({"text": piece}) for piece in pieces]
    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    counts = {"input_tokens": 20, "output_tokens": len(outputs)}
    usage = {"billed_units": counts, "tokens": counts}
    messages = (
        _event("message-start", id="29f14a5a-11de-4cae-9800-25e4747408ea", delta={"message": start}),
        _event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}}),
        *outputs,
        _event("content-end", index=0),
        _event("message-end", delta={"finish_reason": WORDS[finish], "usage": usage}),
    )
    return EncodedAnswer(messages, range(2, 2 + len(outputs)), len(messages) - 1)


def whole(text: str) -> bytes:
    """The message if no stream was requested."""
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return compact({"id": "29f14a5a-11de-4cae", "finish_reason": "COMPLETE", "message": message}).encode()


def _content(content: Mapping[str, object]) -> bytes:
    return _event("content-delta", index=0, delta={"message": {"content": content}})


def _tool(kind: str, **function: object) -> bytes:
    return _event(kind, index=0, delta={"message": {"tool_calls": {"type": "function", "function": function}}})


def _event(name: str, **more: object) -> bytes:
    return event(compact({"type": name, **more}), name=name)


CITATION = {"start": 0, "end": 1, "text": "1", "sources": [{"type": "document", "id": "doc:0"}], "type": "TEXT_CONTENT"}

DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream",
    finishes=tuple(WORDS),
    errors={kind: event(compact({"id": "lab", "message": error["message"]})) for kind, (_, error) in ERRORS.items()}
    | {"event": _event("error", message="the dice fell badly")},
    asides={
        "empty": _content({"text": ""}),
        "thinking": _content({"thinking": "one after the other "}),
        "plan": _event("tool-plan-delta", delta={"message": {"tool_plan": "I will count "}}),
        "tool-start": _tool("tool-call-start", name="count", arguments=""),
        "tool": _tool("tool-call-delta", arguments='{"to": 9}'),
        "tool-end": _event("tool-call-end", index=0),
        "citation": _event("citation-start", index=0, delta={"message": {"citations": CITATION}}),
        "citation-end": _event("citation-end", index=0),
        "debug": _event("debug", prompt="<|START_OF_TURN_TOKEN|>"),
    },
    kinds={"thinking": "reasoning", "plan": "reasoning", "tool-start": "tool_call", "tool": "tool_call"},
    usage=(20, 1),
    garbled={
        "json": b'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":\n\n',
        "shape": _event("content-delta", index=0, delta=7),
        "text": event("the cat sat on the wire"),
    },
)
