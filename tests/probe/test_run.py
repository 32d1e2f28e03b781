"""A probe ends in one observation, whatever raises on its way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from monitor.http import Client, ExchangeInfo
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Script, Send
from monitor.probe.run import Prober
from monitor.protocols import Protocol, Request
from monitor.record.observation import Observation
from monitor.settings import Limits, Network
from monitor.stream.events import Event, Message
from monitor.stream.raw import Raw
from tests.conftest import TIGHT, MakeProber, target
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

URL = "http://chat.test/v1/chat/completions"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
BASE32 = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


async def probed(prober: MakeProber, script: Script, **more: Any) -> Observation:  # noqa: ANN401 - fields of Target
    """Return what a probe of a peer that plays this sees."""
    async with peer(script) as server:
        return await prober()(target(f"{server.url}/?token=canary-query", **more), "cli")


def _interpret(_: Message) -> Iterator[Event]:
    raise RuntimeError("canary")


BROKEN = Protocol("broken", Raw, lambda _, __: Request("GET"), _interpret, content_types=())
"""An outside protocol that raises what no protocol may."""


async def test_a_protocol_that_raises_is_inconclusive(prober: MakeProber) -> None:
    """A bug of an outside protocol is said by the name of its exception, and no probe is lost."""
    seen = await probed(prober, (Send(HEAD + b"x"), Fin()), protocol=f"{__name__}:BROKEN")
    assert verdict(seen) == "inconclusive/internal"
    assert "RuntimeError" in seen.verdict.detail
    assert "canary" not in str(record(seen))


async def test_a_carrier_that_raises_is_inconclusive() -> None:
    """So is a bug of our own, wherever it is."""

    class Broken(Client):
        async def carry(self, *_: object) -> ExchangeInfo:
            raise LookupError

    seen = await Prober(Broken(Limits(), Network()), TIGHT)(target(URL), "cli")
    assert verdict(seen) == "inconclusive/internal"
    assert "LookupError" in seen.verdict.detail
