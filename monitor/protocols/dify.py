"""Dify (`/chat-messages`, `/completion-messages`, `/workflows/run`): chats, agents, chatflows and workflows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.finish_reasons import stop_of
from monitor.protocols.shapes import FOREIGN, usage_of
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import an_object, as_object, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Stop
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_SILENT = re.compile(
    r"(workflow|node|iteration|loop|parallel|human|datasource)_|(message_file|(agent|llm)_\w+|tts_message(_end)?)$"
)
"""How the names of events begin that say nothing of the answer."""
ANSWER, WORKFLOW = 0, 1
"""What has an end of its own: the answer, by `message_end`, and in a chatflow the workflow after it."""


def request(target: Target, prompt: str) -> Request:
    """Ask in the words of chats and of workflows, which take their variables from `inputs`.

    `{prompt}` in the target's `body` stands for the prompt, for a workflow's variable of another name.
    """
    body = {
        "inputs": {"query": prompt},
        "query": prompt,
        "response_mode": "streaming",
        "user": "chat-monitor",
        "auto_generate_name": False,
    }
    return json_request(body, target, prompt=prompt)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its name; one of an unknown name is foreign."""
    frame = load(message.data)
    kind = as_word(frame.get("event")) or message.name
    if (error := failure_in(frame, output=bool(kind) and kind != "error")) is not None:
        yield error
        return
    match kind:
        case "message" | "agent_message":  # the last one of some agents is the whole answer
            yield _output(as_text(frame.get("answer")), again=kind == "agent_message")
        case "text_chunk":
            yield _output(as_text(as_object(frame.get("data")).get("text")))
        case "reasoning_chunk":
            yield _output(as_text(as_object(frame.get("data")).get("reasoning")), Part.REASONING)
        case "message_replace" | "text_replace":  # moderation takes the answer back
            yield Meta(reason="message_replace", stop=Stop.CONTENT_FILTER)
        case "message_end":
            yield Meta(usage=usage_of(an_object(frame.get("metadata")).get("usage")))
            yield Finish()
        case "workflow_started":
            yield Meta(choice=ANSWER)
            yield Meta(choice=_workflow(frame))
        case "workflow_finished":
            yield _result(as_object(frame.get("data")), _workflow(frame))
        case "ping":
            yield Meta(ping=True)
        case _:
            yield Meta() if _SILENT.match(kind or "") else FOREIGN


def _output(text: str, part: Part = Part.CONTENT, *, again: bool = False) -> Event:
    return Output(text, part, again=again) if text else Meta()


def _workflow(frame: Mapping[str, object]) -> int:
    """Return what ends with the workflow: the answer itself, if there is only a workflow and no message."""
    return WORKFLOW if frame.get("message_id") else ANSWER


def _result(data: Mapping[str, object], ends: int) -> Event:
    """Read how a workflow ended."""
    status, error = as_word(data.get("status")), data.get("error")
    if status == "failed":
        return failure({"error": error or "", "type": status})
    return Finish(status, Stop.ABORT if status == "stopped" else stop_of(status), ends)


DIFY = Protocol(
    name="dify",
    parts=True,
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/chat-messages", "/completion-messages", "/workflows/run"),
    asked_at="`/v1/chat-messages`, `/v1/completion-messages`, `/v1/workflows/run`",
    complete_when="`message_end`; in a chatflow `workflow_finished`, too; in a workflow that alone",
    note='a workflow\'s variable of another name than `query`: `body = { inputs = { NAME = "{prompt}" } }`',
    example="made/dify_chat_whole",
    dialect="monitor.lab.dialects.dify:DIALECT",
)
