"""The session of one connection: of the wanted family, and it sends nothing twice."""

from __future__ import annotations

import asyncio

import pytest

from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.lab.steps import Fin, Gate, Send
from monitor.settings import Network
from tests.conftest import Ask, MakeProber, target
from tests.gates import Reached
from tests.http.parts import HI, OK, STOP, Names, sized, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_the_family_can_be_chosen(prober: MakeProber) -> None:
    """With `ip_family = 6` no address of the other family is tried."""
    async with await serve("::1", 0) as lab:
        url = f"http://both.test:{lab.port}/raw/ok?gap=0&ttfc=0"
        probe = prober(resolver=Names(both=["127.0.0.1", "::1"]), network=Network(ip_family=6))
        observation = await probe(target(url, "raw"), "cli")
    assert (verdict(observation), observation.peer, observation.ip_family) == ("ok", f"[::1]:{lab.port}", 6)


async def test_a_get_is_sent_once(ask: Ask) -> None:
    """A GET is sent once, although aiohttp itself would silently repeat it if the peer closes before it answers."""
    async with peer((Fin(),)) as server:
        observation = await ask(server.url, "raw", body={}, check=None)
        assert verdict(observation) == "no_response/closed"
        await server.over()
        assert [request.method for request in server.requests] == ["GET"]


async def test_requests_that_run_together_share_a_session(prober: MakeProber) -> None:
    """Concurrent requests share a session with separate connections; it is closed after the last of them."""
    gate = Reached()
    probe = prober()
    async with peer((Gate(gate), Send(sized(HI + STOP))), OK, OK, (Fin(),)) as server:
        asked = target(**unchecked(f"{server.url}/"))
        first = asyncio.create_task(probe(asked, "cli"))
        await gate.reached.wait()
        shared = probe.client._shared
        assert shared is not None
        second = await probe(asked, "cli")
        assert (probe.client._shared, shared.users, shared.session.closed) == (shared, 1, False)
        await probe.client.renew(probe.limits, Network())
        third = await probe(asked, "cli")
        assert (shared.users, shared.session.closed) == (1, False)
        gate.set()
        observations = [await first, second, third]
        assert [verdict(one) for one in observations] == ["ok"] * 3
        assert (shared.users, shared.session.closed) == (0, True)
        assert verdict(await probe(asked, "cli")) == "no_response/closed"
