"""Amazon Bedrock's ConverseStream: blocks, the stop, the counts, exceptions, and frames that are broken."""

from __future__ import annotations

import json

import pytest

from monitor.lab.dialects.bedrock_converse import DIALECT, encode
from monitor.protocols.bedrock_converse import BEDROCK_CONVERSE, CONTENT_TYPE
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target
from tests.protocols.replay import decoded, judged

FRAMES: dict[str, tuple[str, str, list[Event]]] = {
    "the start": ("messageStart", '{"role":"assistant"}', [Meta()]),
    "a block": ("contentBlockStart", '{"start":{"toolUse":{"name":"count"}}}', [Output("", Part.TOOL_CALL)]),
    "a block of text": ("contentBlockStart", "{}", [Meta()]),
    "a piece": ("contentBlockDelta", '{"delta":{"text":"Hi"}}', [Output("Hi")]),
    "reasoning": (
        "contentBlockDelta", '{"delta":{"reasoningContent":{"text":"hm"}}}', [Output("hm", Part.REASONING)],
    ),
    "a signature": ("contentBlockDelta", '{"delta":{"reasoningContent":{"signature":"x"}}}', [Meta()]),
    "a tool's input": (
        "contentBlockDelta", '{"delta":{"toolUse":{"input":"{"}}}', [Output("{", Part.TOOL_CALL)],
    ),
    "the stop": ("messageStop", '{"stopReason":"end_turn"}', [Finish("end_turn")]),
    "a limit": ("messageStop", '{"stopReason":"max_tokens"}', [Finish("max_tokens", Stop.LENGTH)]),
    "a guardrail": (
        "messageStop", '{"stopReason":"guardrail_intervened"}', [Finish("guardrail_intervened", Stop.CONTENT_FILTER)],
    ),
    "the counts": ("metadata", '{"usage":{"inputTokens":3,"outputTokens":4}}', [Meta(usage=Usage(3, 4))]),
    "an exception": (
        "exception:throttlingException", '{"message":"slow"}',
        [Failure(Fault.RATE_LIMITED, "slow", "throttlingException")],
    ),
    "an exception in words": ("exception:x", "boom", [Failure(Fault.OTHER, "boom", "x")]),
    "a frame without a type": ("", "{}", [Meta(foreign=True)]),
    "an error": ("error:500", "boom", [Failure(Fault.OTHER, "boom", "500")]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "events"), FRAMES.values(), ids=FRAMES.keys())
def test_frames(name: str, data: str, events: list[Event]) -> None:
    """Deltas are output, `messageStop` is the end, exceptions are errors."""
    assert list(BEDROCK_CONVERSE.interpret(Message(data, 0, name))) == events


@pytest.mark.parametrize(
    ("name", "data"),
    [("contentBlockDelta", "x"), ("contentBlockDelta", '{"delta":7}'), ("messageStop", "x")],
)
def test_what_is_no_frame(name: str, data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(BEDROCK_CONVERSE.interpret(Message(data, 0, name)))


MESSAGES = encode(("a", "b")).messages
BAD = MESSAGES[2][:-1] + bytes((MESSAGES[2][-1] ^ 1,))
STREAMS: dict[str, tuple[tuple[bytes, ...], str]] = {
    "whole": (MESSAGES, "ok"),
    "a wrong checksum before the end": ((*MESSAGES[:2], BAD, *MESSAGES[3:]), "truncated/malformed_body"),
    "a wrong checksum at once": ((b"\0" * 16,), "truncated/malformed_body"),
    "a wrong checksum after the end": ((*MESSAGES[:5], BAD), "ok"),
    "a cut frame": ((*MESSAGES[:2], MESSAGES[2][:20]), "truncated/mid_event"),
    "without its end": (MESSAGES[:3], "truncated/no_terminator"),
    "an exception": ((*MESSAGES[:2], DIALECT.errors["rate_limited"]), "stream_error/rate_limited"),
}


@pytest.mark.parametrize(("messages", "comes_to"), STREAMS.values(), ids=STREAMS.keys())
def test_the_verdict_of_a_stream(messages: tuple[bytes, ...], comes_to: str) -> None:
    """A checksum that does not agree is a malformed body, unless the end has arrived."""
    recorder = decoded(BEDROCK_CONVERSE, b"".join(messages), Head(200, CONTENT_TYPE, framing=BodyFraming.CHUNKED))
    verdict = judged(BEDROCK_CONVERSE, recorder, Ending(EndKind.COMPLETE, 1.0))
    assert "/".join(filter(None, (verdict.outcome, verdict.cause))) == comes_to


def test_the_request() -> None:
    """The model is in the URL; the limits have Bedrock's names."""
    sent = BEDROCK_CONVERSE.request(Target("one", "bedrock-converse", "http://x/"), "count")
    assert sent.headers["Accept"] == CONTENT_TYPE
    assert json.loads(sent.body) == {
        "messages": [{"role": "user", "content": [{"text": "count"}]}],
        "inferenceConfig": {"maxTokens": 400, "temperature": 0.0},
    }
