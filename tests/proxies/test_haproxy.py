"""haproxy in front of the lab: the cuts of its server timeout, what it passes on, and its batches."""

from __future__ import annotations

import statistics

import pytest

from monitor.stream.statistics import gaps, output_arrivals
from tests.proxies.conftest import During, Haproxy
from tests.proxies.programs import upstream
from tests.test_wire import verdict

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("no_leaks")]

EVEN = "/openai-chat/ok?gap=20ms"


async def test_an_upstream_that_dies_is_passed_on(haproxy: Haproxy, during: During) -> None:
    """With HTTP/1.1 on both sides, a cut of the upstream's chunked body is passed on."""
    async with upstream() as server, haproxy(server.port) as proxy:
        observation = await during(f"{proxy.url}/openai-chat/ok?gap=50ms", server.process.kill)
    assert verdict(observation) == "truncated/incomplete_body"
    assert observation.recording.chunks >= 1


async def test_its_server_timeout_cuts(haproxy: Haproxy, during: During, lab_port: int) -> None:
    """`timeout server` ends the connection without the terminal chunk; what came before is kept."""
    async with haproxy(lab_port, server="600ms") as proxy:
        observation = await during(f"{proxy.url}/openai-chat/stall?after=3")
    assert verdict(observation) == "truncated/incomplete_body"
    assert observation.recording.chunks == 3


async def test_a_server_timeout_before_the_head_is_its_own_answer(
    haproxy: Haproxy, during: During, lab_port: int
) -> None:
    """Before the head it can still say so: 504."""
    async with haproxy(lab_port, server="600ms") as proxy:
        observation = await during(f"{proxy.url}/openai-chat/hang")
    assert verdict(observation) == "http_error/server"
    assert observation.recording.head is not None
    assert observation.recording.head.status == 504


async def test_it_batches_by_default(haproxy: Haproxy, during: During, lab_port: int) -> None:
    """Events 20 ms apart come every 210 ms, for users, too; `option http-no-delay` lets them through."""
    async with haproxy(lab_port) as proxy:
        batched = await during(f"{proxy.url}{EVEN}")
    async with haproxy(lab_port, option="option http-no-delay") as proxy:
        prompt = await during(f"{proxy.url}{EVEN}")
    assert (verdict(batched), verdict(prompt)) == ("ok", "ok")
    assert (batched.recording.chunks, prompt.recording.chunks) == (41, 41)
    assert len(list(output_arrivals(batched.recording))) <= 10
    assert len(list(output_arrivals(prompt.recording))) >= 30
    assert 0.15 <= statistics.median(gap for gap, _ in gaps(batched.recording)) <= 0.3
