"""OpenAI's responses (`/v1/responses`): numbered events by type, the last one completed, incomplete or failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, usage_of
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import an_object, as_arguments, as_count, as_object, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Stop
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_DELTAS: Mapping[str, Part] = {
    "response.output_text.delta": Part.CONTENT,
    "response.refusal.delta": Part.REFUSAL,
    "response.reasoning_text.delta": Part.REASONING,
    "response.reasoning_summary_text.delta": Part.REASONING,
    "response.function_call_arguments.delta": Part.TOOL_CALL,
    "response.custom_tool_call_input.delta": Part.TOOL_CALL,
    "response.mcp_call_arguments.delta": Part.TOOL_CALL,
}
_WHOLE: Mapping[str, tuple[str, Part]] = {
    "response.output_text.done": ("text", Part.CONTENT),
    "response.refusal.done": ("refusal", Part.REFUSAL),
    "response.reasoning_text.done": ("text", Part.REASONING),
    "response.function_call_arguments.done": ("arguments", Part.TOOL_CALL),
}
"""Events that repeat the deltas before them; without deltas they are the output."""
_STATES = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
"""Events that end the response, named after its state; the state itself wins over the name."""
_STATUS = frozenset({"completed", "incomplete", "failed", "cancelled", "canceled"})


_CALLS = frozenset({"function_call", "custom_tool_call", "mcp_call"})


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
    """Read one event by its type; one of an unknown type is life without output, or foreign."""
    frame = load(message.data)
    kind = as_word(frame.get("type")) or message.name
    if kind == "error" or not kind:
        yield failure_in(frame) or (failure(frame) if kind else FOREIGN)
        return
    if (number := as_count(frame.get("sequence_number"))) is not None:
        yield Meta(sequence=number)
    if kind in _DELTAS:
        text = as_arguments(frame.get("delta"))
        yield Output(text, _DELTAS[kind]) if text else Meta()
    elif kind in _WHOLE:
        key, part = _WHOLE[kind]
        text = as_arguments(frame.get(key))
        yield Output(text, part, repeats=True) if text else Meta()
    elif (error := failure_in(frame, output=True)) is not None:  # New-API's `response.error`, with an error beside it
        yield error
    elif kind == "response.output_item.done":
        yield from _item(an_object(frame.get("item"))) or (Meta(),)
    elif kind.startswith("response."):
        yield from _state(kind, as_object(frame.get("response")))
    else:
        yield failure_in(frame) or FOREIGN


def _state(kind: str, response: Mapping[str, object]) -> Iterator[Event]:
    """Read the state of the whole response."""
    yield Meta(model=as_word(response.get("model")), usage=usage_of(response.get("usage")))
    if kind not in _STATES:
        return
    status = reason_of(response.get("status")) or ""
    status = status if status in _STATUS and kind != "response.failed" else kind.rpartition(".")[2]
    if status == "failed" or (failure_in(response, output=True) is not None and "error" in response):
        yield failure(response.get("error") or {})
        return
    yield from _answer(response)
    incomplete = reason_of(an_object(response.get("incomplete_details")).get("reason"))
    if status == "incomplete" or (incomplete is not None and status == "completed"):
        yield Finish(incomplete or status, stop_of(incomplete or status, Stop.LENGTH))
    else:
        yield Finish(status, stop_of(status))


def _answer(response: Mapping[str, object]) -> Iterator[Output]:
    """Return the whole answer, which repeats what was streamed."""
    output = response.get("output")
    for item in map(an_object, output if isinstance(output, list) else []):
        yield from _item(item)


def _item(item: Mapping[str, object]) -> list[Output]:
    """Return what a whole item of the answer repeats: its text, or the arguments of a call."""
    if as_text(item.get("type")) in _CALLS:
        return [Output(as_arguments(item.get("arguments") or item.get("input")), Part.TOOL_CALL, repeats=True)]
    content = item.get("content")
    parts = map(an_object, content if isinstance(content, list) else [])
    reasoning = as_text(item.get("type")) == "reasoning"
    return [
        Output(text, Part.REASONING if reasoning else Part.CONTENT, repeats=True)
        for text in (as_text(part.get("text")) for part in parts)
        if text
    ]


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
    dialect="monitor.lab.dialects.openai_responses:DIALECT",
)
