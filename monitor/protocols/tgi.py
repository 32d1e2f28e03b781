"""Hugging Face's Text Generation Inference (`/generate_stream`): a token an event, the last with the whole text."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import an_object, as_count, as_object, as_text, load
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
    """Read one event: special tokens are not output, and a `generated_text`, even an empty one, is the end."""
    frame = load(message.data)
    token, ended = as_object(frame.get("token")), frame.get("generated_text") is not None
    text = "" if token.get("special") is True else as_text(token.get("text"))
    if (error := failure_in(frame, output=bool(text))) is not None:
        yield error
    elif text:
        yield Output(text)
    elif not ended:
        yield Meta() if "token" in frame else FOREIGN
    if ended:
        details = an_object(frame.get("details"))
        reason = reason_of(details.get("finish_reason"))
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
    dialect="monitor.lab.dialects.tgi:DIALECT",
)
