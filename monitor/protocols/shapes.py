"""Shapes that several protocols share: JSON frames, the OpenAI chunk, errors and what they are about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from monitor.stream.events import Event, Failure, Fault, Finish, Meta, Output, Part, Stop, Usage
from monitor.target import Target

_STOPS: Mapping[Stop, tuple[str, ...]] = {
    Stop.LENGTH: (
        "length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "pause_turn",
        "incomplete",
    ),
    Stop.CONTENT_FILTER: ("content_filter", "content_filtered", "safety", "sensitive"),
    Stop.REFUSAL: ("refusal",),
    Stop.ABORT: (
        "abort", "aborted", "error", "timeout", "cancelled", "canceled", "failed",
        "insufficient_system_resource", "network_error",
    ),
}  # fmt: skip
_STOP_OF = {word: stop for stop, words in _STOPS.items() for word in words}


def load(text: str) -> dict[str, object]:
    """Return the JSON object that `text` holds; ValueError or TypeError where it holds none."""
    return as_object(load_any(text))


def load_any(text: str) -> object:
    """Return the JSON value that `text` holds; ValueError where it holds none."""
    try:
        return _quick(text)
    except (msgspec.DecodeError, RecursionError):
        return _patient(text)


_quick = msgspec.json.Decoder().decode
"""Takes a third of the time, and refuses some of what `_patient` reads: lone surrogates, NaN, numbers out of range."""


def _patient(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def as_object(value: object) -> dict[str, object]:
    """Return `value` if it is an object, else raise TypeError."""
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def as_list(value: object) -> list[object]:
    """Return `value` if it is a list, else raise TypeError."""
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def as_text(value: object) -> str:
    """Return `value` if it is a string, "" for null, else raise TypeError."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def as_count(value: object) -> int | None:
    """Return `value` if it counts something, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def chatchat_query(target: Target, prompt: str) -> dict[str, object]:
    """Return the body of a question to Langchain-Chatchat 0.2, where `max_tokens` and more came with later releases."""
    return {
        "query": prompt,
        "history": [],
        "stream": True,
        "model_name": target.model,
        "temperature": target.temperature,
        "max_tokens": target.max_tokens,
        "prompt_name": "default",
    }


def chatchat_frame(frame: Mapping[str, object]) -> Iterator[Event]:
    """Read one object of Langchain-Chatchat 0.2: `text` or `answer` is output, an agent's `final_answer` repeats it."""
    if "error" in frame:
        yield failure(frame["error"])
        return
    if text := as_text(frame.get("text")) or as_text(frame.get("answer")):
        yield Output(text)
    elif text := as_text(frame.get("final_answer")):
        yield Output(text, repeats=True)
    elif not any(key in frame for key in ("text", "answer", "final_answer", "docs", "tools")):
        raise KeyError("text")
    else:
        yield Meta()


def openai_frame(frame: Mapping[str, object]) -> Iterator[Event]:
    """Read one `chat.completion.chunk`; KeyError where it is none."""
    if (error := error_in(frame)) is not None:
        yield failure(error)
        return
    usage = openai_usage(frame["usage"]) if "usage" in frame else None
    choices = as_list((frame["choices"] if usage is None else frame.get("choices")) or [])
    silent: list[int | None] = []  # choices that neither spoke nor finished
    finishes: list[Finish] = []
    for choice in map(as_object, choices):
        index = as_count(choice.get("index")) or 0
        pieces = openai_delta(as_object(choice.get("delta") or {}), index)
        yield from pieces
        if choice.get("error") is not None:  # as OpenRouter has it
            yield failure(choice["error"])
        if reason := as_text(choice.get("finish_reason")):
            finishes.append(Finish(reason, stop_of(reason), index))
        elif not pieces:
            silent.append(index)
    if usage is not None or not choices or finishes:
        silent = silent or [None]
    for quiet in silent:
        yield Meta(model=as_text(frame.get("model")) or None, usage=usage, choice=quiet)
    yield from finishes


def stop_of(reason: str | None) -> Stop:
    """Return what a finish reason means, in the words of OpenAI and of those who speak its shape.

    vLLM, SGLang and OpenRouter abort; DeepSeek lacks resources; Mistral, Zhipu and translating gateways have words of
    their own. Any other word is a complete answer.
    """
    return _STOP_OF.get(reason.casefold(), Stop.COMPLETE) if reason else Stop.COMPLETE


def openai_delta(delta: Mapping[str, object], choice: int) -> Sequence[Output]:
    """Return the output of one delta: reasoning, text, refusal, tool calls; nothing for a role or an empty piece."""
    text = delta.get("content")
    if len(delta) == 1 and isinstance(text, str) and text:  # as nearly every delta is
        return (Output(text, Part.CONTENT, choice),)
    return list(_delta(delta, choice))


def _delta(delta: Mapping[str, object], choice: int) -> Iterator[Output]:
    if reasoning := as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning")):
        yield Output(reasoning, Part.REASONING, choice)
    content = delta.get("content")
    if isinstance(content, list):
        yield from _parts(content, choice)
    elif text := as_text(content):
        yield Output(text, Part.CONTENT, choice)
    if refusal := as_text(delta.get("refusal")):
        yield Output(refusal, Part.REFUSAL, choice)
    for call in map(as_object, as_list(delta.get("tool_calls") or [])):
        yield from _call(call.get("function"), call.get("id"), choice)
    yield from _call(delta.get("function_call"), None, choice)


