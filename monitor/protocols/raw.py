"""The plainest probe: the bytes of any HTTP response, their gaps and the wire's end."""

from __future__ import annotations

from monitor.protocols.base import Protocol
from monitor.protocols.shapes import any_text, own_body
from monitor.stream.raw import Raw

RAW = Protocol(
    name="raw",
    framing=Raw,
    request=own_body,
    interpret=any_text,
    end=False,
    content_types=(),
    asks=False,
    asked_at="any URL",
    note="`body` is sent, with `{prompt}` filled in",
    example="chatchat/mini_v020",
    dialect="monitor.lab.dialects.raw:DIALECT",
)
