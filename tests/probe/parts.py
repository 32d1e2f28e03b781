"""Parts of the probe tests: parts of a response, and one probe of a peer."""

from __future__ import annotations

from typing import Any

from monitor.lab.peer import peer
from monitor.lab.steps import Script
from monitor.record.observation import Observation
from tests.conftest import MakeProber, target

URL = "http://chat.test/v1/chat/completions"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'


async def probed(prober: MakeProber, script: Script, **more: Any) -> Observation:  # noqa: ANN401 - fields of Target
    """Return what a probe of a peer that plays this sees."""
    async with peer(script) as server:
        return await prober()(target(f"{server.url}/?token=canary-query", **more), "cli")
