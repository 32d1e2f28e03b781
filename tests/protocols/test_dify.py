"""Dify: chats, agents, chatflows, workflows, what ends each, moderation, errors; after its documentation and source."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.dify import DIFY
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Target
from tests.protocols.replay import decoded, judged

CHAT = '"task_id":"t","message_id":"m","conversation_id":"c"'
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "a piece": (f'{{"event":"message",{CHAT},"answer":"Hi"}}', [Output("Hi")]),
    "an empty piece": (f'{{"event":"message",{CHAT},"answer":""}}', [Meta()]),
    "an agent's piece": (f'{{"event":"agent_message",{CHAT},"answer":"Hi"}}', [Output("Hi", again=True)]),
    "an agent's empty piece": (f'{{"event":"agent_message",{CHAT},"answer":""}}', [Meta()]),
    "an agent's thought": (f'{{"event":"agent_thought",{CHAT},"thought":"hm","tool":"f"}}', [Meta()]),
    "a workflow's piece": ('{"event":"text_chunk","workflow_run_id":"w","data":{"text":"a"}}', [Output("a")]),
    "reasoning": (
        f'{{"event":"reasoning_chunk",{CHAT},"data":{{"reasoning":"hm","is_final":false}}}}',
        [Output("hm", Part.REASONING)],
    ),
    "the last reasoning": (f'{{"event":"reasoning_chunk",{CHAT},"data":{{"reasoning":""}}}}', [Meta()]),
    "moderation": (
        f'{{"event":"message_replace",{CHAT},"answer":"No."}}',
        [Meta(reason="message_replace", stop=Stop.CONTENT_FILTER)],
    ),
    "a file": (f'{{"event":"message_file",{CHAT},"type":"image","url":"u"}}', [Meta()]),
    "answer": (f'{{"event":"tts_message",{CHAT},"audio":"qqqq"}}', [Meta()]),
    "the message's end": (
        f'{{"event":"message_end",{CHAT},"metadata":{{"usage":{{"prompt_tokens":20,"completion_tokens":41}}}}}}',
        [Meta(usage=Usage(20, 41)), Finish()],
    ),
    "the message's end without counts": (f'{{"event":"message_end",{CHAT}}}', [Meta(), Finish()]),
    "a chatflow's start": (f'{{"event":"workflow_started",{CHAT},"data":{{}}}}', [Meta(choice=0), Meta(choice=1)]),
    "a workflow's start": (
        '{"event":"workflow_started","workflow_run_id":"w","data":{}}',
        [Meta(choice=0), Meta(choice=0)],
    ),
    "a node": (f'{{"event":"node_finished",{CHAT},"data":{{"status":"failed","error":"boom"}}}}', [Meta()]),
    "a chatflow's end": (
        f'{{"event":"workflow_finished",{CHAT},"data":{{"status":"succeeded","error":null}}}}',
        [Finish("succeeded", choice=1)],
    ),
    "a workflow's end": (
        '{"event":"workflow_finished","workflow_run_id":"w","data":{"status":"partial-succeeded"}}',
        [Finish("partial-succeeded")],
    ),
    "a workflow that was stopped": (
        '{"event":"workflow_finished","workflow_run_id":"w","data":{"status":"stopped"}}',
        [Finish("stopped", Stop.ABORT)],
    ),
    "a workflow that failed": (
        '{"event":"workflow_finished","data":{"status":"failed","error":"Rate limit reached"}}',
        [Failure(Fault.RATE_LIMITED, "Rate limit reached", "failed")],
    ),
    "an error": (
        '{"event":"error","status":400,"code":"provider_quota_exceeded","message":"Your quota has been exhausted."}',
        [Failure(Fault.QUOTA, "Your quota has been exhausted.", None, "provider_quota_exceeded")],
    ),
    "an error by its words": (
        '{"event":"error","status":400,"code":"completion_request_error","message":"Server Unavailable"}',
        [Failure(Fault.OVERLOADED, "Server Unavailable", None, "completion_request_error")],
    ),
    "a ping with data": ('{"event":"ping"}', [Meta(ping=True)]),
    "another protocol's event": ('{"type":"message_start"}', [Meta(foreign=True)]),
    "an event of a later version": ('{"event":"iteration_next","data":7}', [Meta()]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Answers and chunks are output, other events are not, and messages and workflows end apart."""
    assert list(DIFY.interpret(Message(data, 0))) == events


