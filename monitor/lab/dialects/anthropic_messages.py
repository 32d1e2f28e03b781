"""Anthropic's messages: named events, one block of text, a stop reason, and the message's own stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event, spaced
from monitor.lab.dialects.errors import ERRORS

WORDS: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens"}
"""OpenAI's finish reasons, which the lab's faults use, and Anthropic's."""
TYPES: Mapping[str, str] = {
    "overloaded": "overloaded_error",
    "rate_limited": "rate_limit_error",
    "quota": "billing_error",
    "context_length": "invalid_request_error",
    "auth": "authentication_error",
    "not_found": "not_found_error",
}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one delta a piece."""
    outputs = [_delta({"type": "text_delta", "text": piece}) for piece in pieces]
    usage = {"input_tokens": 20, "output_tokens": 1}
    start = {"id": "msg_lab", "type": "message", "role": "assistant", "content": [], "model": "lab", "usage": usage}
    messages = (
        _event("message_start", message=start),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *outputs,
        _event("content_block_stop", index=0),
        _event(
            "message_delta",
            delta={"stop_reason": WORDS[finish], "stop_sequence": None},
            usage={"output_tokens": len(outputs)},
        ),
        _event("message_stop"),
    )
    return EncodedAnswer(messages, range(2, 2 + len(outputs)), len(messages) - 1)


def whole(text: str) -> bytes:
    """The message if no stream was requested."""
    content = [{"type": "text", "text": text}]
    return compact({"id": "msg_lab", "type": "message", "role": "assistant", "content": content}).encode()


def _delta(delta: Mapping[str, object]) -> bytes:
    return _event("content_block_delta", index=0, delta=delta)


def _event(name: str, **more: object) -> bytes:
    return event(spaced({"type": name, **more}), name=name)


def _error(kind: str) -> bytes:
    return _event("error", error={"type": TYPES.get(kind, "api_error"), "message": ERRORS[kind][1]["message"]})


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    finishes=tuple(WORDS),
    errors={kind: _error(kind) for kind in ERRORS},
    ping=_event("ping"),
    asides={
        "empty": _delta({"type": "text_delta", "text": ""}),
        "thinking": _delta({"type": "thinking_delta", "thinking": "one after the other "}),
        "signature": _delta({"type": "signature_delta", "signature": "EqQBCgIYAhIM"}),
        "unknown": _event("content_block_note", note="of a later version"),
    },
    kinds={"thinking": "reasoning"},
    usage=(20, 1),
    garbled={
        "json": b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta":\n\n',
        "shape": _event("content_block_delta", index=0, delta=7),
        "text": event("the cat sat on the wire"),
    },
)
