"""Gemini: text, thoughts, calls, reasons that come early, filters, counts, errors; after the vendor's documentation."""

from __future__ import annotations

import json

import pytest

from monitor.judge.verdict import Verdict, judge
from monitor.lab.dialects.gemini import DIALECT, encode
from monitor.protocols.gemini import GEMINI, EventsOrArray
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.stream.framing import Rest
from monitor.stream.recorder import Recorder
from monitor.target import Target

PARTS = '{"candidates":[{"content":{"parts":%s,"role":"model"},"index":0}]}'
REASON = '{"candidates":[{"finishReason":"%s","index":0}]}'
REASONS = {
    "STOP": Stop.COMPLETE,
    "MAX_TOKENS": Stop.LENGTH,
    "SAFETY": Stop.CONTENT_FILTER,
    "RECITATION": Stop.CONTENT_FILTER,
    "BLOCKLIST": Stop.CONTENT_FILTER,
    "PROHIBITED_CONTENT": Stop.CONTENT_FILTER,
    "SPII": Stop.CONTENT_FILTER,
    "IMAGE_SAFETY": Stop.CONTENT_FILTER,
    "OTHER": Stop.ABORT,
    "LANGUAGE": Stop.ABORT,
    "MALFORMED_FUNCTION_CALL": Stop.ABORT,
    "UNEXPECTED_TOOL_CALL": Stop.ABORT,
    "OF_A_LATER_VERSION": Stop.ABORT,
}
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "text": (
        '{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],"usageMetadata":{"promptTokenCount":8},"modelVersion":"m"}',
        [Output("Hi"), Meta(model="m", usage=Usage(8))],
    ),
    "a thought": (PARTS % '[{"text":"hm","thought":true}]', [Output("hm", Part.REASONING), Meta()]),
    "no thought": (PARTS % '[{"text":"a","thought":false}]', [Output("a"), Meta()]),
    "several parts": (PARTS % '[{"text":"a"},{"text":"b"}]', [Output("a"), Output("b"), Meta()]),
    "an empty part": (PARTS % '[{"text":"","thoughtSignature":"AY89"}]', [Meta()]),
    "no parts": ('{"candidates":[{"content":{"role":"model"}}]}', [Meta()]),
    "no content": ('{"candidates":[{"index":0}]}', [Meta()]),
    "a function call": (
        PARTS % '[{"functionCall":{"name":"count","args":{"to":9}}}]',
        [Output('{"name":"count","args":{"to":9}}', Part.TOOL_CALL), Meta()],
    ),
    "code that it runs itself": (
        PARTS % '[{"executableCode":{"code":"print(9)"}},{"codeExecutionResult":{"output":"9"}}]',
        [Output('{"code":"print(9)"}', Part.TOOL_CALL), Meta()],
    ),
    "another candidate": (
        '{"candidates":[{"content":{"parts":[{"text":"b"}]},"index":1,"finishReason":"STOP"}]}',
        [Output("b", choice=1), Meta(), Finish("STOP", choice=1)],
    ),
    "the last event": (
        """{"candidates": [{"content": {"parts": [{"text": "."}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 6, "thoughtsTokenCount": 12}}""",
        [Output("."), Meta(usage=Usage(8, 18, 12)), Finish("STOP")],
    ),
    "thoughts alone, counted": (
        '{"usageMetadata":{"promptTokenCount":8,"thoughtsTokenCount":12}}',
        [Meta(usage=Usage(8, 12, 12))],
    ),
    "a reason that is none": (REASON % "FINISH_REASON_UNSPECIFIED", [Meta()]),
    **{reason: (REASON % reason, [Meta(), Finish(reason, stop)]) for reason, stop in REASONS.items()},
    "a blocked prompt": (
        '{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"modelVersion":"m"}',
        [Meta(model="m"), Finish("PROHIBITED_CONTENT", Stop.PROMPT_BLOCKED)],
    ),
    "a prompt that is not blocked": ('{"promptFeedback":{"safetyRatings":[]}}', [Meta()]),
    "an error": (
        '{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}',
        [Failure(Fault.OVERLOADED, "The model is overloaded.", None, "503")],
    ),
    "an error in a list": (
        '[{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}]',
        [Failure(Fault.RATE_LIMITED, "Resource has been exhausted", None, "429")],
    ),
    "a list without anything": ("[]", []),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Parts are output, counts are not, and any finish reason is an end."""
    assert list(GEMINI.interpret(Message(data, 0))) == events


@pytest.mark.parametrize(
    "data",
    [
        "[DONE]", '{"candidates":7}', '{"candidates":[{"content":7}]}', PARTS % "7",
        '{"promptFeedback":7}',
    ],
)  # fmt: skip
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(GEMINI.interpret(Message(data, 0)))


def verdict_on(*messages: bytes) -> Verdict:
    """Return the verdict on a clean stream of these messages, each in its own read."""
    line = Recorder(GEMINI.end_rule())
    line.connected, line.head = True, Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    for number, message in enumerate(messages, 1):
        line.arrived(float(number), 0.0, number)
        for event in GEMINI.interpret(Message(message.decode().removeprefix("data: "), number)):
            line.record(event, number)
    line.ending = Ending(EndKind.COMPLETE, 9.0)
    return judge(line.finish(), content_types=GEMINI.content_types)


STOPPED = DIALECT.asides["stop"]
FIRST, SECOND, LAST = encode(("1\n", "2\n")).messages
STREAMS: dict[str, tuple[tuple[bytes, ...], str]] = {
    "whole": ((FIRST, SECOND, LAST), "ok"),
    "a reason before any output": ((STOPPED, STOPPED, FIRST, LAST), "ok"),
    "a reason in the middle": ((FIRST, STOPPED, SECOND, LAST), "ok"),
    "a reason in the middle, and no other": ((FIRST, STOPPED, SECOND), "truncated/no_terminator"),
    "a filter that the last reason takes back": (
        (FIRST, encode((), "content_filter").messages[-1], SECOND, LAST),
        "ok",
    ),
    "a filter": ((FIRST, encode((), "content_filter").messages[-1]), "filtered/content_filter"),
    "counts behind the reason": ((FIRST, LAST, DIALECT.asides["usage"]), "ok"),
    "no reason": ((FIRST, SECOND), "truncated/no_terminator"),
    "a failure that is its reason": ((FIRST, encode((), "abort").messages[-1]), "truncated/server_abort"),
    "a reason and nothing else": ((STOPPED,), "empty/no_output"),
    "a blocked prompt": ((b'data: {"promptFeedback":{"blockReason":"SAFETY"}}',), "filtered/prompt_blocked"),
}


@pytest.mark.parametrize(("messages", "comes_to"), STREAMS.values(), ids=STREAMS.keys())
def test_only_the_last_reason_counts(messages: tuple[bytes, ...], comes_to: str) -> None:
    """Output after a reason takes the end back, until the next reason."""
    verdict = verdict_on(*messages)
    assert "/".join(filter(None, (verdict.outcome, verdict.cause))) == comes_to


def test_the_request() -> None:
    """Limits have their own table, merged with the target's; the key has its own header."""
    body = {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}
    target = Target("one", "gemini", "http://127.0.0.1/v1beta/models/m:streamGenerateContent", model="m", body=body)
    assert json.loads(GEMINI.request(target, "count").body) == {
        "contents": [{"role": "user", "parts": [{"text": "count"}]}],
        "generationConfig": {"maxOutputTokens": 400, "temperature": 0.0, "thinkingConfig": {"thinkingBudget": 0}},
    }
    assert GEMINI.auth == ("x-goog-api-key", "{}")


