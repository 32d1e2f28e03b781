"""FastGPT (`/api/v1/chat/completions`): OpenAI's shape in named events, and `[DONE]` as its only end."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import MARKER, Protocol, Request, json_request
from monitor.protocols.shapes import FOREIGN, openai_frame
from monitor.protocols.values import as_arguments, as_object, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_ANSWERS = frozenset({"", "message", "answer", "fastAnswer"})
_SILENT = frozenset({
    "flowNodeStatus", "flowNodeResponse", "flowResponses", "moduleStatus", "appStreamResponse", "updateVariables",
    "interactive", "toolResponse", "workflowDuration", "plan", "stepTitle", "sandboxStatus", "collectionForm",
    "topAgentConfig", "formEdit", "generatedSkill", "chatTitle",
})  # fmt: skip
"""Names of events that say nothing of the answer."""


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message, without a stored chat; with `detail`, events have names."""
    body = {
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
        "detail": False,
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its name; one of an unknown name is foreign, and not always an object.

    A finish reason proves nothing: the server sends `stop` for any reason of its model, and `[DONE]` at the end.
    """
    if message.data.lstrip().startswith(MARKER):
        yield Finish(shared=True)
    elif message.name in _ANSWERS:
        for event in openai_frame(load(message.data)):
            yield Meta(reason=event.reason, stop=event.stop) if isinstance(event, Finish) else event
    elif message.name in {"toolCall", "toolParams"}:
        yield Output(as_arguments(as_object(load(message.data).get("tool")).get("params")), Part.TOOL_CALL)
    else:
        yield Meta() if message.name in _SILENT else FOREIGN


FASTGPT = Protocol(
    name="fastgpt",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    asked_at="`/api/v1/chat/completions` of FastGPT",
    complete_when="`[DONE]`",
    note="`body = { detail = true }` for its named events",
    example="made/fastgpt_whole",
    dialect="monitor.lab.dialects.fastgpt:DIALECT",
)
