"""OpenAI's chat completions, as vLLM, llama.cpp, Ollama, LiteLLM, Azure, OpenRouter and many others stream them."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.protocols.base import Protocol, Request, json_request, one_message
from monitor.protocols.shapes import error_in, load, named_error, openai_frame
from monitor.stream.events import Done, Event, Message, Meta
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message, for a stream that ends with its usage."""
    return json_request(one_message(target, prompt) | {"stream_options": {"include_usage": True}}, target)


def interpret(message: Message) -> Iterable[Event]:
    """Read one event: a chunk, an error, or the marker; events of other names are life without output."""
    if message.data.strip() == "[DONE]":
        return (Done(),)
    if message.name == "error":
        return (named_error(message.data),)
    frame = load(message.data)
    if message.name not in {"", "message"} and "choices" not in frame and error_in(frame) is None:
        return (Meta(),)
    return openai_frame(frame)


OPENAI_CHAT = Protocol(
    name="openai-chat",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    choices="n",
    marker=True,
    paths=("/chat/completions",),
    asked_at="`/v1/chat/completions` of OpenAI, vLLM, llama.cpp, Ollama, LiteLLM, Azure, OpenRouter, ...",
    complete_when="a `finish_reason` on every choice; marker `[DONE]`",
    example="servers/llama-server_openai_chat_usage",
    dialect="monitor.lab.dialects.openai_chat:SPEAKER",
)
