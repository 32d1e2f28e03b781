"""llama.cpp's own completion: pieces, how it stopped in newer and older words, and errors in both forms."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.llamacpp_completion import LLAMACPP_COMPLETION
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Stop, Usage
from monitor.target import Target

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "a piece": (
        '{"index":0,"content":" our","tokens":[1023],"stop":false,"tokens_predicted":1,"tokens_evaluated":4}',
        [Output(" our")],
    ),
    "an older piece": ('{"content":"a","multimodal":false,"slot_id":0,"stop":false}', [Output("a")]),
    "an empty piece": ('{"content":"","stop":false}', [Meta()]),
    "its progress in the prompt": (
        '{"index":0,"content":"","stop":false,"prompt_progress":{"total":9,"processed":4}}',
        [Meta()],
    ),
    "a piece of another prompt": ('{"index":1,"content":"b","stop":false}', [Output("b", choice=1)]),
    "the last event": (
        '{"content":"","stop":true,"model":"m","tokens_predicted":6,"tokens_evaluated":4,"stop_type":"eos"}',
        [Meta(model="m", usage=Usage(4, 6)), Finish("eos")],
    ),
    "the last event with output": (
        '{"index":1,"content":".","stop":true,"stop_type":"word"}',
        [Output(".", choice=1), Meta(usage=Usage()), Finish("word", choice=1)],
    ),
    "the limit": (
        '{"content":"","stop":true,"stop_type":"limit"}',
        [Meta(usage=Usage()), Finish("limit", Stop.LENGTH)],
    ),
    "a prompt that was cut": (
        '{"content":"","stop":true,"truncated":true,"stop_type":"eos"}',
        [Meta(usage=Usage()), Finish("eos")],
    ),
    "the limit, in older words": (
        '{"content":"","stop":true,"stopped_eos":false,"stopped_limit":true,"stopped_word":false}',
        [Meta(usage=Usage()), Finish("limit", Stop.LENGTH)],
    ),
    "an end, in older words": (
        '{"content":"","stop":true,"stopped_eos":true,"stopped_limit":false,"stopped_word":false}',
        [Meta(usage=Usage()), Finish("eos")],
    ),
    "an end without a reason": ('{"content":"","stop":true}', [Meta(usage=Usage()), Finish()]),
    "an error": (
        '{"error":{"code":500,"message":"Compute error.","type":"server_error"}}',
        [Failure(Fault.OTHER, "Compute error.", "server_error", "500")],
    ),
    "no room": (
        '{"error":{"code":400,"message":"request (9) exceeds (8)","type":"exceed_context_size_error"}}',
        [Failure(Fault.CONTEXT_LENGTH, "request (9) exceeds (8)", "exceed_context_size_error", "400")],
    ),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Content is output, and `stop` is the end, with the counts before it."""
    assert list(LLAMACPP_COMPLETION.interpret(Message(data, 0))) == events


def test_an_error_in_a_field_of_its_own() -> None:
    """An error in a field, as of older servers, is read."""
    message = Message('{"code":500,"message":"Compute error.","type":"server_error"}', 0, "error")
    assert list(LLAMACPP_COMPLETION.interpret(message)) == [
        Failure(Fault.OTHER, "Compute error.", "server_error", "500")
    ]


@pytest.mark.parametrize("data", ["[DONE]", "the cat"])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(LLAMACPP_COMPLETION.interpret(Message(data, 0)))


def test_the_request() -> None:
    """The request has the unchanged prompt, and the limit by the server's name."""
    target = Target("one", "llamacpp-completion", "http://127.0.0.1/completion", body={"stop": ["\n\n"]})
    assert json.loads(LLAMACPP_COMPLETION.request(target, "count").body) == {
        "prompt": "count",
        "stream": True,
        "n_predict": 400,
        "temperature": 0.0,
        "stop": ["\n\n"],
    }