def _parts(content: list[object], choice: int) -> Iterator[Output]:
    """Return the output of content given as a list of typed parts (Mistral)."""
    for part in map(as_object, content):
        thinking = part.get("type") == "thinking"
        inner = part.get("thinking") if thinking else part.get("text")
        pieces = [as_object(it).get("text") for it in inner] if isinstance(inner, list) else [inner]
        if text := "".join(map(as_text, pieces)):
            yield Output(text, Part.REASONING if thinking else Part.CONTENT, choice)


def _call(function: object, call: object, choice: int) -> Iterator[Output]:
    """Return a piece of a tool call: its id, its name or some of its arguments; nothing for an empty one."""
    called = as_object(function or {})
    arguments = as_text(called.get("arguments"))
    if arguments or called.get("name") or call:
        yield Output(arguments, Part.TOOL_CALL, choice)


def openai_usage(usage: object) -> Usage | None:
    """Return the tokens that an OpenAI `usage` object counts; None where there is none."""
    if usage is None:
        return None
    counted = as_object(usage)
    details = counted.get("completion_tokens_details")
    return Usage(
        as_count(counted.get("prompt_tokens")),
        as_count(counted.get("completion_tokens")),
        as_count(details.get("reasoning_tokens")) if isinstance(details, dict) else None,
    )


def failure(error: object) -> Failure:
    """Return the failure that an error value tells of: a text, or an object with message (or msg), type and code."""
    if isinstance(error, Mapping):
        inner = error.get("error")
        if isinstance(inner, (Mapping, str)) and "message" not in error:
            return failure(inner)
        message, kind, code = (_word(error.get(key)) for key in ("message", "type", "code"))
        code = code or _word(error.get("status"))
        message = message or _word(error.get("msg"))
        return Failure(fault_of(message or "", kind, code), message or "", kind, code)
    message = error if isinstance(error, str) else _word(error) or ""
    return Failure(fault_of(message), message)


def error_in(frame: Mapping[str, object]) -> object | None:
    """Return the error that a frame tells of in any of the ways that servers of this shape have; None without one.

    An `error`, as OpenAI has it; `"object": "error"`, as vLLM had; an `error_code`, as FastChat has.
    """
    if frame.get("error") is not None:
        return frame["error"]
    if frame.get("object") == "error" or frame.get("error_code"):
        return {
            "message": frame.get("message") or frame.get("text"),
            "code": frame.get("code") or frame.get("error_code"),
        }
    return None


def named_error(data: str) -> Failure:
    """Return the failure that an event named `error` tells of: JSON of any shape, or plain text."""
    try:
        frame = load(data)
    except (ValueError, TypeError):
        return failure(data)
    return failure(error_in(frame) or frame)


def _word(value: object) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    return str(value) or None


_BY_CODE: Mapping[str, Fault] = {
    "401": Fault.AUTH, "402": Fault.QUOTA, "403": Fault.AUTH, "404": Fault.NOT_FOUND, "410": Fault.NOT_FOUND,
    "429": Fault.RATE_LIMITED, "502": Fault.UPSTREAM, "503": Fault.OVERLOADED, "504": Fault.UPSTREAM,
    "529": Fault.OVERLOADED,
}  # fmt: skip
_OPENAI_CLIENT_5XX = r"\bError code: 5\d\d"
"""What openai's client says of an answer from the server that it asked, so of an upstream."""
_WORDS: tuple[tuple[Fault, tuple[str, ...]], ...] = (
    (Fault.QUOTA, (r"insufficient[_ ](quota|balance|credits|funds)", "quota", "billing", r"payment[_ ]required")),
    (Fault.RATE_LIMITED, (r"rate[_ -]?limit", "too many requests", "throttl", "resource_exhausted", r"\b429\b")),
    (
        Fault.CONTEXT_LENGTH,
        (r"context[_ -]?(length|window|size)", "maximum context", "exceed_context", "exceeds? the .*context",
         "prompt is too long", "token count .*exceeds", r"must have less than \d+ tokens",
         r"tokens \+ `max_new_tokens`"),
    ),
    (Fault.OVERLOADED, ("overload", "unavailable", "capacity", "server (is )?busy", r"\b(503|529)\b")),
    (
        Fault.AUTH,
        ("authentication", "unauthori[sz]ed", r"invalid[_ ](api[_ ])?key", "incorrect api key", "api key not valid",
         "permission", "forbidden", r"\b40[13]\b"),
    ),
    (Fault.NOT_FOUND, (r"not[_ ]found", "no such", "does not exist", "unknown model", r"\b404\b")),
    (
        Fault.UPSTREAM,
        ("upstream", "connect", "peer closed", "incomplete (chunked )?read", "payload is not completed", "gateway",
         "unexpected eof", "broken pipe", "runner process", "socket hang up", "premature close", "econnreset",
         "timed? ?out", _OPENAI_CLIENT_5XX, r"\b50[24]\b"),
    ),
)  # fmt: skip
_BY_WORDS = tuple((fault, re.compile("|".join(words), re.IGNORECASE)) for fault, words in _WORDS)


def fault_of(message: str, kind: str | None = None, code: str | None = None) -> Fault:
    """Say what an error is about: by the words of its type and code, then by its status code, then by its message."""
    words = f"{kind or ''} {code or ''}"
    for fault, pattern in _BY_WORDS:
        if pattern.search(words):
            return fault
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    for fault, pattern in _BY_WORDS:
        if pattern.search(message):
            return fault
    return Fault.OTHER
