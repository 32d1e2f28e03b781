"""Gemini: SSE with CRLF; a text in every event, a finish reason and the counts in the last one, and no marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event, spaced

EOL = "\r\n"
WORDS: Mapping[str, str] = {
    "stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY", "abort": "MALFORMED_FUNCTION_CALL",
}  # fmt: skip
"""OpenAI's finish reasons, which the lab's faults use, and Gemini's."""
ERRORS: Mapping[str, tuple[int, str, str]] = {
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "rate_limited": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "quota": (400, "FAILED_PRECONDITION", "The free tier is not available here. Please enable billing."),
    "context_length": (400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens (8)."),
    "auth": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "not_found": (404, "NOT_FOUND", "models/lab is not found for API version v1beta"),
    "upstream": (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    "other": (500, "INTERNAL", "An internal error has occurred."),
}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one event a piece, and one that ends it."""
    outputs = [_event({"text": piece}) for piece in pieces]
    return EncodedAnswer(
        (*outputs, _event({"text": ""}, WORDS[finish], len(outputs))), range(len(outputs)), len(outputs)
    )


def whole(text: str) -> bytes:
    """The one response if no stream was requested."""
    return spaced(_frame({"text": text}, "STOP", 1)).encode()


def _event(part: Mapping[str, object], finish: str | None = None, tokens: int | None = None) -> bytes:
    return event(spaced(_frame(part, finish, tokens)), EOL)


def _frame(part: Mapping[str, object], finish: str | None, tokens: int | None) -> Mapping[str, object]:
    content = {"parts": [part], "role": "model"}
    candidate = {"content": content, **({"finishReason": finish} if finish else {}), "index": 0}
    counts = {"candidatesTokenCount": tokens, "totalTokenCount": 20 + tokens} if tokens is not None else {}
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 20, **counts},
        "modelVersion": "lab",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
    }


def _error(kind: str) -> Mapping[str, object]:
    code, status, message = ERRORS[kind]
    return {"error": {"code": code, "message": message, "status": status}}


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream",
    whole_type="application/json; charset=UTF-8",
    finishes=tuple(WORDS),
    errors={kind: event(compact(_error(kind)), EOL) for kind in ERRORS}
    | {"list": event(compact([_error("other")]), EOL)},
    asides={
        "empty": _event({"text": ""}),
        "thought": _event({"text": "one after the other ", "thought": True}),
        "signature": _event({"text": "", "thoughtSignature": "AY89a18iOcFus5wr5bW5xN6zZ4aU"}),
        "tool": _event({"functionCall": {"name": "count", "args": {"to": 9}}}),
        "code": _event({"executableCode": {"language": "PYTHON", "code": "print(9)"}}, "STOP"),
        "stop": _event({"text": ""}, "STOP"),
        "usage": event(spaced({"usageMetadata": {"promptTokenCount": 20}, "modelVersion": "lab"}), EOL),
    },
    kinds={"thought": "reasoning", "tool": "tool_call", "code": "tool_call"},
    usage=(20, 1),
    garbled={
        "json": b'data: {"candidates": [{"content": {"parts": [{"text":\r\n\r\n',
        "shape": event(spaced({"candidates": 7}), EOL),
        "text": event("the cat sat on the wire", EOL),
    },
)
