"""FastGPT: answers with and without names, its own events, the end that is `[DONE]`, errors; after its source."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.fastgpt import FASTGPT
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop
from monitor.target import Target
from tests.protocols.replay import decoded, judged

CHUNK = '{"id":"","model":"","choices":[{"delta":%s,"index":0,"finish_reason":%s}]}'
HI = CHUNK % ('{"role":"assistant","content":"Hi"}', "null")
STOPPED = CHUNK % ('{"role":"assistant","content":null}', '"stop"')
MESSAGES: dict[str, tuple[str, str, list[Event]]] = {
    "an answer": ("answer", HI, [Output("Hi")]),
    "an answer that is no model's": ("fastAnswer", HI, [Output("Hi")]),
    "an answer without a name": ("", HI, [Output("Hi")]),
    "reasoning": (
        "answer",
        CHUNK % ('{"content":"","reasoning_content":"hm"}', "null"),
        [Output("hm", Part.REASONING)],
    ),
    "an empty answer": ("answer", CHUNK % ('{"content":""}', "null"), [Meta(choice=0)]),
    "a reason, which proves nothing": ("answer", STOPPED, [Meta(), Meta(reason="stop", stop=Stop.COMPLETE)]),
    "the end": ("answer", "[DONE]", [Finish(shared=True)]),
    "the end without a name": ("", "[DONE]", [Finish(shared=True)]),
    "a node's status": ("flowNodeStatus", '{"status":"running","name":"AI"}', [Meta()]),
    "a tool call": ("toolCall", '{"tool":{"id":"c","toolName":"f","params":""}}', [Output("", Part.TOOL_CALL)]),
    "a tool's arguments": ("toolParams", '{"tool":{"params":"{\\"to"}}', [Output('{"to', Part.TOOL_CALL)]),
    "a tool's answer": ("toolResponse", '{"tool":{"response":"9"}}', [Meta()]),
    "what each node did, a list": ("flowResponses", '[{"moduleName":"AI"}]', [Meta()]),
    "an event of a later version": ("note", "anything", [Meta(foreign=True)]),
    "an error without a name": ("", '{"error":{"message":"Overloaded"}}', [Failure(Fault.OVERLOADED, "Overloaded")]),
}


@pytest.mark.parametrize(("name", "data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(name: str, data: str, events: list[Event]) -> None:
    """Answers are output, whatever their event is called, and only `[DONE]` is the end."""
    assert list(FASTGPT.interpret(Message(data, 0, name))) == events


@pytest.mark.parametrize(
    ("name", "data"),
    [("", '{"choices":7}'), ("toolParams", '{"tool":7}')],
)
def test_what_is_no_message(name: str, data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(FASTGPT.interpret(Message(data, 0, name)))


def test_what_follows_the_end_is_no_fault() -> None:
    """With details a list of the nodes may follow `[DONE]`; without `[DONE]` a `stop` is no end."""
    whole = f"event: answer\ndata: {HI}\n\nevent: answer\ndata: {STOPPED}\n\nevent: answer\ndata: [DONE]\n\n"
    detail = 'event: flowResponses\ndata: [{"moduleName":"AI"}]\n\n'
    bodies = (whole + detail, whole, whole.partition("event: answer\ndata: [DONE]")[0])
    head = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    verdicts = [
        judged(FASTGPT, decoded(FASTGPT, body.encode(), head), Ending(EndKind.COMPLETE, 1.0)) for body in bodies
    ]
    assert [(verdict.outcome, verdict.cause) for verdict in verdicts] == [
        ("ok", None), ("ok", None), ("truncated", "no_terminator"),
    ]  # fmt: skip
    assert verdicts[0].unclean is None


def test_the_request() -> None:
    """The request has no model, which the application chooses."""
    target = Target("one", "fastgpt", "http://127.0.0.1/api/v1/chat/completions", body={"detail": True})
    assert json.loads(FASTGPT.request(target, "count").body) == {
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "detail": True,
    }