@pytest.mark.parametrize(
    "data",
    [
        "[DONE]", '{"event":"text_chunk","data":7}',
        ],
)  # fmt: skip
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(DIFY.interpret(Message(data, 0)))


def named(event: str, *, chat: bool = True, **more: object) -> str:
    """Return one event of a chat, or of a workflow alone."""
    return json.dumps({"event": event, **({"message_id": "m"} if chat else {}), **more})


START, END = named("workflow_started", data={}), named("workflow_finished", data={"status": "succeeded"})
ONE, TWO, LAST = named("message", answer="1\n"), named("message", answer="2\n"), named("message_end")
AGENT = [named("agent_message", answer=answer) for answer in ("1\n", "2", "1\n2\n", "1\n2")]
ALONE = [
    named("workflow_started", chat=False, data={}),
    named("text_chunk", chat=False, data={"text": "1\n"}),
    named("workflow_finished", chat=False, data={"status": "succeeded"}),
]
STREAMS: dict[str, tuple[list[str], str, str]] = {
    "a chat": ([ONE, TWO, LAST], "ok", "1\n2\n"),
    "a chat without its end": ([ONE, TWO], "truncated/no_terminator", "1\n2\n"),
    "a chat with answer behind it": ([ONE, LAST, named("tts_message"), named("tts_message_end")], "ok", "1\n"),
    "a chatflow": ([START, ONE, TWO, END, LAST], "ok", "1\n2\n"),
    "a chatflow, the other way about": ([START, ONE, TWO, LAST, END], "ok", "1\n2\n"),
    "a chatflow without its message's end": ([START, ONE, END], "truncated/no_terminator", "1\n"),
    "a chatflow without its workflow's end": ([START, ONE, LAST], "truncated/no_terminator", "1\n"),
    "a chatflow that says nothing": ([START, END, LAST], "empty/no_output", ""),
    "a workflow": (ALONE, "ok", "1\n"),
    "a workflow without its end": (ALONE[:2], "truncated/no_terminator", "1\n"),
    "an agent": ([*AGENT[:2], LAST], "ok", "1\n2"),
    "an agent that says it all again": ([*AGENT[:3], LAST], "ok", "1\n2"),
    "an agent that says it once": ([AGENT[3], LAST], "ok", "1\n2"),
    "an agent that says one piece twice": ([AGENT[0], AGENT[0], LAST], "ok", "1\n1\n"),
    "a filter": ([ONE, named("message_replace", answer="No."), LAST], "filtered/content_filter", "1\n"),
    "a failed workflow": (
        [START, ONE, named("workflow_finished", data={"status": "failed", "error": "boom"})],
        "stream_error/other",
        "1\n",
    ),
    "a stopped workflow": (
        [START, ONE, named("workflow_finished", data={"status": "stopped"}), LAST],
        "truncated/server_abort",
        "1\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("events", "comes_to", "text"), STREAMS.values(), ids=STREAMS.keys())
def test_the_verdict_of_a_stream(events: list[str], comes_to: str, text: str) -> None:
    """Everything that was begun has to end, and a repeated answer counts once."""
    body = "event: ping\n\n" + "".join(f"data: {event}\n\n" for event in events)
    recorder = decoded(DIFY, body.encode(), Head(200, "text/event-stream", framing=BodyFraming.CHUNKED))
    verdict = judged(DIFY, recorder, Ending(EndKind.COMPLETE, 1.0))
    assert ("/".join(filter(None, (verdict.outcome, verdict.cause))), recorder.finish().text) == (comes_to, text)


def test_the_request() -> None:
    """A query, and a variable of that name; the body may put the prompt into another one."""
    target = Target("one", "dify", "http://127.0.0.1/v1/chat-messages", body={"inputs": {"question": "Now: {prompt}"}})
    assert json.loads(DIFY.request(target, "count").body) == {
        "inputs": {"query": "count", "question": "Now: count"},
        "query": "count",
        "response_mode": "streaming",
        "user": "chat-monitor",
        "auto_generate_name": False,
    }
