"""Anthropic's messages: blocks of text, thinking and tools, the reason, the stop, errors after a 200."""

from __future__ import annotations

import json

import pytest

from monitor.lab.dialects.anthropic_messages import encode
from monitor.protocols.anthropic_messages import ANTHROPIC_MESSAGES
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target
from tests.protocols.replay import decoded, judged

DELTA = '{"type":"content_block_delta","index":0,"delta":%s}'
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "the start": (
        '{"type":"message_start","message":{"model":"m","content":[],"usage":{"input_tokens":25,"output_tokens":1}}}',
        [Meta(model="m", usage=Usage(25), choice=0)],
    ),
    "the start without counts": (
        '{"type":"message_start","message":{"model":"m"}}',
        [Meta(model="m", choice=0)],
    ),
    "a block of text": (
        '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        [Meta(choice=0), Meta(choice=1)],
    ),
    "a tool call": (
        '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}',
        [Meta(choice=0), Meta(choice=2), Output("", Part.TOOL_CALL)],
    ),
    "a ping": ('{"type": "ping"}', [Meta(ping=True)]),
    "text": (DELTA % '{"type":"text_delta","text":"Hello"}', [Output("Hello")]),
    "empty text": (DELTA % '{"type":"text_delta","text":""}', [Meta()]),
    "thinking": (DELTA % '{"type":"thinking_delta","thinking":"hm"}', [Output("hm", Part.REASONING)]),
    "a tool's arguments": (
        DELTA % '{"type":"input_json_delta","partial_json":"{\\"to"}',
        [Output('{"to', Part.TOOL_CALL)],
    ),
    "a signature": (DELTA % '{"type":"signature_delta","signature":"Eq"}', [Meta()]),
    "a block's stop": ('{"type":"content_block_stop","index":0}', [Finish(choice=1)]),
    "the reason": (
        '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}',
        [Meta(reason="end_turn", stop=Stop.COMPLETE, usage=Usage(output=15))],
    ),
    "the limit": (
        '{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}',
        [Meta(reason="max_tokens", stop=Stop.LENGTH)],
    ),
    "a pause": (
        '{"type":"message_delta","delta":{"stop_reason":"pause_turn"}}',
        [Meta(reason="pause_turn", stop=Stop.LENGTH)],
    ),
    "a refusal": (
        '{"type":"message_delta","delta":{"stop_reason":"refusal"}}',
        [Meta(reason="refusal", stop=Stop.REFUSAL)],
    ),
    "no reason yet": ('{"type":"message_delta","delta":{"stop_reason":null}}', [Meta()]),
    "the stop": ('{"type":"message_stop"}', [Finish()]),
    "an error": (
        '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        [Failure(Fault.OVERLOADED, "Overloaded", "overloaded_error")],
    ),
    "another error": (
        '{"type":"error","error":{"type":"api_error","message":"Internal"}}',
        [Failure(Fault.OTHER, "Internal", "api_error")],
    ),
    "a gateway's error": ('{"error":{"message":"Overloaded"}}', [Failure(Fault.OVERLOADED, "Overloaded")]),
    "a type of a later version": ('{"type":"content_block_note","note":1}', [Meta(foreign=True)]),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Deltas are output, other events are not, and only the message's own stop ends choice 0."""
    assert list(ANTHROPIC_MESSAGES.interpret(Message(data, 0))) == events


def test_the_name_stands_in_for_the_type() -> None:
    """The name of an event replaces a missing type in its data."""
    assert list(ANTHROPIC_MESSAGES.interpret(Message("{}", 0, "message_stop"))) == [Finish()]


@pytest.mark.parametrize("data", ["[DONE]", DELTA % "7"])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(ANTHROPIC_MESSAGES.interpret(Message(data, 0)))


def test_a_block_left_open_is_incomplete() -> None:
    """The message's stop alone does not make it whole."""
    messages = encode(("1\n",)).messages
    open_block = b"".join(message for message in messages if b"content_block_stop" not in message)
    head = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    verdicts = [
        judged(ANTHROPIC_MESSAGES, decoded(ANTHROPIC_MESSAGES, body, head), Ending(EndKind.COMPLETE, 1.0))
        for body in (b"".join(messages), open_block)
    ]
    assert [(verdict.outcome, verdict.cause) for verdict in verdicts] == [("ok", None), ("truncated", "no_terminator")]


def test_the_request() -> None:
    """The key has its own header, and the version is sent."""
    request = ANTHROPIC_MESSAGES.request(Target("one", "anthropic-messages", "http://127.0.0.1/", model="m"), "count")
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "max_tokens": 400,
        "temperature": 0.0,
    }
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert ANTHROPIC_MESSAGES.auth == ("x-api-key", "{}")
