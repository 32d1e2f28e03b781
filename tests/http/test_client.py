"""Connections of one probe and of several: kept, labelled, retried once, closed, and without leaks."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitor.http.timestamps import TimestampedSocket, free_closed_transports
from monitor.keys.tls import Tls
from monitor.lab.peer import Peer, peer
from monitor.lab.server import Lab
from monitor.lab.steps import Fin, Gate, Hold, ReadRequest, Rst, Send, Step
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.settings import Limits, Network
from monitor.stream.endings import Deadline, Mark
from monitor.target import Connection, Target
from tests.conftest import PATIENT, MakeProber, only, target
from tests.daemons import HI, STOP
from tests.http.parts import OK, CertificateAuthority, closed_port
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
BODY = HI + STOP
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SIZED = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
STEPS = {Mark.DNS, Mark.CONNECT, Mark.TLS}


def kept(server: Peer, **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target whose connection is kept."""
    keys = {"check": None, "connection": Connection.REUSE, "timeouts": PATIENT}
    return target(server.url + "/v1", **(keys | more))


@pytest.fixture
async def prober(prober: MakeProber) -> AsyncIterator[Prober]:
    """Yield a prober whose kept connections are closed at the end."""
    made = prober()
    yield made
    await made.client.close_kept()


async def turning(until: Callable[[], bool]) -> None:
    """Let the loop turn until something holds."""
    while not until():  # noqa: ASYNC110 - what is waited for has no bell to ring
        await asyncio.sleep(0)


def how(observation: Observation) -> tuple[str, str, bool]:
    """Return what it came to, over which connection, and whether that was the second attempt."""
    return verdict(observation), observation.connection, observation.retried


@pytest.mark.parametrize("answer", [CHUNKED, SIZED], ids=["chunked", "sized"])
async def test_a_connection_is_kept(prober: Prober, answer: bytes) -> None:
    """The next probe takes it: nothing is dialled, and all else is measured as ever, from its own zero."""
    script = (ReadRequest(), Send(answer), ReadRequest(), Send(answer[:60]), Send(answer[60:]), Hold())
    async with peer(script) as server:
        first, second = await prober(kept(server), "cli"), await prober(kept(server), "cli")
        assert [how(first), how(second)] == [("ok", "fresh", False), ("ok", "reuse", False)]
        assert len(server.links) == 1
        assert "connection" not in server.requests[0].headers
    assert STEPS & first.recording.marks.keys() == {Mark.CONNECT}
    assert not STEPS & second.recording.marks.keys()
    assert list(second.steps) == ["request", "headers", "first_chunk", "stream"]
    assert 0 <= second.recording.marks[Mark.REQUEST_SENT] <= second.recording.marks[Mark.HEADERS]
    events = [record(one, timeline=True) for one in (first, second)]
    for key in ("bytes", "chunks", "body_framing", "peer"):
        assert events[0][key] == events[1][key]
    assert ("retried" in events[0], "retried" in events[1]) == (False, False)


async def test_a_kept_connection_over_tls(prober: Prober, tmp_path: Path) -> None:
    """Nothing is negotiated again, and the certificate is still known."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    script = (ReadRequest(), Send(CHUNKED), ReadRequest(), Send(CHUNKED), Hold())
    async with peer(script, ssl=context) as server:
        one = kept(server, tls=Tls(ca_file=str(tmp_path / "ca.pem")))
        first, second = await prober(one, "cli"), await prober(one, "cli")
        assert [how(first), how(second)] == [("ok", "fresh", False), ("ok", "reuse", False)]
        assert STEPS & first.recording.marks.keys() == {Mark.CONNECT, Mark.TLS}
        assert not STEPS & second.recording.marks.keys()
        assert first.certificate_expiry == second.certificate_expiry is not None


async def test_by_default_none_is_kept(prober: Prober) -> None:
    """A probe sends `Connection: close`, and each uses a new connection."""
    async with peer((ReadRequest(), Send(CHUNKED), Hold())) as server:
        for _ in range(2):
            observation = await prober(kept(server, connection=Connection.FRESH), "cli")
            assert how(observation) == ("ok", "fresh", False)
        assert len(server.links) == 2
        assert server.requests[0].headers["connection"] == "close"


# -- one that is gone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [Fin(), Rst()], ids=["FIN", "RST"])
async def test_one_that_is_gone_is_tried_again(prober: Prober, ending: Step) -> None:
    """If a kept connection brings no byte, the request is sent once more over a new one, and the event says so."""
    going = (ReadRequest(), Send(CHUNKED), ReadRequest(), ending)
    async with peer(going, (ReadRequest(), Send(CHUNKED), Hold())) as server:
        await prober(kept(server), "cli")
        observation = await prober(kept(server), "cli")
        assert how(observation) == ("ok", "fresh", True)
        assert record(observation)["retried"] is True
        assert len(server.requests) == 3
        assert Mark.CONNECT in observation.recording.marks


async def test_it_is_tried_again_once(prober: Prober) -> None:
    """The fresh connection's fault is the verdict."""
    async with peer((ReadRequest(), Send(CHUNKED), ReadRequest(), Fin()), (ReadRequest(), Fin())) as server:
        await prober(kept(server), "cli")
        observation = await prober(kept(server), "cli")
        assert how(observation) == ("no_response/closed", "fresh", True)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("steps", "came_to"),
    [
        ((Send(b"HTTP/1.1 2"), Fin()), "no_response/partial_head"),
        ((Send(CHUNKED[:-20]), Fin()), "truncated/incomplete_body"),
        ((Send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), Hold()), "http_error/overloaded"),
    ],
)
async def test_a_byte_of_an_answer_is_an_answer(prober: Prober, steps: tuple[Step, ...], came_to: str) -> None:
    """After the first byte of a response on a kept connection, no retry follows."""
    async with peer((ReadRequest(), Send(CHUNKED), ReadRequest(), *steps)) as server:
        await prober(kept(server), "cli")
        observation = await prober(kept(server), "cli")
        assert how(observation) == (came_to, "reuse", False)
        assert len(server.requests) == 2


