"""Langchain-Chatchat 0.3 agent (`/chat/chat/completions` with `tools`): each event has a status."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from monitor.protocols.base import Protocol, Request, json_request, one_message
from monitor.protocols.shapes import FOREIGN
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import as_list, as_object, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


class Status(IntEnum):
    """The states of Chatchat's agent (`AgentStatus` in its source); the others are activity without output."""

    TOKEN = 2
    MODEL_END = 3
    FINISH = 5
    ERROR = 8


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message and a tool; other tools and `chat_model_config` come from the target's `body`."""
    return json_request(one_message(target, prompt) | {"tools": ["calculate"]}, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event: tokens are output, the end of a model call and of the agent repeat their text."""
    frame = load(message.data)
    if frame.get("error") == "" and "choices" not in frame:
        yield failure("")
        return
    status, text = frame.get("status"), _text(frame)
    if "status" not in frame or isinstance(status, str) or (status is None and text):
        yield failure_in(frame, output=bool(text)) or FOREIGN
        return
    model = as_word(frame.get("model"))
    if status == Status.ERROR:
        yield failure(text)
    elif status == Status.TOKEN and text:
        yield Output(text)
    elif status in {Status.MODEL_END, Status.FINISH} and text:
        yield Output(text, repeats=True)
    else:
        yield Meta(model=model)
    if status == Status.FINISH:
        yield Finish()


def _text(frame: dict[str, object]) -> str:
    choices = as_list(frame.get("choices"))
    return as_text(as_object(as_object(choices[0]).get("delta")).get("content")) if choices else ""


CHATCHAT_AGENT = Protocol(
    name="chatchat-agent",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    asked_at="the same routes with `tools`",
    complete_when='`"status": 5`',
    example="chatchat/c03_agent_qwen",
    dialect="monitor.lab.dialects.chatchat_agent:DIALECT",
)
