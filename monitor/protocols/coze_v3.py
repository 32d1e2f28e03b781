"""Coze's chat of version 3 (`/v3/chat`): named events, deltas of answers, the chat's end, and then `done`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import FOREIGN, reasoning_in
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import an_object, as_count, as_text, load
from monitor.stream.events import Done, Event, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_CHAT = "conversation.chat."
_ENDS: Mapping[str, Stop] = {
    "completed": Stop.COMPLETE,
    "requires_action": Stop.COMPLETE,
    "canceled": Stop.ABORT,
    "cancelled": Stop.ABORT,
    "failed": Stop.ABORT,
}
"""States in which a chat ends; in `requires_action` the client's tools are to go on, as after any tool call."""


def request(target: Target, prompt: str) -> Request:
    """Ask the bot in the target's `body` (`bot_id`), in a conversation that is not stored."""
    body = {
        "user_id": "chat-monitor",
        "stream": True,
        "auto_save_history": False,
        "additional_messages": [
            {"role": "user", "type": "question", "content": prompt, "content_type": "text"},
        ],
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its name; one of an unknown name is life without output."""
    if message.name == "done":
        yield Done()
        return
    match message.name:
        case "conversation.message.delta":
            yield from _message(load(message.data), repeats=False)
        case "conversation.message.completed":
            yield from _message(load(message.data), repeats=True)
        case name if name.removeprefix(_CHAT) in _ENDS and name.startswith(_CHAT):
            yield from _end(load(message.data), name.removeprefix(_CHAT))
        case "":
            yield _nameless(load(message.data))
        case name:
            yield Meta() if name.startswith("conversation.") else FOREIGN


def _message(data: Mapping[str, object], *, repeats: bool) -> Iterator[Event]:
    """Read a piece of a message, or a whole one, which repeats its pieces; tools' answers and suggestions are life."""
    kind, text = as_text(data.get("type")), as_text(data.get("content"))
    if reasoning := reasoning_in(data):
        yield Output(reasoning, Part.REASONING, repeats=repeats)
    if kind == "function_call":
        yield Output(text, Part.TOOL_CALL)
    elif kind == "answer" and text:
        yield Output(text, repeats=repeats)
    elif not reasoning:
        yield Meta()


def _end(chat: Mapping[str, object], name: str) -> Iterator[Event]:
    """Read the end of a chat; if its state or the name of the event means a failure, the chat failed."""
    counted = an_object(chat.get("usage"))
    yield Meta(usage=Usage(as_count(counted.get("input_count")), as_count(counted.get("output_count"))))
    status = as_text(chat.get("status"))
    state = status if _ENDS.get(name) is Stop.COMPLETE and _ENDS.get(status) is Stop.ABORT else name
    yield failure(chat.get("last_error") or {}) if state == "failed" else Finish(state, _ENDS[state])


def _nameless(data: Mapping[str, object]) -> Event:
    """Read an event without a name: an error, as refused requests have it; any other is none of Coze's."""
    return failure_in(data) or FOREIGN


COZE_V3 = Protocol(
    name="coze-v3",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    marker=True,
    needs=("bot_id",),
    paths=("/v3/chat",),
    asked_at="`/v3/chat`",
    complete_when="`conversation.chat.completed`; marker `done`",
    note='`body = { bot_id = "..." }`',
    example="made/coze_v3_whole",
    dialect="monitor.lab.dialects.coze_v3:DIALECT",
)
