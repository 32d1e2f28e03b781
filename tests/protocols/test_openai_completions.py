"""OpenAI's legacy completions: text, finish reasons of every choice, usage, marker, errors."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.openai_completions import OPENAI_COMPLETIONS
from monitor.stream.events import Done, Event, Failure, Fault, Finish, Message, Meta, Output, Stop, Usage
from monitor.target import Target

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "a piece": ('{"choices":[{"index":0,"text":"Hi","finish_reason":null}]}', [Output("Hi")]),
    "an empty piece": ('{"choices":[{"text":""}]}', [Meta()]),
    "of the second choice": ('{"choices":[{"index":1,"text":"a"}]}', [Output("a", choice=1)]),
    "text and reason": (
        '{"model":"m","choices":[{"index":0,"text":"a","finish_reason":"length"}]}',
        [Output("a"), Meta(model="m"), Finish("length", Stop.LENGTH)],
    ),
    "an abort": ('{"choices":[{"text":"","finish_reason":"abort"}]}', [Meta(), Finish("abort", Stop.ABORT)]),
    "the usage": (
        '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
        [Meta(shared=True, usage=Usage(3, 4))],
    ),
    "the usage alone": ('{"usage":{"prompt_tokens":3,"completion_tokens":4}}', [Meta(foreign=True, usage=Usage(3, 4))]),
    "a chunk of the chat's": ('{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}', [Meta(foreign=True)]),
    "an error in a choice": (
        '{"choices":[{"text":"","finish_reason":"error","error":{"code":429,"message":"slow"}}]}',
        [Failure(Fault.RATE_LIMITED, "slow", None, "429"), Meta(), Finish("error", Stop.ABORT)],
    ),
    "nothing of it": ('{"a":1}', [Meta(foreign=True)]),
    "the marker": ("[DONE]", [Done()]),
    "an error": (
        '{"error":{"message":"overloaded","type":"x","code":503}}',
        [Failure(Fault.OVERLOADED, "overloaded", "x", "503")],
    ),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """A text is output, a finish reason the end of its choice, `[DONE]` the marker."""
    assert list(OPENAI_COMPLETIONS.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["text", '{"choices":7}', '{"choices":[7]}'])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(OPENAI_COMPLETIONS.interpret(Message(data, 0)))


def test_the_request() -> None:
    """The request has the unchanged prompt, and asks for the usage."""
    sent = json.loads(OPENAI_COMPLETIONS.request(Target("one", "openai-completions", "http://x/", "m"), "count").body)
    assert (sent["prompt"], sent["model"], sent["stream"]) == ("count", "m", True)
    assert sent["stream_options"] == {"include_usage": True}
