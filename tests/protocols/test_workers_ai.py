"""Cloudflare Workers AI: text, tool calls, usage, the only end, errors."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.workers_ai import WORKERS_AI
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "a piece": ('{"response":"Hi","p":"abc"}', [Output("Hi")]),
    "an empty piece": ('{"response":""}', [Meta()]),
    "no text": ('{"response":null}', [Meta()]),
    "a tool call": ('{"response":null,"tool_calls":[{"name":"count","arguments":{}}]}', [
        Output("", Part.TOOL_CALL),
    ]),
    "the usage": ('{"response":"","usage":{"prompt_tokens":3,"completion_tokens":4}}', [Meta(usage=Usage(3, 4))]),
    "nothing of it": ('{"a":1}', [Meta(foreign=True)]),
    "the end": ("[DONE]", [Finish(shared=True)]),
    "OpenAI's chunk": ('{"choices":[{"index":0,"delta":{"content":"a"}}]}', [Output("a")]),
    "OpenAI's end": ('{"choices":[{"delta":{},"finish_reason":"length"}]}', [Meta(), Finish("length", Stop.LENGTH)]),
    "a reason of its own": ('{"response":"","finish_reason":"stop"}', [Meta(), Finish("stop")]),
    "another's response": ('{"type":"response.created","response":{"id":"r"}}', [Meta(foreign=True)]),
    "usage alone": ('{"usage":{"prompt_tokens":1}}', [Meta(foreign=True, usage=Usage(1))]),
    "an error": ('{"error":"boom"}', [Failure(Fault.OTHER, "boom")]),
    "a list of errors": ('{"errors":[{"code":3040,"message":"Capacity temporarily exceeded"}],"success":false}', [
        Failure(Fault.OVERLOADED, "Capacity temporarily exceeded", None, "3040"),
    ]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """A response is output, and `[DONE]` the only end."""
    assert list(WORKERS_AI.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["text", "{", '{"tool_calls":7}'])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(WORKERS_AI.interpret(Message(data, 0)))


def test_the_request() -> None:
    """The model is in the URL, and not in the body."""
    sent = json.loads(WORKERS_AI.request(Target("one", "workers-ai", "http://x/", "m"), "count").body)
    assert sent == {
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "max_tokens": 400,
        "temperature": 0.0,
    }
