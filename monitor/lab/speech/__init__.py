"""The protocols that the lab speaks, one small file each, independent of the product's decoders."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.lab.speech import chatchat, chatchat_0_2, chatchat_agent, chatchat_kb, openai_chat, raw
from monitor.lab.speech.base import Speaker

SPEAKERS: Mapping[str, Speaker] = {
    "openai-chat": openai_chat.SPEAKER,
    "chatchat": chatchat.SPEAKER,
    "chatchat-agent": chatchat_agent.SPEAKER,
    "chatchat-kb": chatchat_kb.SPEAKER,
    "chatchat-0.2": chatchat_0_2.SPEAKER,
    "raw": raw.SPEAKER,
}