async def test_a_kept_connection_with_something_to_read(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there before the request is not its response: the loop is too late to read that, and takes another."""
    async with peer((ReadRequest(), Send(CHUNKED), Hold())) as server:
        await prober(kept(server), "cli")
        monkeypatch.setattr(TimestampedSocket, "readable", lambda _: True)
        assert how(await prober(kept(server), "cli")) == ("ok", "fresh", False)


async def test_silence_is_no_reason_to_try_again(prober: Prober) -> None:
    """A kept connection without any answer meets its deadline, without a retry."""
    async with peer((ReadRequest(), Send(CHUNKED), ReadRequest(), Hold())) as server:
        await prober(kept(server), "cli")
        observation = await prober(kept(server, timeouts=only(Deadline.HEADERS)), "cli")
        assert how(observation) == ("timeout/headers", "reuse", False)
        assert len(server.links) == 1


@pytest.mark.parametrize(
    "after",
    [(Fin(),), (Rst(),), (Send(b"HTTP/1.1 408 Too late\r\nContent-Length: 0\r\n\r\n"), Hold())],
    ids=["FIN", "RST", "a late answer"],
)
async def test_a_kept_connection_that_was_closed(prober: Prober, after: tuple[Step, ...]) -> None:
    """A kept connection that the peer has closed, or on which it sent data, is not used."""
    gate = asyncio.Event()
    going = (ReadRequest(), Send(CHUNKED), Gate(gate), *after)
    async with peer(going, (ReadRequest(), Send(CHUNKED), Hold())) as server:
        await prober(kept(server), "cli")
        (connection,) = prober.client._kept.values()
        gate.set()
        await turning(lambda: not connection.usable)
        assert how(await prober(kept(server), "cli")) == ("ok", "fresh", False)
        assert len(server.requests) == 2


# -- what is not kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1), Hold()),
        (HEAD + b"\r\n" + BODY, Fin()),
        (CHUNKED + b"and more", Hold()),
        (CHUNKED[:-5], Fin()),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Hold()),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + BODY, Fin()),
    ],
    ids=["as the server says", "closed by its end", "bytes behind the end", "cut", "an error", "HTTP/1.0"],
)
async def test_what_is_not_kept(prober: Prober, answer: bytes, last: Step) -> None:
    """A connection is kept only after a complete response, and if both sides allow it."""
    async with peer((ReadRequest(), Send(answer), last)) as server:
        for _ in range(2):
            observation = await prober(kept(server), "cli")
            assert (observation.connection, observation.retried) == ("fresh", False)
        assert len(server.links) == 2


async def test_each_target_has_its_own(prober: Prober) -> None:
    """Of two concurrent probes of one target the second opens a connection, and the later one is kept."""
    gate = asyncio.Event()
    script = (ReadRequest(), Gate(gate), Send(CHUNKED), ReadRequest(), Send(CHUNKED), Hold())
    async with peer(script) as server:
        both = [asyncio.create_task(prober(kept(server), "cli")) for _ in range(2)]
        await turning(lambda: len(server.requests) == 2)
        gate.set()
        assert [how(one) for one in await asyncio.gather(*both)] == [("ok", "fresh", False)] * 2
        assert len(prober.client._kept) == 1
        assert how(await prober(kept(server, name="other"), "cli"))[1] == "fresh"
        assert how(await prober(kept(server), "cli"))[1] == "reuse"


async def test_other_rules_close_what_was_kept(prober: Prober) -> None:
    """A connection made under earlier rules, or of a removed target, is not kept."""
    gate = asyncio.Event()
    script = (ReadRequest(), Send(CHUNKED), ReadRequest(), Gate(gate), Send(CHUNKED), ReadRequest(), Fin())
    async with peer(script) as server:
        await prober(kept(server), "cli")
        task = asyncio.create_task(prober(kept(server), "cli"))
        await turning(lambda: len(server.requests) == 2)
        await prober.client.renew(Limits(), Network())
        gate.set()
        assert how(await task) == ("ok", "reuse", False)
        assert how(await prober(kept(server), "cli")) == ("ok", "fresh", False)
        await prober.client.close_kept({"other"})
        assert how(await prober(kept(server), "cli")) == ("ok", "reuse", False)
        assert how(await prober(kept(server), "cli")) == ("ok", "fresh", True)
        await prober.client.close_kept({"one"})
        assert not prober.client._kept
        await prober(kept(server), "cli")
        await prober.client.renew(Limits(), Network(deny=(ip_network("127.0.0.0/8"),)))
        assert verdict(await prober(kept(server), "cli")) == "unreachable/policy"


# -- what is left of a probe -------------------------------------------------------------------------------------------

OURS = "monitor.http", "monitor.protocols", "monitor.stream"
"""Where that comes from which one probe makes and no other uses."""


def alive() -> Counter[str]:
    """Return how many objects of a probe there are, and of aiohttp's, by their types."""
    kinds = Counter(map(type, gc.get_objects()))
    places = {f"{kind.__module__}.{kind.__qualname__}": number for kind, number in kinds.items()}
    ours = (*OURS, "aiohttp.client", "aiohttp.connector")
    return Counter({place: number for place, number in places.items() if place.startswith(ours)})


async def left_by(probe: Callable[[], Awaitable[object]]) -> Counter[str]:
    """Return what is left of a probe, without any help of the garbage collector, once its connection is closed."""
    free_closed_transports()
    await probe()  # what is made once, is made now
    await asyncio.sleep(0)
    gc.collect()
    gc.disable()
    try:
        before = alive()
        await probe()
        for _ in range(3):
            await asyncio.sleep(0)
        return alive() - before
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "fault",
    [
        "ok", "tiny-chunks", "cut?by=fin", "cut?by=rst", "server-abort", "chunk-size", "status?code=503", "redirect",
        "no-response", "partial-head", "garbage-head", "encoding", "html", "error", "left-open", "stall?after=2",
    ],
)  # fmt: skip
async def test_a_probe_leaves_nothing_to_the_garbage_collector(lab: Lab, prober: Prober, fault: str) -> None:
    """A probe leaves no reference cycle, however it ended, so its memory is freed with its observation."""
    one = target(f"http://127.0.0.1:{lab.port}/openai-chat/{fault}", timeouts=only(Deadline.IDLE, Deadline.DRAIN))
    assert not await left_by(lambda: prober(one, "cli"))


