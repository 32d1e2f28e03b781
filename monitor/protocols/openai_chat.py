"""OpenAI's chat completions, as vLLM, llama.cpp, Ollama, LiteLLM, Azure, OpenRouter and many others stream them."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.protocols.base import MARKER, Protocol, Request, json_request, one_message
from monitor.protocols.shapes import openai_frame
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import load
from monitor.stream.events import Done, Event, Message, Meta
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message, for a stream that ends with its usage."""
    return json_request(one_message(target, prompt) | {"stream_options": {"include_usage": True}}, target)


def interpret(message: Message) -> Iterable[Event]:
    """Read one event: a chunk, an error, or the marker; events of other names are life without output."""
    if message.data.lstrip().startswith(MARKER):
        return (Done(),)
    frame = load(message.data)
    if message.name not in {"", "message"} and "choices" not in frame and failure_in(frame) is None:
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
