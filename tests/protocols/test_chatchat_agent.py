"""Langchain-Chatchat 0.3 agent: what each status means."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.chatchat_agent import CHATCHAT_AGENT
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output
from monitor.target import Target

FRAME = (
    '{"id": "chat0b42", "object": "chat.completion.chunk", "model": "qwen", "created": 1795386287, "status": %s, '
    '"message_type": 1, "message_id": null, "is_ref": false, '
    '"choices": [{"delta": {"content": %s, "tool_calls": []}, "role": "assistant"}]}'
)
LIFE = Meta(model="qwen")
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "1: started": (FRAME % (1, '""'), [LIFE]),
    "2: a token": (FRAME % (2, '"Hello"'), [Output("Hello")]),
    "2: an empty token": (FRAME % (2, '""'), [LIFE]),
    "2: no token": (FRAME % (2, "null"), [LIFE]),
    "3: a model call ends, and repeats": (FRAME % (3, '"Hello"'), [Output("Hello", repeats=True)]),
    "3: with nothing to repeat": (FRAME % (3, '""'), [LIFE]),
    "4: an action": (FRAME % (4, '"calculate"'), [LIFE]),
    "5: the end, which repeats": (FRAME % (5, '"Hello"'), [Output("Hello", repeats=True), Finish()]),
    "5: the end, with nothing to repeat": (FRAME % (5, '""'), [LIFE, Finish()]),
    "6: a tool starts": (FRAME % (6, '"calculate"'), [LIFE]),
    "7: a tool ends": (FRAME % (7, '"85"'), [LIFE]),
    "8: an error": (FRAME % (8, '"Connection error."'), [Failure(Fault.UPSTREAM, "Connection error.")]),
    "8: an error without words": (FRAME % (8, '""'), [Failure(Fault.OTHER)]),
    "no status": (FRAME % ("null", '""'), [LIFE]),
    "no choices": ('{"status": 1, "choices": []}', [Meta()]),
    "null for choices": ('{"status": 2, "choices": null}', [Meta()]),
    "an error object": ('{"error": "peer closed connection"}', [Failure(Fault.UPSTREAM, "peer closed connection")]),
    "an error object without words": ('{"error": ""}', [Failure(Fault.OTHER)]),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Tokens are output, 3 and 5 repeat it, 5 is the end, 8 is an error, and all else is no output."""
    assert list(CHATCHAT_AGENT.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["[DONE]", '{"status": 2, "choices": 7}', '{"status": 2, "choices": ["a"]}'])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(CHATCHAT_AGENT.interpret(Message(data, 0)))


def test_the_request() -> None:
    """A tool is named, for that is what makes this route an agent; the target's body may name others."""
    target = Target("one", "chatchat-agent", "http://127.0.0.1/", model="m", body={"tools": ["search_internet"]})
    assert json.loads(CHATCHAT_AGENT.request(target, "count").body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "max_tokens": 400,
        "temperature": 0.0,
        "tools": ["search_internet"],
    }
