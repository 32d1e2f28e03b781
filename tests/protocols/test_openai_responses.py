"""OpenAI's responses: deltas, states of the whole, numbers, errors."""

from __future__ import annotations

import json

import pytest

from monitor.lab.dialects.openai_responses import encode
from monitor.protocols.openai_responses import OPENAI_RESPONSES
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target
from tests.protocols.replay import decoded, judged

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "the start": ('{"type":"response.created","response":{"status":"in_progress","model":"m"}}', [Meta(model="m")]),
    "text": ('{"type":"response.output_text.delta","delta":"a"}', [Output("a")]),
    "numbered text": (
        '{"type":"response.output_text.delta","delta":"a","sequence_number":4}',
        [Meta(sequence=4), Output("a")],
    ),
    "another protocol's event": ('{"type":"message_start"}', [Meta(foreign=True)]),
    "an error of another type": (
        '{"type":"keepalive","error":{"message":"Overloaded"}}', [Failure(Fault.OVERLOADED, "Overloaded", "keepalive")],
    ),
    "empty text": ('{"type":"response.output_text.delta","delta":""}', [Meta()]),
    "a refusal": ('{"type":"response.refusal.delta","delta":"no"}', [Output("no", Part.REFUSAL)]),
    "reasoning": ('{"type":"response.reasoning_text.delta","delta":"hm"}', [Output("hm", Part.REASONING)]),
    "a summary of it": ('{"type":"response.reasoning_summary_text.delta","delta":"h"}', [Output("h", Part.REASONING)]),
    "a tool call": ('{"type":"response.function_call_arguments.delta","delta":"{"}', [Output("{", Part.TOOL_CALL)]),
    "the text again": ('{"type":"response.output_text.done","text":"a"}', [Output("a", repeats=True)]),
    "completed": (
        '{"type":"response.completed","response":{"usage":{"input_tokens":30,"output_tokens":16}}}',
        [Meta(usage=Usage(30, 16)), Finish("completed")],
    ),
    "completed, with reasoning": (
        '{"type":"response.completed","response":{"usage":{"output_tokens_details":{"reasoning_tokens":3}}}}',
        [Meta(), Finish("completed")],
    ),
    "completed, with parts that say nothing": (
        '{"type":"response.completed","response":{"output":[{"content":[{"type":"image"},{"text":"a"}]},{},7]}}',
        [Meta(), Output("a", repeats=True), Finish("completed")],
    ),
    "at the limit": (
        '{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}',
        [Meta(), Finish("max_output_tokens", Stop.LENGTH)],
    ),
    "filtered": (
        '{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}',
        [Meta(), Finish("content_filter", Stop.CONTENT_FILTER)],
    ),
    "incomplete without a reason": (
        '{"type":"response.incomplete","response":{"incomplete_details":null}}',
        [Meta(), Finish("incomplete", Stop.LENGTH)],
    ),
    "failed": (
        '{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"slow down"}}}',
        [Meta(), Failure(Fault.RATE_LIMITED, "slow down", None, "rate_limit_exceeded")],
    ),
    "failed without words": ('{"type":"response.failed","response":{}}', [Meta(), Failure(Fault.OTHER)]),
    "an error": (
        '{"type":"error","code":"server_error","message":"boom","param":null}',
        [Failure(Fault.OTHER, "boom", None, "server_error")],
    ),
    "a gateway's error": ('{"error":{"message":"upstream is gone"}}', [Failure(Fault.UPSTREAM, "upstream is gone")]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Deltas are output, events that repeat them are not, and a state of the whole response ends it."""
    assert list(OPENAI_RESPONSES.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["[DONE]", '{"type":"response.completed","response":7}'])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(OPENAI_RESPONSES.interpret(Message(data, 0)))


def test_a_number_left_out_is_a_lost_event() -> None:
    """Though the answer has its end."""
    messages = encode(("1\n", "2\n")).messages
    head = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    body = b"".join(messages[:3] + messages[4:])
    verdict = judged(OPENAI_RESPONSES, decoded(OPENAI_RESPONSES, body, head), Ending(EndKind.COMPLETE, 1.0))
    assert (verdict.outcome, verdict.cause) == ("bad_response", "sequence_gap")


def test_the_request() -> None:
    """One text, with a limit on the output."""
    target = Target("one", "openai-responses", "http://127.0.0.1/", model="m")
    assert json.loads(OPENAI_RESPONSES.request(target, "count").body) == {
        "model": "m",
        "input": "count",
        "stream": True,
        "max_output_tokens": 400,
        "temperature": 0.0,
    }
