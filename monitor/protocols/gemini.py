"""Gemini (`...:streamGenerateContent`), of the Gemini API and of Vertex AI: no marker, and early ends.

With `alt=sse` it comes as events, without as one JSON array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Auth, Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import (
    an_object,
    as_arguments,
    as_count,
    as_list,
    as_object,
    as_text,
    as_word,
    load_any,
)
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.stream.framing import BOM, Rest
from monitor.stream.json_objects import JsonArray
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_NUMBERS = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST",
    "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL",
)  # fmt: skip
"""Finish reasons as the API's enumeration numbers them, for gateways that send the numbers."""
_KEYS = frozenset({"candidates", "promptFeedback", "usageMetadata"})


_BLANK = BOM + b" \t\r\n"


class EventsOrArray(ServerSentEvents):
    """A framer of events or, without `alt=sse` in the URL, of one JSON array: the first byte decides.

    White space before it is passed over.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._chosen = False
        self._array: JsonArray | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the events or elements that they complete."""
        if not self._chosen:
            rest = data.lstrip(_BLANK)
            self._start += len(data) - len(rest)
            data, self._chosen = rest, bool(rest)
            if rest.startswith(b"["):
                self._array = JsonArray(self._limit, self._start)
        if self._array is None:
            return super().feed(data)
        messages = self._array.feed(data)
        self.too_large = self._array.too_large
        return messages

    @property
    def held(self) -> int:
        """About how many bytes of memory the unfinished message takes."""
        return super().held if self._array is None else self._array.held

    def close(self) -> Rest:
        """Take the end of the stream and return what was left."""
        return super().close() if self._array is None else self._array.close()


def request(target: Target, prompt: str) -> Request:
    """Ask with one text; the model is in the URL."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": prompt}]}],
        "generationConfig": {"maxOutputTokens": target.max_tokens, "temperature": target.temperature},
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event: a response or, as Google's errors come, a list of such objects."""
    document = load_any(message.data)
    for frame in document if isinstance(document, list) else [document]:
        yield from _frame(an_object(frame))


def _frame(frame: Mapping[str, object]) -> Iterator[Event]:
    """Read one response; any reason except `STOP` and those of limits and filters means that the answer failed."""
    if (error := failure_in(frame)) is not None:
        yield error
        return
    if not _KEYS & frame.keys():
        yield FOREIGN
        return
    finishes: list[Finish] = []
    for candidate in map(as_object, as_list(frame.get("candidates"))):
        index = as_count(candidate.get("index")) or 0
        for part in map(as_object, as_list(as_object(candidate.get("content")).get("parts"))):
            yield from _part(part, index)
        if (reason := reason_of(candidate.get("finishReason"), _NUMBERS)) is not None:
            finishes.append(Finish(reason, _stop(reason), index, as_text(candidate.get("finishMessage"))))
    yield Meta(model=as_word(frame.get("modelVersion")), usage=_usage(frame.get("usageMetadata")))
    feedback = as_object(frame.get("promptFeedback"))
    if (blocked := reason_of(feedback.get("blockReason"))) is not None:
        yield Finish(blocked, Stop.PROMPT_BLOCKED, words=as_text(feedback.get("blockReasonMessage")))
    yield from finishes


def _stop(reason: str) -> Stop:
    return Stop.COMPLETE if reason.casefold() == "stop" else stop_of(reason, Stop.ABORT)


def _part(part: Mapping[str, object], index: int) -> Iterator[Output]:
    if text := as_text(part.get("text")):
        yield Output(text, Part.REASONING if part.get("thought") is True else Part.CONTENT, index)
    for key in ("functionCall", "executableCode"):
        if part.get(key) is not None:
            yield Output(as_arguments(part[key]), Part.TOOL_CALL, index)


def _usage(counted: object) -> Usage | None:
    """Return the tokens counted; thoughts are counted apart, and are output, too."""
    if not isinstance(counted, dict):
        return None
    keys = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    read, written, thought = (as_count(counted.get(key)) for key in keys)
    output = None if written is None and thought is None else (written or 0) + (thought or 0)
    return Usage(read, output, thought)


GEMINI = Protocol(
    name="gemini",
    framing=EventsOrArray,
    request=request,
    interpret=interpret,
    early=True,
    choices="generationConfig.candidateCount",
    auth=Auth("x-goog-api-key", "{}"),
    paths=(":streamGenerateContent",),
    asked_at="`/v1beta/models/MODEL:streamGenerateContent` of the Gemini API and of Vertex AI",
    complete_when="the body's end, and the last `finishReason` is `STOP`",
    note="the key is `x-goog-api-key` (Vertex AI: `headers`); the model is in the URL; "
    "`alt=sse` there gives events, without it one JSON array comes",
    example="made/gemini_whole",
    dialect="monitor.lab.dialects.gemini:DIALECT",
)
