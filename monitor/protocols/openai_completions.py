"""OpenAI's legacy completions (`/v1/completions`), as vLLM, llama.cpp, LiteLLM, Fireworks and others stream them."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import MARKER, Protocol, Request, json_request
from monitor.protocols.finish_reasons import finish_of, words_of
from monitor.protocols.shapes import FOREIGN, choices_of, counted_in, error_of
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import as_count, as_text, as_word, load
from monitor.stream.events import Done, Event, Finish, Message, Meta, Output
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask for what follows the prompt, for a stream that ends with its usage."""
    body = {
        "model": target.model,
        "prompt": prompt,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": target.max_tokens,
        "temperature": target.temperature,
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event: a chunk, an error, or the marker; a chunk of the chat's is foreign."""
    if message.data.lstrip().startswith(MARKER):
        yield Done()
        return
    frame = load(message.data)
    outputs: list[Output] = []
    finishes: list[Finish] = []
    choices = choices_of(frame)
    for choice in choices:
        index = as_count(choice.get("index")) or 0
        if text := as_text(choice.get("text")):
            outputs.append(Output(text, choice=index))
        if (reason := finish_of(choice)) is not None:
            finishes.append(Finish(*reason, index, words_of(choice.get("finish_reason"))))
    yield from outputs
    usage = counted_in(frame, choices)
    if (error := failure_in(frame, output=bool(outputs))) is not None:
        yield error
    elif "choices" not in frame or (choices and all("text" not in it and "delta" in it for it in choices)):
        yield FOREIGN if usage is None else Meta(foreign=True, usage=usage)
    else:
        yield from map(failure, filter(None, map(error_of, choices)))
        if usage is not None or finishes or not outputs:
            yield Meta(shared=not choices, model=as_word(frame.get("model")), usage=usage)
        yield from finishes


OPENAI_COMPLETIONS = Protocol(
    name="openai-completions",
    framing=ServerSentEvents,
    opaque=True,
    request=request,
    interpret=interpret,
    choices="n",
    marker=True,
    paths=("/completions",),
    asked_at="`/v1/completions` of vLLM, llama.cpp, LiteLLM, OpenAI and others",
    complete_when="a `finish_reason` on every choice; marker `[DONE]`",
    note="no chat template is applied to the prompt",
    example="made/openai_completions_whole",
    dialect="monitor.lab.dialects.openai_completions:DIALECT",
)
