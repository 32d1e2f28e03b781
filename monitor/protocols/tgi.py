"""Hugging Face's Text Generation Inference (`/generate_stream`): a token an event, the last with the whole text."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import as_count, as_object, as_text, failure, load, stop_of
from monitor.stream.events import Event, Finish, Message, Meta, Output, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask for what follows the prompt, with the details that say why it ends.

    A temperature of 0 is refused by the server, which takes the likeliest token where none is given.
    """
    parameters: dict[str, object] = {"max_new_tokens": target.max_tokens, "details": True}
    if target.temperature:
        parameters |= {"do_sample": True, "temperature": target.temperature}
    return json_request({"inputs": prompt, "parameters": parameters, "stream": True}, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event: special tokens are no output, and a `generated_text`, even an empty one, is the end."""
    frame = load(message.data)
    if (error := frame.get("error")) is not None:
        yield failure({"message": error, "type": frame.get("error_type")} if isinstance(error, str) else error)
        return
    token, ended = as_object(frame["token"]), frame.get("generated_text") is not None
    text = "" if token.get("special") is True else as_text(token["text"])
    if text:
        yield Output(text)
    elif not ended:
        yield Meta()
    if ended:
        details = as_object(frame.get("details") or {})
        reason = as_text(details.get("finish_reason")) or None
        yield Meta(usage=Usage(as_count(details.get("input_length")), as_count(details.get("generated_tokens"))))
        yield Finish(reason, stop_of(reason))


TGI = Protocol(
    name="tgi",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/generate_stream",),
    asked_at="`/generate_stream` of Text Generation Inference",
    complete_when="a `generated_text`",
    note="no chat template is applied; a `temperature` of 0 is not sent, for it is refused",
    example="made/tgi_whole",
    dialect="monitor.lab.dialects.tgi:SPEAKER",
)
