"""Named sets of a target's keys, and the first configs that `init` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    # the smallest check that still proves an end: 288 probes a day, each with about 30 output tokens
    "light": {"interval": "5m", "max_tokens": 100, "check": {"kind": "count", "to": 10}},
}
"""The keys that each `preset` sets, as in the file."""


def with_preset(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both tables with the keys of their preset below the keys that they set themselves.

    A target's preset takes precedence over the keys of the defaults; without one, the defaults' preset applies. With a
    `prompt` of the user the preset's check is left out, as the default check is.
    """
    if "preset" in own:
        return dict(defaults), _below(own, own["preset"], ({**defaults, **own}))
    return _below(defaults, defaults.get("preset"), {**defaults, **own}), dict(own)


def _below(table: Mapping[str, Any], preset: object, both: Mapping[str, Any]) -> dict[str, Any]:
    keys = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
    return {key: value for key, value in keys.items() if key != "check" or "prompt" not in both} | dict(table)


@dataclass(frozen=True, slots=True)
class Start:
    """A server in a first config: its protocol, its URL, and the variable with its key."""

    protocol: str
    url: str
    model: str = ""
    key: str = ""
    more: str = ""
    """Further lines."""


STARTS: Mapping[str, Start] = {
    "openai": Start("openai-chat", "https://api.openai.com/v1/chat/completions", "gpt-4o-mini", "OPENAI_API_KEY"),
    "anthropic": Start(
        "anthropic-messages", "https://api.anthropic.com/v1/messages", "claude-3-5-haiku-latest", "ANTHROPIC_API_KEY"
    ),
    "gemini": Start(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse",
        key="GEMINI_API_KEY",
        more='check = { kind = "words", to = 10 } # counting can provoke its filter against recitation',
    ),
    "cohere": Start("cohere-v2", "https://api.cohere.com/v2/chat", "command-r7b-12-2024", "CO_API_KEY"),
    "ollama": Start("ollama-chat", "http://127.0.0.1:11434/api/chat", "llama3.2"),
    "vllm": Start("openai-chat", "http://127.0.0.1:8000/v1/chat/completions", "my-model"),
    "llama-server": Start("openai-chat", "http://127.0.0.1:8080/v1/chat/completions", "my-model"),
    "tgi": Start("tgi", "http://127.0.0.1:8080/generate_stream"),
    "langchain-chatchat": Start(
        "chatchat",
        "http://127.0.0.1:7861/chat/chat/completions",
        "my-model",
        more="# Version 0.2: the path is /chat/chat, and docs/protocols.md has its protocols.\n"
        "# If its model server is a target, too, name it here: then the suspect says which of the two cut a stream.\n"
        '# upstream = "model"',
    ),
    "dify": Start("dify", "http://127.0.0.1/v1/chat-messages", key="DIFY_API_KEY"),
    "fastgpt": Start("fastgpt", "http://127.0.0.1:3000/api/v1/chat/completions", key="FASTGPT_API_KEY"),
    "coze": Start(
        "coze-v3",
        "https://api.coze.com/v3/chat",
        key="COZE_API_KEY",
        more='body = { bot_id = "...", user_id = "probe" }',
    ),
}
"""The presets of `chat-monitor init --preset`."""
