"""Langchain-Chatchat 0.2.0 to 0.2.6 chat: the bytes are the answer, under the type of a stream of events."""

from __future__ import annotations

from dataclasses import replace

from monitor.lab.dialects import raw

DIALECT = replace(
    raw.DIALECT,
    content_type="text/event-stream; charset=utf-8",
    whole_type="text/event-stream; charset=utf-8",
)
