"""OpenAI's responses (`/v1/responses`): numbered events by type, the last one completed, incomplete or failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import as_count, as_object, as_text, failure, load, stop_of
from monitor.stream.events import Done, Event, Finish, Message, Meta, Output, Part, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_DELTAS: Mapping[str, Part] = {
    "response.output_text.delta": Part.CONTENT,
    "response.refusal.delta": Part.REFUSAL,
    "response.reasoning_text.delta": Part.REASONING,
    "response.reasoning_summary_text.delta": Part.REASONING,
    "response.function_call_arguments.delta": Part.TOOL_CALL,
}


def request(target: Target, prompt: str) -> Request:
    """Ask with one text."""
    body = {
        "model": target.model,
        "input": prompt,
        "stream": True,
        "max_output_tokens": target.max_tokens,
        "temperature": target.temperature,
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its type; one of an unknown type is life without output. `[DONE]`, which gateways add, too."""
    if message.data.strip() == "[DONE]":
        yield Done()
        return
    frame = load(message.data)
    kind = as_text(frame.get("type")) or message.name
    number = as_count(frame.get("sequence_number"))
    if kind == "error" or (not kind and "error" in frame):
        yield failure(frame.get("error") or frame)
        return
    if not kind:
        raise KeyError("type")
    if number is not None:
        yield Meta(sequence=number)
    if kind in _DELTAS:
        text = as_text(frame["delta"])
        yield Output(text, _DELTAS[kind]) if text else Meta()
    else:
        yield from _state(kind, as_object(frame.get("response") or {}))


def _state(kind: str, response: Mapping[str, object]) -> Iterator[Event]:
    """Read what a state of the whole response says."""
    if kind == "response.failed":
        yield failure(response.get("error") or {})
        return
    usage = as_object(response.get("usage") or {})
    details = as_object(usage.get("output_tokens_details") or {})
    counted = (usage.get("input_tokens"), usage.get("output_tokens"), details.get("reasoning_tokens"))
    yield Meta(model=as_text(response.get("model")) or None, usage=Usage(*map(as_count, counted)) if usage else None)
    if kind == "response.completed":
        yield Finish("completed")
    elif kind == "response.incomplete":
        reason = as_text(as_object(response.get("incomplete_details") or {}).get("reason")) or "incomplete"
        yield Finish(reason, stop_of(reason))


OPENAI_RESPONSES = Protocol(
    name="openai-responses",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/responses",),
    asked_at="`/v1/responses`",
    complete_when="`response.completed`",
    note="a number missing among its events is `sequence_gap`",
    example="servers/llama-server_responses",
    dialect="monitor.lab.dialects.openai_responses:SPEAKER",
)
