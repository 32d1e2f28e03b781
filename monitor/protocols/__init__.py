"""The protocols by name; one from outside is found as `package.module:NAME`."""

from __future__ import annotations

from importlib import import_module

from monitor.protocols.anthropic_messages import ANTHROPIC_MESSAGES
from monitor.protocols.base import Protocol, Request
from monitor.protocols.chatchat import CHATCHAT
from monitor.protocols.chatchat_0_2 import CHATCHAT_0_2
from monitor.protocols.chatchat_0_2_json import CHATCHAT_0_2_JSON
from monitor.protocols.chatchat_0_2_text import CHATCHAT_0_2_TEXT
from monitor.protocols.chatchat_agent import CHATCHAT_AGENT
from monitor.protocols.chatchat_kb import CHATCHAT_KB
from monitor.protocols.cohere_v2 import COHERE_V2
from monitor.protocols.coze_v3 import COZE_V3
from monitor.protocols.decoder import Decoder
from monitor.protocols.dify import DIFY
from monitor.protocols.fastgpt import FASTGPT
from monitor.protocols.gemini import GEMINI
from monitor.protocols.llamacpp_completion import LLAMACPP_COMPLETION
from monitor.protocols.ollama_chat import OLLAMA_CHAT
from monitor.protocols.openai_chat import OPENAI_CHAT
from monitor.protocols.openai_responses import OPENAI_RESPONSES
from monitor.protocols.raw import RAW
from monitor.protocols.tgi import TGI

__all__ = ["PROTOCOLS", "Decoder", "Protocol", "Request", "find"]

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        OPENAI_CHAT,
        OPENAI_RESPONSES,
        ANTHROPIC_MESSAGES,
        OLLAMA_CHAT,
        GEMINI,
        LLAMACPP_COMPLETION,
        COHERE_V2,
        TGI,
        DIFY,
        FASTGPT,
        COZE_V3,
        CHATCHAT,
        CHATCHAT_AGENT,
        CHATCHAT_KB,
        CHATCHAT_0_2,
        CHATCHAT_0_2_JSON,
        CHATCHAT_0_2_TEXT,
        RAW,
    )
}


def find(name: str) -> Protocol:
    """Return the protocol of that name, or the one at `package.module:NAME`; ValueError says what is wrong."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"no protocol {name!r}: known are {', '.join(sorted(PROTOCOLS))}, or package.module:NAME")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"protocol {name!r} cannot be loaded: {error}") from error
    if not isinstance(found, Protocol):
        raise ValueError(f"{name!r} is a {type(found).__name__}, not a monitor.protocols.Protocol")  # noqa: TRY004
    return found
