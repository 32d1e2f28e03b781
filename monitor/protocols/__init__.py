"""The protocols by name, the only list of them; an external one is loaded as `package.module:NAME`."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import TypeVar
from urllib.parse import urlsplit

from monitor.protocols.base import Protocol, Request
from monitor.protocols.decoder import Decoder

__all__ = ["PROTOCOLS", "Decoder", "Protocol", "Request", "find", "for_path", "load"]

T = TypeVar("T")

_MODULES = (
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "anthropic_messages",
    "ollama_chat",
    "ollama_generate",
    "gemini",
    "bedrock_converse",
    "workers_ai",
    "llamacpp_completion",
    "cohere_v2",
    "tgi",
    "dify",
    "fastgpt",
    "coze_v3",
    "vercel_data_stream",
    "chatchat",
    "chatchat_agent",
    "chatchat_kb",
    "chatchat_0_2",
    "chatchat_0_2_json",
    "chatchat_0_2_text",
    "generic",
    "raw",
)
"""Each module has the protocol under the module's name in capitals."""


def load(name: str, kind: type[T]) -> T:
    """Load `package.module:NAME`; a ValueError says why it cannot be loaded or is not a `kind`."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # an import runs external code, which may raise anything
        raise ValueError(f"{name!r} cannot be loaded: {type(error).__name__}: {error}{_hint(error, module)}") from error
    if not isinstance(found, kind):
        raise ValueError(f"{name!r} is a {type(found).__name__}, not a {kind.__module__}.{kind.__qualname__}")  # noqa: TRY004
    return found


def _hint(error: Exception, module: str) -> str:
    """Return what to do if `module` itself, and not an import of it, is not found; else ""."""
    missing = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
    return "; install its package, or name the directory of the module in PYTHONPATH" if missing else ""


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (load(f"{__name__}.{module}:{module.upper()}", Protocol) for module in _MODULES)
}


def for_path(path: str) -> Protocol | None:
    """Return the protocol whose `paths` match the path of a URL: the longest wins, then the first of the registry."""
    path = path.rstrip("/")
    fits = [
        (len(pattern), protocol)
        for protocol in PROTOCOLS.values()
        for pattern in protocol.paths
        if _pattern(pattern).search(path)
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


_BASES = frozenset({"", "/v1", "/v1beta", "/api", "/api/v1"})
"""Paths of a client's base URL, to which it appends the rest."""
_UNDER_V1 = frozenset({"/chat/completions", "/completions", "/responses", "/messages"})


def whole_path(url: str, protocol: Protocol) -> str | None:
    """Return the path of a protocol below a base URL; None if the URL is not a base URL."""
    base = urlsplit(url).path.rstrip("/")
    if base not in _BASES or not protocol.paths:
        return None
    path = protocol.paths[0]
    if path in _UNDER_V1:
        base = base if base.endswith("/v1") else f"{base}/v1"
    elif path.startswith(("/v", "/api")):
        base = ""
    return base + path


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(map(re.escape, path.split("*"))) + "$")


def find(name: str) -> Protocol:
    """Return the protocol with that name, or the one at `package.module:NAME`; a ValueError says what is wrong."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if ":" not in name:
        raise ValueError(f"no protocol {name!r}: known are {', '.join(sorted(PROTOCOLS))}, or package.module:NAME")
    return load(name, Protocol)
