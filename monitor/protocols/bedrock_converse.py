"""Amazon Bedrock's ConverseStream (`/model/MODEL/converse-stream`): binary frames of JSON, with a bearer API key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, usage_of
from monitor.protocols.stream_errors import failure, failure_in, named_error
from monitor.protocols.values import an_object, as_object, as_text, load
from monitor.stream.binary_frames import BinaryFrames
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part
from monitor.target import Target

CONTENT_TYPE = "application/vnd.amazon.eventstream"


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message; the model is in the URL."""
    body = {
        "messages": [{"role": "user", "content": [{"text": prompt}]}],
        "inferenceConfig": {"maxTokens": target.max_tokens, "temperature": target.temperature},
    }
    return json_request(body, target, accept=CONTENT_TYPE)


def interpret(message: Message) -> Iterator[Event]:
    """Read one frame by its event type; one of an unknown type is foreign."""
    kind, _, what = message.name.partition(":")
    if kind in {"exception", "error"}:
        found = named_error(message.data)
        yield failure({"message": found.message, "type": found.type or what, "code": found.code})
        return
    frame = load(message.data)
    match kind:
        case "contentBlockStart":
            started = an_object(frame.get("start"))
            yield Output("", Part.TOOL_CALL) if "toolUse" in started else Meta()
        case "contentBlockDelta":
            yield _delta(as_object(frame.get("delta")))
        case "messageStop":
            reason = reason_of(frame.get("stopReason"))
            yield Finish(reason, stop_of(reason))
        case "metadata":
            yield Meta(usage=usage_of(frame.get("usage")))
        case "messageStart" | "contentBlockStop" | "initial-response":
            yield Meta()
        case _:
            yield failure_in(frame) or FOREIGN


def _delta(delta: Mapping[str, object]) -> Event:
    """Read a piece of a block; signatures and redacted reasoning are not output."""
    reasoning, tool = an_object(delta.get("reasoningContent")), an_object(delta.get("toolUse"))
    for fields, part in ((delta, Part.CONTENT), (reasoning, Part.REASONING)):
        if text := as_text(fields.get("text")):
            return Output(text, part)
    text = as_text(tool.get("input"))
    return Output(text, Part.TOOL_CALL) if text else Meta()


BEDROCK_CONVERSE = Protocol(
    name="bedrock-converse",
    framing=BinaryFrames,
    request=request,
    interpret=interpret,
    content_types=(CONTENT_TYPE,),
    paths=("/model/*/converse-stream",),
    asked_at="`/model/MODEL/converse-stream` of Amazon Bedrock",
    complete_when="`messageStop`",
    note="binary frames, whose two checksums are compared; the key is a Bedrock API key (requests are not signed); "
    "the model is in the URL",
    example="made/bedrock_converse_whole",
    dialect="monitor.lab.dialects.bedrock_converse:DIALECT",
)
