"""OpenAI's chat completions, as vLLM, llama.cpp, Ollama, LiteLLM, Azure, OpenRouter and many others stream them."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.protocols.base import MARKER, Protocol, Request, json_request, one_message
from monitor.protocols.shapes import openai_frame
from monitor.protocols.values import load
from monitor.stream.events import Done, Event, Message
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message, for a stream that ends with its usage."""
    return json_request(one_message(target, prompt) | {"stream_options": {"include_usage": True}}, target)


def interpret(message: Message) -> Iterable[Event]:
    """Read one event, whatever its name: a chunk, an error, or the marker; any other is life without output."""
    if message.data.lstrip().startswith(MARKER):
        return (Done(),)
    return openai_frame(load(message.data))


OPENAI_CHAT = Protocol(
    name="openai-chat",
    framing=ServerSentEvents,
    opaque=True,
    request=request,
    interpret=interpret,
    choices="n",
    marker=True,
    paths=("/chat/completions",),
    asked_at="`/v1/chat/completions` of OpenAI, vLLM, llama.cpp, Ollama, LiteLLM, Azure, OpenRouter, ...",
    complete_when="a `finish_reason` on every choice; marker `[DONE]`",
    example="servers/llama-server_openai_chat_usage",
    dialect="monitor.lab.dialects.openai_chat:DIALECT",
)
