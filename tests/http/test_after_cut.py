"""Whether somebody is still there after a cut: asked in an event's `after_cut`, and answered by real ports."""

from __future__ import annotations

import asyncio
import socket

import pytest

from monitor.http.after_cut import look_after_cut
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Rst, Script, Send
from monitor.settings import Limits
from monitor.stream.endings import AfterCut
from tests.conftest import Ask, MakeProber, target
from tests.http.parts import CLOSED, HEAD, HI, OK, STOP, closed_port, no_more_descriptors, unchecked
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CUT = CHUNKED + b"%x\r\n%s\r\n" % (len(HI), HI)
ENDED = CHUNKED + b"%x\r\n%s\r\n" % (len(HI + STOP), HI + STOP)


@pytest.mark.parametrize(
    ("script", "came_to", "after"),
    [
        ((Send(CUT), Fin()), "truncated/incomplete_body", "accepted"),
        ((Send(CUT), Rst()), "truncated/reset", "accepted"),
        ((Fin(),), "no_response/closed", "accepted"),
        ((Send(b"HTTP/1.1 2"), Fin()), "no_response/partial_head", "accepted"),
        ((Send(ENDED), Fin()), "ok", None),
        ((Send(CLOSED + HI), Fin()), "truncated/no_terminator", "accepted"),
        (OK, "ok", None),
    ],
)
async def test_a_server_that_cut_is_asked_whether_it_is_there(
    ask: Ask, script: Script, came_to: str, after: str | None
) -> None:
    """The attempt is made only after a cut by the target; nothing is sent on the second connection."""
    async with peer(script) as server:
        observation = await ask(**unchecked(server.url))
        assert len(server.requests) == 1
    assert verdict(observation) == came_to
    assert record(observation).get("after_cut") == after


async def test_a_process_that_is_gone_refuses(ask: Ask) -> None:
    """After a process that closed its port, the attempt is refused."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

    def die() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(CUT)
            listener.close()

    dying = asyncio.create_task(asyncio.to_thread(die))
    observation = await ask(**unchecked(url))
    await dying
    assert (verdict(observation), observation.after_cut) == ("truncated/incomplete_body", AfterCut.REFUSED)


async def test_through_a_proxy_no_connection_is_tried(ask: Ask) -> None:
    """The proxy is there, which says nothing of the target."""
    async with peer((Send(CUT), Fin())) as proxy:
        observation = await ask(**unchecked("http://chat.test/v1", proxy=Secret(proxy.url)))
    assert (verdict(observation), observation.after_cut) == ("truncated/incomplete_body", None)


async def test_the_results_of_an_attempt() -> None:
    """The result is accepted, refused, timed out or unreachable; there is none without a free descriptor."""
    async with peer(OK) as server:
        assert await look_after_cut("127.0.0.1", server.port, again=0.0) is AfterCut.ACCEPTED
        await server.over()
        assert server.requests == []
        with no_more_descriptors():
            assert await look_after_cut("127.0.0.1", server.port) is None
    with closed_port() as port:
        assert await look_after_cut("127.0.0.1", port) is AfterCut.REFUSED
    assert await look_after_cut("127.255.255.255", 9) is AfterCut.UNREACHABLE
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place: tuple[str, int] = full.getsockname()
        with socket.create_connection(place), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(place)
            assert await look_after_cut(*place, within=0.05) is AfterCut.UNANSWERED


async def test_a_stop_in_that_moment_costs_nothing() -> None:
    """A stop during the attempt keeps the probe's result, and raises nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place: tuple[str, int] = full.getsockname()
        with socket.create_connection(place), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(place)
            looking = asyncio.create_task(look_after_cut(*place, within=30.0))
            await asyncio.sleep(0)
            looking.cancel("shutdown")
            assert await looking is None


async def test_a_stream_that_holds_much_does_not_wait(prober: MakeProber) -> None:
    """A stream above its share of the memory is judged at once: what it holds is needed by others."""
    asked = prober(limits=Limits(in_flight_bytes=500_000, concurrency=50))
    long = HI + b"data: " + b"x" * 20_000
    async with peer((Send(CHUNKED + b"%x\r\n%s\r\n" % (len(long), long)), Fin())) as server:
        observation = await asked(target(server.url, check=None), "cli")
    assert (verdict(observation), observation.after_cut) == ("truncated/incomplete_body", None)
