"""Cohere's chat of version 2: text, thinking, plans, tools, citations, every end, errors; after its documentation."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.cohere_v2 import COHERE_V2
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target

SAID = '{"type":"%s","index":0,"delta":{"message":%s}}'
END = '{"type":"message-end","delta":{"finish_reason":"%s"}}'
REASONS = {
    "COMPLETE": Stop.COMPLETE,
    "STOP_SEQUENCE": Stop.COMPLETE,
    "TOOL_CALL": Stop.COMPLETE,
    "MAX_TOKENS": Stop.LENGTH,
    "ERROR": Stop.ABORT,
    "TIMEOUT": Stop.ABORT,
    "ERROR_TOXIC": Stop.CONTENT_FILTER,
    "OF_A_LATER_VERSION": Stop.COMPLETE,
}
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "the start": ('{"type":"message-start","id":"1","delta":{"message":{"role":"assistant","content":[]}}}', [Meta()]),
    "a block": (SAID % ("content-start", '{"content":{"type":"text","text":""}}'), [Meta()]),
    "a block with text": (SAID % ("content-start", '{"content":{"type":"text","text":"a"}}'), [Output("a")]),
    "text": (SAID % ("content-delta", '{"content":{"text":"LL"}}'), [Output("LL")]),
    "empty text": (SAID % ("content-delta", '{"content":{"text":""}}'), [Meta()]),
    "thinking": (SAID % ("content-delta", '{"content":{"thinking":"hm"}}'), [Output("hm", Part.REASONING)]),
    "a block's end": ('{"type":"content-end","index":0}', [Meta()]),
    "a plan": (SAID % ("tool-plan-delta", '{"tool_plan":"I will"}'), [Output("I will", Part.REASONING)]),
    "an empty plan": (SAID % ("tool-plan-delta", '{"tool_plan":""}'), [Meta()]),
    "a tool call": (
        SAID % ("tool-call-start", '{"tool_calls":{"id":"c","function":{"name":"f","arguments":""}}}'),
        [Output("", Part.TOOL_CALL)],
    ),
    "a tool's arguments": (
        SAID % ("tool-call-delta", '{"tool_calls":{"function":{"arguments":"{\\"to"}}}'),
        [Output('{"to', Part.TOOL_CALL)],
    ),
    "a tool call's end": ('{"type":"tool-call-end","index":0}', [Meta()]),
    "a citation": (SAID % ("citation-start", '{"citations":{"start":5,"end":7,"text":"x"}}'), [Meta()]),
    "a type of a later version": ('{"type":"content-note","note":1}', [Meta(foreign=True)]),
    "the end": (
        """{"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {
        "billed_units": {"input_tokens": 3, "output_tokens": 41},
        "tokens": {"input_tokens": 71, "output_tokens": 41}}}}""",
        [Meta(usage=Usage(71, 41)), Finish("COMPLETE")],
    ),
    **{reason: (END % reason, [Meta(), Finish(reason, stop)]) for reason, stop in REASONS.items()},
    "an end with what went wrong": (
        '{"type":"message-end","delta":{"finish_reason":"ERROR","error":"internal"}}',
        [Meta(), Finish("ERROR", Stop.ABORT, words="internal")],
    ),
    "an end without a reason": ('{"type":"message-end"}', [Meta(), Finish()]),
    "an error": ('{"id":"1","message":"too many requests"}', [Failure(Fault.RATE_LIMITED, "too many requests")]),
    "a gateway's error": ('{"error":{"message":"Overloaded"}}', [Failure(Fault.OVERLOADED, "Overloaded")]),
    "an error by its type": ('{"type":"error","error":{"message":"boom"}}', [Failure(Fault.OTHER, "boom")]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Deltas are output, other events are not, and only the message's own end is one."""
    assert list(COHERE_V2.interpret(Message(data, 0))) == events


def test_the_name_stands_in_for_the_type() -> None:
    """The name of an event replaces a missing type; an event named `error` may hold plain text."""
    assert list(COHERE_V2.interpret(Message('{"index":0}', 0, "content-end"))) == [Meta()]


@pytest.mark.parametrize(
    "data",
    [
        '{"type":"content-delta","delta":7}',
        '{"type":"message-end","delta":7}',
    ],
)  # fmt: skip
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(COHERE_V2.interpret(Message(data, 0)))


def test_the_request() -> None:
    """One user message, as in OpenAI's."""
    target = Target("one", "cohere-v2", "http://127.0.0.1/v2/chat", model="m")
    assert json.loads(COHERE_V2.request(target, "count").body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "max_tokens": 400,
        "temperature": 0.0,
    }
