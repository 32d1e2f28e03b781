"""The protocols that the lab speaks, one small file each, independent of the product's decoders."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.lab.dialects import (
    anthropic_messages,
    chatchat,
    chatchat_0_2,
    chatchat_0_2_json,
    chatchat_0_2_text,
    chatchat_agent,
    chatchat_kb,
    cohere_v2,
    coze_v3,
    dify,
    fastgpt,
    gemini,
    llamacpp_completion,
    ollama_chat,
    openai_chat,
    openai_responses,
    raw,
    tgi,
)
from monitor.lab.dialects.base import Dialect

DIALECTS: Mapping[str, Dialect] = {
    "openai-chat": openai_chat.SPEAKER,
    "openai-responses": openai_responses.SPEAKER,
    "anthropic-messages": anthropic_messages.SPEAKER,
    "ollama-chat": ollama_chat.SPEAKER,
    "gemini": gemini.SPEAKER,
    "llamacpp-completion": llamacpp_completion.SPEAKER,
    "cohere-v2": cohere_v2.SPEAKER,
    "tgi": tgi.SPEAKER,
    "dify": dify.SPEAKER,
    "fastgpt": fastgpt.SPEAKER,
    "coze-v3": coze_v3.SPEAKER,
    "chatchat": chatchat.SPEAKER,
    "chatchat-agent": chatchat_agent.SPEAKER,
    "chatchat-kb": chatchat_kb.SPEAKER,
    "chatchat-0.2": chatchat_0_2.SPEAKER,
    "chatchat-0.2-json": chatchat_0_2_json.SPEAKER,
    "chatchat-0.2-text": chatchat_0_2_text.SPEAKER,
    "raw": raw.SPEAKER,
}