async def test_nothing_is_left_of_a_probe_without_a_connection(prober: Prober, ca: CertificateAuthority) -> None:
    """Errors of connecting, too, hold frames that hold the errors."""
    with closed_port() as port:
        assert not await left_by(lambda: prober(target(f"http://127.0.0.1:{port}/"), "cli"))
    assert not await left_by(lambda: prober(target("http://no-such-name.invalid./"), "cli"))
    async with peer(OK, ssl=ca.server("elsewhere.test")) as server:
        assert not await left_by(lambda: prober(target(server.url, tls=ca.trusted), "cli"))


async def test_nothing_is_left_of_a_probe_that_was_stopped(prober: Prober) -> None:
    """A reload or a stop ends probes in the middle of their streams."""
    came: list[bytes] = []
    noting = replace(prober, save=came.append)
    async with peer((Send(CHUNKED[:-20]), Hold())) as server:
        one = target(server.url, check=None, timeouts=PATIENT)

        async def stopped() -> None:
            came.clear()
            probing = asyncio.ensure_future(noting(one, "cli"))
            await turning(lambda: bool(came))
            probing.cancel("reload")
            assert verdict(await probing) == "aborted/reload"

        assert not await left_by(stopped)


async def test_a_kept_connection_keeps_no_probe(prober: Prober) -> None:
    """A kept connection holds no reference to the probe that made it."""
    script = (ReadRequest(), Send(CHUNKED), ReadRequest(), Send(CHUNKED), ReadRequest(), Send(CHUNKED), Hold())
    async with peer(script) as server:
        assert not await left_by(lambda: prober(kept(server), "cli"))