ARRAYS = {
    "an array": (b'[{"a":1}]', [Message('{"a":1}', 8)], Rest()),
    "an array that is not closed": (b' [{"a":1},', [Message('{"a":1}', 9)], Rest(inside=True)),
    "events": (b"\ndata: [1]\n\n", [Message("[1]", 10)], Rest()),
    "events after a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [Message("a", 10)], Rest()),
    "half an event": (b"data: a", [], Rest(Message("a", 7), inside=True)),
    "white space": (b"\n\n", [], Rest()),
    "white space before an array": (b"\t\r\n[{}]", [Message("{}", 6)], Rest()),
    "white space before events": (b"\n\tdata: a\n\n", [Message("a", 9)], Rest()),
}


@pytest.mark.parametrize(("data", "messages", "rest"), ARRAYS.values(), ids=ARRAYS.keys())
def test_the_first_byte_says_the_framing(data: bytes, messages: list[Message], rest: Rest) -> None:
    """A body that begins with a bracket is an array, any other is events, however it is split."""
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        framer = EventsOrArray(1 << 20)
        assert [message for piece in pieces for message in framer.feed(piece)] == messages
        assert framer.close() == rest


def test_an_element_past_the_limit() -> None:
    """The limit on one event holds for an element, too."""
    framer = EventsOrArray(8)
    assert framer.feed(b'[{"a":"bbbbbbbbb"}]') == []
    assert framer.too_large
