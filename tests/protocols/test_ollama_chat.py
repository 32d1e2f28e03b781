"""Ollama's own chat: output, thinking, tools, the last line, errors; after the vendor's documentation."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.ollama_chat import OLLAMA_CHAT
from monitor.protocols.shapes import FOREIGN
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "content": (
        '{"model":"m","created_at":"2026-11-22T22:10:00Z","message":{"role":"assistant","content":"Hi"},"done":false}',
        [Output("Hi")],
    ),
    "thinking": ('{"message":{"content":"","thinking":"hm"},"done":false}', [Output("hm", Part.REASONING)]),
    "both": ('{"message":{"content":"a","thinking":"b"}}', [Output("b", Part.REASONING), Output("a")]),
    "an empty piece": ('{"model":"m","message":{"role":"assistant","content":""},"done":false}', [Meta(model="m")]),
    "a tool call": (
        '{"message":{"content":"","tool_calls":[{"function":{"name":"count","arguments":{"to":9}}}]},"done":false}',
        [Output('{"to":9}', Part.TOOL_CALL)],
    ),
    "no tool calls": ('{"message":{"content":"a","tool_calls":null},"done":false}', [Output("a")]),
    "the last line": (
        '{"model":"m","message":{"content":""},"done_reason":"stop","done":true,"prompt_eval_count":20,"eval_count":41}',
        [Meta(model="m", usage=Usage(20, 41)), Finish("stop")],
    ),
    "the last line with output": (
        '{"message":{"content":"."},"done":true}',
        [Output("."), Meta(usage=Usage()), Finish()],
    ),
    "the last line without a message": ('{"done":true}', [Meta(usage=Usage()), Finish()]),
    "the token limit": (
        '{"message":{"content":""},"done_reason":"length","done":true}',
        [Meta(usage=Usage()), Finish("length", Stop.LENGTH)],
    ),
    "a model that was only loaded": (
        '{"message":{"content":""},"done_reason":"load","done":true}',
        [Meta(usage=Usage()), Finish("load")],
    ),
    "an error": ('{"error":"model runner has stopped"}', [Failure(Fault.OTHER, "model runner has stopped")]),
    "an error that is none": ('{"error":""}', [FOREIGN]),
    "an unknown model": ('{"error":"model \\"m\\" not found"}', [Failure(Fault.NOT_FOUND, 'model "m" not found')]),
    "no error": ('{"error":null,"message":{"content":"a"}}', [Output("a")]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Content, thinking and tool calls are output; `done` is the end, with the counts before it."""
    assert list(OLLAMA_CHAT.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["[DONE]", '{"message":7}'])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(OLLAMA_CHAT.interpret(Message(data, 0)))


def test_the_request() -> None:
    """Tokens and temperature are options, to which the target's own are added."""
    target = Target("one", "ollama-chat", "http://127.0.0.1/", model="m", body={"options": {"seed": 1}})
    request = OLLAMA_CHAT.request(target, "count")
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "options": {"num_predict": 400, "temperature": 0.0, "seed": 1},
    }
    assert request.headers["Accept"] == "application/x-ndjson"
