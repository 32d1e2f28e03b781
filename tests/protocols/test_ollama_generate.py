"""Ollama's own completion: text, reasoning, the last line, errors."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.ollama_generate import OLLAMA_GENERATE
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "a piece": ('{"model":"m","response":"Hi","done":false}', [Output("Hi")]),
    "an empty piece": ('{"model":"m","response":"","done":false}', [Meta(model="m")]),
    "reasoning": ('{"response":"","thinking":"hm","done":false}', [Output("hm", Part.REASONING)]),
    "the last line": (
        '{"model":"m","response":"","done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}',
        [Meta(model="m", usage=Usage(3, 4)), Finish("stop")],
    ),
    "the last line without a text": ('{"done":true}', [Meta(usage=Usage()), Finish()]),
    "a last line with output, and a limit": (
        '{"response":"a","done":true,"done_reason":"length"}',
        [Output("a"), Meta(usage=Usage()), Finish("length", Stop.LENGTH)],
    ),
    "nothing of it": ('{"a":1}', [Meta(foreign=True)]),
    "an error": ('{"error":"model runner has unexpectedly stopped: unexpected EOF"}', [
        Failure(Fault.UPSTREAM, "model runner has unexpectedly stopped: unexpected EOF"),
    ]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """A response is output, `done` the end."""
    assert list(OLLAMA_GENERATE.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["text", "{"])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(OLLAMA_GENERATE.interpret(Message(data, 0)))


def test_the_request() -> None:
    """The prompt is one text, the limits are options."""
    sent = json.loads(OLLAMA_GENERATE.request(Target("one", "ollama-generate", "http://x/", "m"), "count").body)
    assert sent == {
        "model": "m",
        "prompt": "count",
        "stream": True,
        "options": {"num_predict": 400, "temperature": 0.0},
    }
