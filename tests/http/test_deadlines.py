"""Deadlines: each at its limit, none postponed, none before received data is read, and simultaneous cancellations."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from monitor.http.exchange import Exchange
from monitor.lab.peer import peer
from monitor.lab.steps import Gate, Hold, Repeat, Send
from monitor.settings import Limits
from monitor.stream.endings import Deadline
from tests.conftest import SHORT, Ask, MakeProber, only, target
from tests.gates import Reached
from tests.http.parts import CLOSED, HI, STOP, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_a_full_backlog_is_a_timeout(ask: Ask) -> None:
    """If the listener's backlog is full, the connect deadline ends the probe at its limit."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        observation = await ask(f"http://127.0.0.1:{full.getsockname()[1]}/", timeouts=only(Deadline.CONNECT))
        for filler in fillers:
            filler.close()
    assert (verdict(observation), observation.verdict.phase) == ("timeout/connect", "connect")
    assert observation.duration == SHORT.connect
    assert "looked up" not in observation.verdict.detail


async def test_a_stream_that_never_pauses_meets_its_deadline(prober: MakeProber) -> None:
    """Data in the socket is read before a deadline is judged, but a peer that never pauses cannot delay it."""
    limits = Limits(stream_bytes=1 << 40, event_bytes=1 << 40, events=1 << 40)
    async with peer((Send(CLOSED), Repeat(b": ping\n\n" * 64, 0.0))) as server:
        observation = await prober(limits=limits)(target(f"{server.url}/", timeouts=only(Deadline.FIRST_CHUNK)), "cli")
    assert verdict(observation) == "timeout/first_chunk"


async def test_a_server_that_drips_before_its_head(ask: Ask) -> None:
    """Bytes of a head that does not come whole do not move its deadline."""
    async with peer((Send(b"HTTP/1.1 200 OK\r\n"), Repeat(b"X", 0.05))) as server:
        observation = await ask(f"{server.url}/", timeouts=only(Deadline.HEADERS))
    assert (verdict(observation), observation.verdict.phase, observation.duration) == (
        "timeout/headers",
        "headers",
        SHORT.headers,
    )


async def test_a_marker_is_not_waited_for_long(ask: Ask) -> None:
    """After the protocol's end the socket is given `drain` seconds, and the stream ended when its end came."""
    gate = asyncio.Event()
    async with peer((Send(CLOSED + HI), Gate(gate), Send(STOP), Hold())) as server:
        asking = asyncio.create_task(ask(**unchecked(f"{server.url}/", timeouts=only(Deadline.DRAIN))))
        gate.set()
        observation = await asking
    assert verdict(observation) == "ok"
    assert observation.verdict.unclean == "left_open"
    assert observation.duration == observation.recording.end.stands_at


@pytest.mark.parametrize(("reason", "cause"), [("shutdown", "shutdown"), ("reload", "reload"), (None, "client")])
@pytest.mark.parametrize("sent", [b"", CLOSED + HI], ids=["before the head", "in the stream"])
async def test_a_cancelled_probe_is_aborted(prober: MakeProber, sent: bytes, reason: str | None, cause: str) -> None:
    """A cancellation is a verdict of its own, and what had come until then is kept."""
    gate, received, payload = Reached(), asyncio.Event(), bytearray()

    def save(data: bytes) -> None:
        payload.extend(data)
        received.set()

    async with peer((Send(sent), Gate(gate))) as server:
        probe = prober(save=save)(target(f"{server.url}/"), "cli")
        task = asyncio.create_task(probe)
        await (received if sent else gate.reached).wait()
        task.cancel(*([reason] if reason else []))
        observation = await task
    assert verdict(observation) == f"aborted/{cause}"
    assert observation.recording.bytes == len(payload) == len(HI if sent else b"")


@pytest.mark.parametrize("why", ["reload", None])
@pytest.mark.parametrize(
    ("sent", "deadline"), [(b"", Deadline.HEADERS), (CLOSED, Deadline.FIRST_CHUNK)], ids=["before the head", "after it"]
)
async def test_a_deadline_and_a_reload_at_once(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, sent: bytes, deadline: Deadline, why: str | None
) -> None:
    """If a deadline has passed, a reload that stops the probe before it wakes changes nothing of what it recorded."""
    expire = Exchange._expire

    def both(exchange: Exchange, *more: Any) -> None:  # noqa: ANN401 - as the method has them
        expire(exchange, *more)
        assert exchange._task is not None
        exchange._task.cancel(why)

    monkeypatch.setattr(Exchange, "_expire", both)
    async with peer((Send(sent), Hold())) as server:
        observation = await ask(**unchecked(f"{server.url}/", timeouts=only(deadline)))
    assert verdict(observation) == f"timeout/{deadline}"
