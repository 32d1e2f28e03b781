"""Text Generation Inference: tokens, special ones, the last event, errors by their type; after the server's source."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.shapes import FOREIGN
from monitor.protocols.tgi import TGI
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Stop, Usage
from monitor.target import Target

TOKEN = '{"index":1,"token":{"id":7,"text":"%s","logprob":-0.5,"special":%s},"generated_text":%s,"details":%s}'
DETAILS = '{"finish_reason":"%s","generated_tokens":6,"seed":null,"input_length":8}'
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "a token": (TOKEN % (" our", "false", "null", "null"), [Output(" our")]),
    "a token of an older server": ('{"token":{"text":"a","special":false}}', [Output("a")]),
    "an empty token": (TOKEN % ("", "false", "null", "null"), [Meta()]),
    "a special token": (TOKEN % ("<s>", "true", "null", "null"), [Meta()]),
    "the last token, a special one": (
        TOKEN % ("</s>", "true", '" our"', DETAILS % "eos_token"),
        [Meta(usage=Usage(8, 6)), Finish("eos_token")],
    ),
    "the last token, of text": (
        TOKEN % (".", "false", '" our."', DETAILS % "stop_sequence"),
        [Output("."), Meta(usage=Usage(8, 6)), Finish("stop_sequence")],
    ),
    "the limit": (
        TOKEN % (".", "false", '" our."', DETAILS % "length"),
        [Output("."), Meta(usage=Usage(8, 6)), Finish("length", Stop.LENGTH)],
    ),
    "no details": (TOKEN % (".", "false", '"."', "null"), [Output("."), Meta(usage=Usage()), Finish()]),
    "an end without any text": (
        TOKEN % ("</s>", "true", '""', DETAILS % "eos_token"),
        [Meta(usage=Usage(8, 6)), Finish("eos_token")],
    ),
    "overloaded": (
        '{"error":"Model is overloaded","error_type":"overloaded"}',
        [Failure(Fault.OVERLOADED, "Model is overloaded", "overloaded")],
    ),
    "broken off": (
        '{"error":"Incomplete generation stream","error_type":"incomplete_generation_stream"}',
        [Failure(Fault.OTHER, "Incomplete generation stream", "incomplete_generation_stream")],
    ),
    "an error that is none": ('{"error":""}', [FOREIGN]),
    "a gateway's error": ('{"error":{"message":"Overloaded"}}', [Failure(Fault.OVERLOADED, "Overloaded")]),
    "no error": ('{"error":null,"token":{"text":"a"}}', [Output("a")]),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Tokens that are not special are output, and the whole text is the end."""
    assert list(TGI.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["[DONE]", '{"token":7}'])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(TGI.interpret(Message(data, 0)))


@pytest.mark.parametrize(
    ("temperature", "sampled"),
    [(0.0, {}), (None, {}), (0.7, {"do_sample": True, "temperature": 0.7})],
)
def test_the_request(temperature: float | None, sampled: dict[str, object]) -> None:
    """Details are asked for, and no temperature that the server would refuse."""
    target = Target("one", "tgi", "http://127.0.0.1/generate_stream", temperature=temperature)
    assert json.loads(TGI.request(target, "count").body) == {
        "inputs": "count",
        "parameters": {"max_new_tokens": 400, "details": True, **sampled},
        "stream": True,
    }
