"""OpenAI's chat as many servers stream it: every message that was observed, and its events."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.openai_chat import OPENAI_CHAT
from monitor.stream.events import Done, Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "the role": (
        '{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"model":"gemma"}',
        [Meta(model="gemma", choice=0)],
    ),
    "text": ('{"choices":[{"index":0,"delta":{"content":"Write"},"finish_reason":null}]}', [Output("Write")]),
    "text of white space": ('{"choices":[{"index":0,"delta":{"content":"\\n"}}]}', [Output("\n")]),
    "LiteLLM's text with the role": (
        '{"choices":[{"index":0,"delta":{"content":"a","role":"assistant"}}]}',
        [Output("a")],
    ),
    "vLLM's reasoning": (
        '{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}',
        [Output("hm", Part.REASONING)],
    ),
    "a refusal": ('{"choices":[{"index":0,"delta":{"refusal":"no"}}]}', [Output("no", Part.REFUSAL)]),
    "the end": (
        '{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"timings":{"cache_n":25}}',
        [Meta(), Finish("stop")],
    ),
    "the limit": (
        '{"choices":[{"finish_reason":"length","index":0,"delta":{}}]}',
        [Meta(), Finish("length", Stop.LENGTH)],
    ),
    "vLLM's abort": (
        '{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"abort"}]}',
        [Meta(), Finish("abort", Stop.ABORT)],
    ),
    "SGLang's abort": (
        '{"choices":[{"index":0,"delta":{},"finish_reason":"ABORT"}]}',
        [Meta(), Finish("ABORT", Stop.ABORT)],
    ),
    "DeepSeek's lack of resources": (
        '{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"insufficient_system_resource"}]}',
        [Meta(), Finish("insufficient_system_resource", Stop.ABORT)],
    ),
    "a gateway's limit": (
        '{"choices":[{"index":0,"delta":{},"finish_reason":"max_tokens"}]}',
        [Meta(), Finish("max_tokens", Stop.LENGTH)],
    ),
    "a gateway's refusal": (
        '{"choices":[{"index":0,"delta":{},"finish_reason":"refusal"}]}',
        [Meta(), Finish("refusal", Stop.REFUSAL)],
    ),
    "an unknown reason": (
        '{"choices":[{"index":0,"delta":{},"finish_reason":"eos_token"}]}',
        [Meta(), Finish("eos_token")],
    ),
    "OpenRouter's error in a choice": (
        '{"choices":[{"delta":{},"finish_reason":"error","error":{"code":429,"message":"slow down"}}]}',
        [Failure(Fault.RATE_LIMITED, "slow down", None, "429"), Meta(), Finish("error", Stop.ABORT)],
    ),
    "a tool call of nothing": (
        '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":""}}]}}]}',
        [Meta(choice=0)],
    ),
    "a tool call's name": (
        '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"count","arguments":""}}]}}]}',
        [Output("", Part.TOOL_CALL)],
    ),
    "a function call of nothing": ('{"choices":[{"index":0,"delta":{"function_call":{}}}]}', [Meta(choice=0)]),
    "the usage": (
        '{"choices":[],"model":"m","usage":{"completion_tokens":6,"prompt_tokens":30,"total_tokens":36}}',
        [Meta(shared=True, model="m", usage=Usage(30, 6))],
    ),
    "no choices, as Go writes it": ('{"choices":null,"model":"m"}', [Meta(shared=True, model="m")]),
    "Azure's first frame": (
        '{"choices":[],"model":"","prompt_filter_results":[{"prompt_index":0}]}',
        [Meta(shared=True)],
    ),
    "the marker": ("[DONE]", [Done()]),
    "the marker in white space": (" [DONE] ", [Done()]),
    "an error": (
        '{"error":{"message":"The server is overloaded","type":"server_error","code":503}}',
        [Failure(Fault.OVERLOADED, "The server is overloaded", "server_error", "503")],
    ),
    "LiteLLM's error": (
        '{"error": {"message": "Response payload is not completed", "type": null, "param": null, "code": "500"}}',
        [Failure(Fault.UPSTREAM, "Response payload is not completed", None, "500")],
    ),
    "OpenRouter's error": (
        '{"error":{"code":502,"message":"Provider"},"choices":[{"delta":{},"finish_reason":"error","index":0}]}',
        [Failure(Fault.UPSTREAM, "Provider", None, "502")],
    ),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Each message says what it says, whether the event has no name or the standard one."""
    assert list(OPENAI_CHAT.interpret(Message(data, 0))) == events
    assert list(OPENAI_CHAT.interpret(Message(data, 0, "message"))) == events


NAMED: dict[str, tuple[str, str, list[Event]]] = {
    "an event of another name is life": ("heartbeat", '{"at":1}', [Meta(foreign=True)]),
    "unless it has choices": ("chunk", '{"choices":[{"delta":{"content":"a"}}]}', [Output("a")]),
    "or an error": ("x", '{"error":{"message":"no"}}', [Failure(Fault.OTHER, "no")]),
}


@pytest.mark.parametrize(("name", "data", "events"), NAMED.values(), ids=NAMED.keys())
def test_named_events(name: str, data: str, events: list[Event]) -> None:
    """An event's name can make it an error or a ping, and hides no output."""
    assert list(OPENAI_CHAT.interpret(Message(data, 0, name))) == events


@pytest.mark.parametrize("data", ["", "the cat", '{"choices":7}', '{"choices":[{"delta":"a"}]}', "[DONE"])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(OPENAI_CHAT.interpret(Message(data, 0)))


def test_the_request() -> None:
    """One user message, a stream, its usage, and the target's own limits and body."""
    target = Target("one", "openai-chat", "http://127.0.0.1/", model="m", max_tokens=99, body={"seed": 7})
    assert json.loads(OPENAI_CHAT.request(target, "count").body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 99,
        "temperature": 0.0,
        "seed": 7,
    }


def test_what_is_not_set_is_not_sent() -> None:
    """Without a model or a temperature neither is in the body."""
    target = Target("one", "openai-chat", "http://127.0.0.1/", temperature=None)
    body = json.loads(OPENAI_CHAT.request(target, "count").body)
    assert set(body) == {"messages", "stream", "stream_options", "max_tokens"}
