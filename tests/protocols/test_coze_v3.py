"""Coze's chat of version 3: deltas, whole messages that repeat them, every end, marker, errors; after its client."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.coze_v3 import COZE_V3
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Done, Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target
from tests.protocols.replay import decoded, judged

SAID = '{"id":"1","role":"assistant","type":"%s","content":"%s","content_type":"text","chat_id":"2"}'
CHAT = '{"id":"2","status":"%s","last_error":{"code":0,"msg":""}}'
DELTA, COMPLETED = "conversation.message.delta", "conversation.message.completed"
UNCOUNTED = Meta(usage=Usage())
MESSAGES: dict[str, tuple[str, str, list[Event]]] = {
    "the start": ("conversation.chat.created", CHAT % "created", [Meta()]),
    "at work": ("conversation.chat.in_progress", CHAT % "in_progress", [Meta()]),
    "a piece": (DELTA, SAID % ("answer", "Hi"), [Output("Hi")]),
    "an empty piece": (DELTA, SAID % ("answer", ""), [Meta()]),
    "reasoning": (
        DELTA,
        '{"type":"answer","content":"","reasoning_content":"hm"}',
        [Output("hm", Part.REASONING)],
    ),
    "both": (
        DELTA,
        '{"type":"answer","content":"a","reasoning_content":"hm"}',
        [Output("hm", Part.REASONING), Output("a")],
    ),
    "the whole answer": (COMPLETED, SAID % ("answer", "Hi"), [Output("Hi", repeats=True)]),
    "a tool call": (COMPLETED, SAID % ("function_call", "{}"), [Output("{}", Part.TOOL_CALL)]),
    "a tool's answer": (COMPLETED, SAID % ("tool_response", "9"), [Meta()]),
    "an older tool's answer": (COMPLETED, SAID % ("tool_output", "9"), [Meta()]),
    "a suggestion": (COMPLETED, SAID % ("follow_up", "And?"), [Meta()]),
    "the end of all answers": (COMPLETED, SAID % ("verbose", "{}"), [Meta()]),
    "audio": ("conversation.audio.delta", SAID % ("answer", "qqqq"), [Meta()]),
    "the chat's end": (
        "conversation.chat.completed",
        '{"status":"completed","usage":{"token_count":61,"output_count":41,"input_count":20}}',
        [Meta(usage=Usage(20, 41)), Finish("completed")],
    ),
    "a tool of the client's is wanted": (
        "conversation.chat.requires_action",
        '{"status":"requires_action","required_action":{"type":"submit_tool_outputs"},"usage":null}',
        [Meta(usage=Usage()), Finish("requires_action")],
    ),
    "canceled": (
        "conversation.chat.canceled",
        CHAT % "canceled",
        [Meta(usage=Usage()), Finish("canceled", Stop.ABORT)],
    ),
    "failed": (
        "conversation.chat.failed",
        '{"status":"failed","last_error":{"code":4028,"msg":"The free API quota has been exhausted"}}',
        [UNCOUNTED, Failure(Fault.QUOTA, "The free API quota has been exhausted", None, "4028")],
    ),
    "failed, and no word why": (
        "conversation.chat.failed",
        '{"status":"failed"}',
        [UNCOUNTED, Failure(Fault.OTHER)],
    ),
    "completed, and its state says failed": (
        "conversation.chat.completed",
        '{"status":"failed","last_error":{"code":5000,"msg":"workflow timeout"}}',
        [UNCOUNTED, Failure(Fault.UPSTREAM, "workflow timeout", None, "5000")],
    ),
    "completed, and its state says canceled": (
        "conversation.chat.completed",
        '{"status":"canceled"}',
        [UNCOUNTED, Finish("canceled", Stop.ABORT)],
    ),
    "canceled, and its state says completed": (
        "conversation.chat.canceled",
        '{"status":"completed"}',
        [UNCOUNTED, Finish("canceled", Stop.ABORT)],
    ),
    "an error without a name": (
        "",
        '{"code":4101,"msg":"no permission"}',
        [Failure(Fault.AUTH, "no permission", None, "4101")],
    ),
    "the marker": ("done", '"[DONE]"', [Done()]),
    "an older marker": ("done", "[DONE]", [Done()]),
    "another protocol's event": ("message_start", "{}", [Meta(foreign=True)]),
    "an event of a later version": ("conversation.note", "anything", [Meta()]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(name: str, data: str, events: list[Event]) -> None:
    """Deltas of answers are output, whole messages repeat them, and the state of the chat is the end."""
    assert list(COZE_V3.interpret(Message(data, 0, name))) == events


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("", "text"),
        ("conversation.chat.failed", "x"),
    ],
)  # fmt: skip
def test_what_is_no_message(name: str, data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(COZE_V3.interpret(Message(data, 0, name)))


ONE = (DELTA, SAID % ("answer", "a"))
WHOLE = (COMPLETED, SAID % ("answer", "ab"))
END, DONE = ("conversation.chat.completed", CHAT % "completed"), ("done", '"[DONE]"')
STREAMS: dict[str, tuple[list[tuple[str, str]], str, str]] = {
    "whole": ([ONE, (DELTA, SAID % ("answer", "b")), WHOLE, END, DONE], "ok", "ab"),
    "only in one piece": ([WHOLE, END, DONE], "ok", "ab"),
    "without the marker": ([ONE, END], "ok", "a"),
    "the marker alone": ([ONE, DONE], "truncated/no_terminator", "a"),
    "without the chat's end": ([ONE, WHOLE], "truncated/no_terminator", "a"),
    "no answer": ([END, DONE], "empty/no_output", ""),
    "canceled": ([ONE, ("conversation.chat.canceled", CHAT % "canceled")], "truncated/server_abort", "a"),
    "failed": ([ONE, ("conversation.chat.failed", "{}"), DONE], "stream_error/other", "a"),
}


@pytest.mark.parametrize(("events", "comes_to", "text"), STREAMS.values(), ids=STREAMS.keys())
def test_the_verdict_of_a_stream(events: list[tuple[str, str]], comes_to: str, text: str) -> None:
    """The chat's end makes it whole, with the marker or without it."""
    body = "".join(f"event:{name}\ndata:{data}\n\n" for name, data in events)
    recorder = decoded(COZE_V3, body.encode(), Head(200, "text/event-stream", framing=BodyFraming.CHUNKED))
    verdict = judged(COZE_V3, recorder, Ending(EndKind.COMPLETE, 1.0))
    assert ("/".join(filter(None, (verdict.outcome, verdict.cause))), recorder.finish().text) == (comes_to, text)


def test_the_request() -> None:
    """The bot is in the target's body, and no conversation is stored."""
    target = Target("one", "coze-v3", "http://127.0.0.1/v3/chat", body={"bot_id": "7"})
    question = {"role": "user", "type": "question", "content": "count", "content_type": "text"}
    assert json.loads(COZE_V3.request(target, "count").body) == {
        "bot_id": "7",
        "user_id": "chat-monitor",
        "stream": True,
        "auto_save_history": False,
        "additional_messages": [question],
    }
