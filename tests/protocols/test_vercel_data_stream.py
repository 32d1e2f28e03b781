"""Vercel's AI SDK, both versions: text, reasoning, tools, steps, the end, errors."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.vercel_data_stream import VERCEL_DATA_STREAM
from monitor.stream.events import Done, Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target

LINES: dict[str, tuple[str, list[Event]]] = {
    "a text": ('0:"Hi"', [Output("Hi")]),
    "an empty text": ('0:""', [Meta()]),
    "reasoning": ('g:"hm"', [Output("hm", Part.REASONING)]),
    "a tool call": ('9:{"toolCallId":"1","toolName":"count","args":{}}', [Output("", Part.TOOL_CALL)]),
    "a piece of one": ('c:{"toolCallId":"1","argsTextDelta":"{"}', [Output("{", Part.TOOL_CALL)]),
    "data": ('2:[{"a":1}]', [Meta()]),
    "the start": ('f:{"messageId":"1"}', [Meta()]),
    "the end of a step": ('e:{"finishReason":"stop","isContinued":false}', [Meta()]),
    "the end": (
        'd:{"finishReason":"stop","usage":{"promptTokens":3,"completionTokens":4}}',
        [Meta(usage=Usage(3, 4)), Finish("stop")],
    ),
    "a limit": ('d:{"finishReason":"length"}', [Meta(), Finish("length", Stop.LENGTH)]),
    "a filter": ('d:{"finishReason":"content-filter"}', [
        Meta(), Finish("content-filter", Stop.CONTENT_FILTER),
    ]),
    "an error": ('3:"boom"', [Failure(Fault.OTHER, "boom")]),
    "a delta": ('data: {"type":"text-delta","id":"0","delta":"Hi"}', [Output("Hi")]),
    "an empty delta": ('data: {"type":"text-delta","id":"0","delta":""}', [Meta()]),
    "a delta of reasoning": ('data: {"type":"reasoning-delta","id":"0","delta":"hm"}', [Output("hm", Part.REASONING)]),
    "a tool": ('data: {"type":"tool-input-start","toolCallId":"1"}', [Output("", Part.TOOL_CALL)]),
    "a type of the application's own": ('data: {"type":"data-weather","data":{}}', [Meta()]),
    "another protocol's event": ('data: {"type":"message_start"}', [Meta(foreign=True)]),
    "a step": ('data: {"type":"finish-step"}', [Meta()]),
    "the message's end": ('data: {"type":"finish"}', [Meta(), Finish()]),
    "aborted": ('data: {"type":"abort"}', [Finish("abort", Stop.ABORT)]),
    "a message's error": ('data: {"type":"error","errorText":"boom"}', [Failure(Fault.OTHER, "boom")]),
    "nothing of it": ('data: {"a":1}', [Meta(foreign=True)]),
    "the marker": ("data: [DONE]", [Done()]),
    "a comment": (": ping", [Meta(ping=True)]),
    "another field": ("event: message", [Meta(ping=True)]),
}  # fmt: skip


@pytest.mark.parametrize(("line", "events"), LINES.values(), ids=LINES.keys())
def test_lines(line: str, events: list[Event]) -> None:
    """Parts of version 4 and events of version 5 say the same things."""
    assert list(VERCEL_DATA_STREAM.interpret(Message(line, 0))) == events


@pytest.mark.parametrize("line", ["text", "<html>", "0:x", "0: spaced", "data: x", "d:[]", "2:x"])
def test_what_is_no_line(line: str) -> None:
    """Other lines raise what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(VERCEL_DATA_STREAM.interpret(Message(line, 0)))


def test_the_request() -> None:
    """The message has its text as version 4 sends it, and its parts as version 5 does."""
    target = Target("one", "vercel-data-stream", "http://x/", body={"model": "m"})
    sent = json.loads(VERCEL_DATA_STREAM.request(target, "count").body)
    assert sent["messages"][0]["content"] == sent["messages"][0]["parts"][0]["text"] == "count"
    assert sent["model"] == "m"
