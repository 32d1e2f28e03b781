"""Langchain-Chatchat 0.3 chat: OpenAI-shaped SSE with CRLF; the first delta is empty, and `[DONE]` never comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event, spaced
from monitor.lab.dialects.errors import ERRORS

EOL = "\r\n"
PING = b": ping - 2026-11-22 22:22:07.102944\r\n\r\n"
EMPTY: Mapping[str, Any] = {"function_call": None, "refusal": None, "role": None, "tool_calls": None}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one delta a piece."""
    outputs = [_delta(piece) for piece in pieces]
    end = 1 + len(outputs)
    return EncodedAnswer((_delta("", role="assistant"), *outputs, _delta(None, finish)), range(1, end), end)


def whole(text: str) -> bytes:
    """The completion if no stream was requested."""
    message = {"role": "assistant", "content": text}
    choices = [{"finish_reason": "stop", "index": 0, "message": message}]
    return compact({"id": "chatcmpl-lab", "choices": choices, "object": "chat.completion"}).encode()


def route_frame(content: str, **more: object) -> bytes:
    """A frame of the routes that build their own: the agent's and the knowledge base's."""
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
    return event(spaced(frame), EOL)


def route_whole(text: str, **more: object) -> bytes:
    """The completion of these routes if no stream was requested."""
    message = {"role": "assistant", "content": text, "finish_reason": "stop", "tool_calls": []}
    return spaced({"id": "chatlab", "object": "chat.completion", **more, "choices": [{"message": message}]}).encode()


def failure(text: str) -> bytes:
    """How every 0.3 route reports what its generator caught: by the exception's text, which may be empty."""
    return event(spaced({"error": text}), EOL)


def failures() -> Mapping[str, bytes]:
    """The error object for each cause, worded as its OpenAI client words it; `empty` has no words at all."""
    worded = {kind: failure(f"Error code: {status} - {{'error': {error}}}") for kind, (status, error) in ERRORS.items()}
    own = {kind: failure(str(ERRORS[kind][1]["message"])) for kind in ("upstream", "other")}
    return {**worded, **own, "empty": failure("")}


def _delta(content: str | None, finish: str | None = None, role: str | None = None) -> bytes:
    delta = {"content": content, **EMPTY, "role": role}
    frame = {
        "id": "chatcmpl-lab",
        "choices": [{"delta": delta, "finish_reason": finish, "index": 0, "logprobs": None}],
        "created": 1700000000,
        "model": "lab",
        "object": "chat.completion.chunk",
        "service_tier": None,
        "system_fingerprint": None,
        "usage": None,
        "message_id": None,
        "status": None,
    }
    return event(compact(frame), EOL)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    finishes=("stop", "length", "content_filter", "abort"),  # passed on from the server behind it
    errors=failures(),
    ping=PING,
    asides={"empty": _delta(""), "role": _delta("", role="assistant")},
    garbled={
        "json": b'data: {"id":"chatcmpl-lab","choices":[{"delta":{"content":\r\n\r\n',
        "shape": event(compact({"choices": 7}), EOL),
        "text": event("the cat sat on the wire", EOL),
    },
)
