"""Caddy in front of the lab: it ends a stream cleanly whose upstream has died."""

from __future__ import annotations

import pytest

from monitor.stream.statistics import buffered, output_arrivals
from tests.proxies.conftest import Caddy, During
from tests.proxies.programs import upstream
from tests.test_wire import verdict

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("no_leaks")]


async def test_a_whole_stream_passes(caddy: Caddy, during: During, lab_port: int) -> None:
    """Every event as it comes."""
    async with caddy(lab_port) as proxy:
        observation = await during(f"{proxy.url}/openai-chat/ok")
    assert (verdict(observation), observation.recording.chunks, buffered(observation.recording)) == ("ok", 41, False)
    assert len(list(output_arrivals(observation.recording))) > 30


async def test_an_upstream_that_dies_is_hidden(caddy: Caddy, during: During) -> None:
    """Caddy 2.6 adds a terminal chunk after the body of a killed upstream."""
    async with upstream() as server, caddy(server.port) as proxy:
        observation = await during(f"{proxy.url}/openai-chat/ok?gap=50ms", server.process.kill)
    assert verdict(observation) == "truncated/no_terminator"
    assert observation.check is not None
    assert observation.check.beginning


async def test_its_read_timeout_is_hidden_too(caddy: Caddy, during: During, lab_port: int) -> None:
    """A model that thinks for longer than Caddy waits is cut, clean as an answer that is whole."""
    async with caddy(lab_port, "transport http {\n read_timeout 600ms\n }") as proxy:
        observation = await during(f"{proxy.url}/openai-chat/stall?after=3")
    assert (verdict(observation), observation.recording.chunks) == ("truncated/no_terminator", 3)
