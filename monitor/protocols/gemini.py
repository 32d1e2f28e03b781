"""Gemini (`...:streamGenerateContent?alt=sse`), of the Gemini API and of Vertex AI: no marker, and ends said early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from monitor.protocols.base import Auth, Protocol, Request, json_request
from monitor.protocols.shapes import as_count, as_list, as_object, as_text, failure, load_any
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_FILTERED = (
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
)  # fmt: skip
_STOPS = {"STOP": Stop.COMPLETE, "MAX_TOKENS": Stop.LENGTH, **dict.fromkeys(_FILTERED, Stop.CONTENT_FILTER)}
_KEYS = frozenset({"candidates", "promptFeedback", "usageMetadata"})


def request(target: Target, prompt: str) -> Request:
    """Ask with one text; the model stands in the URL."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": prompt}]}],
        "generationConfig": {"maxOutputTokens": target.max_tokens, "temperature": target.temperature},
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event: a response or, as Google's errors come, a list of such objects."""
    said = load_any(message.data)
    for frame in map(as_object, said if isinstance(said, list) else [said]):
        yield from _frame(frame)


def _frame(frame: Mapping[str, object]) -> Iterator[Event]:
    """Read one response; any reason but `STOP` and those of limits and filters says that the answer failed."""
    if frame.get("error") is not None:
        yield failure(frame["error"])
        return
    if not _KEYS & frame.keys():
        raise KeyError("candidates")
    finishes: list[Finish] = []
    for candidate in map(as_object, as_list(frame.get("candidates") or [])):
        index = as_count(candidate.get("index")) or 0
        for part in map(as_object, as_list(as_object(candidate.get("content") or {}).get("parts") or [])):
            yield from _part(part, index)
        if reason := _word(candidate.get("finishReason")):
            finishes.append(Finish(reason, _STOPS.get(reason, Stop.ABORT), index))
    yield Meta(model=as_text(frame.get("modelVersion")) or None, usage=_usage(frame.get("usageMetadata")))
    if blocked := _word(as_object(frame.get("promptFeedback") or {}).get("blockReason")):
        yield Finish(blocked, Stop.PROMPT_BLOCKED)
    yield from finishes


def _part(part: Mapping[str, object], index: int) -> Iterator[Output]:
    if text := as_text(part.get("text")):
        yield Output(text, Part.REASONING if part.get("thought") is True else Part.CONTENT, index)
    for key in ("functionCall", "executableCode"):
        if part.get(key) is not None:
            yield Output(msgspec.json.encode(part[key]).decode(), Part.TOOL_CALL, index)


def _word(reason: object) -> str:
    """Return a reason; "" where there is none, which may be said as an unspecified one."""
    word = as_text(reason)
    return "" if word.endswith("_UNSPECIFIED") else word


def _usage(counted: object) -> Usage | None:
    """Return the tokens counted; thoughts are counted apart, and are output, too."""
    if counted is None:
        return None
    keys = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    read, written, thought = (as_count(as_object(counted).get(key)) for key in keys)
    output = None if written is None and thought is None else (written or 0) + (thought or 0)
    return Usage(read, output, thought)


GEMINI = Protocol(
    name="gemini",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    early=True,
    choices="generationConfig.candidateCount",
    auth=Auth("x-goog-api-key", "{}"),
    query={"alt": "sse"},
    paths=(":streamGenerateContent",),
    asked_at="`/v1beta/models/MODEL:streamGenerateContent?alt=sse` of the Gemini API and of Vertex AI",
    complete_when="the body's end, and the last `finishReason` is `STOP`",
    note="the key is `x-goog-api-key` (Vertex AI: `headers`); the model stands in the URL",
    example="made/gemini_whole",
    dialect="monitor.lab.dialects.gemini:SPEAKER",
)
