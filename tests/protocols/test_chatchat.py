"""Langchain-Chatchat 0.3 chat: its frames, and errors that are known by their key alone."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.chatchat import CHATCHAT
from monitor.protocols.shapes import FOREIGN
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output
from monitor.target import Target

FRAME = (
    '{"id":"chatcmpl-fake1","choices":[{"delta":{"content":%s,"function_call":null,"refusal":null,"role":%s,'
    '"tool_calls":null},"finish_reason":%s,"index":0,"logprobs":null}],"created":1700000000,"model":"ok",'
    '"object":"chat.completion.chunk","service_tier":null,"system_fingerprint":null,"usage":null,"message_id":null,'
    '"status":null}'
)
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "the first delta is empty": (FRAME % ('""', '"assistant"', "null"), [Meta(model="ok", choice=0)]),
    "text": (FRAME % ('" from"', "null", "null"), [Output(" from")]),
    "the end": (FRAME % ("null", "null", '"stop"'), [Meta(model="ok"), Finish("stop")]),
    "an error": (
        '{"error": "peer closed connection without sending complete message body (incomplete chunked read)"}',
        [
            Failure(
                Fault.UPSTREAM, "peer closed connection without sending complete message body (incomplete chunked read)"
            )
        ],
    ),
    "an upstream's 500": (
        "{\"error\": \"Error code: 500 - {'error': {'message': 'CUDA out of memory', 'code': 500}}\"}",
        [Failure(Fault.UPSTREAM, "Error code: 500 - {'error': {'message': 'CUDA out of memory', 'code': 500}}")],
    ),
    "an error without words": ('{"error": ""}', [Failure(Fault.OTHER)]),
    "an error that is null": ('{"error": null}', [FOREIGN]),
    "an error object passed on": (
        '{"error": {"message": "no", "code": 404}}',
        [Failure(Fault.NOT_FOUND, "no", None, "404")],
    ),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Each frame says what it says."""
    assert list(CHATCHAT.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["", "[DONE"])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(CHATCHAT.interpret(Message(data, 0)))


def test_the_request() -> None:
    """One user message and a stream; usage cannot be asked for."""
    target = Target("one", "chatchat", "http://127.0.0.1/", model="m", max_tokens=99)
    assert json.loads(CHATCHAT.request(target, "count").body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "max_tokens": 99,
        "temperature": 0.0,
    }
