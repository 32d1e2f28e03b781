"""The daemon as a whole, on the lab and on scripted peers: it starts, counts, drains, and survives its parts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
import trustme

from monitor.daemon import Signals, StartError, watch
from monitor.systemd import notify
from monitor.lab.peer import peer
from monitor.lab.server import Lab, serve
from monitor.lab.steps import Fin, Gate, Send
from monitor.observation import Observation
from monitor.probe import Prober
from monitor.settings import Limits, Settings, Web
from monitor.sinks.recent import Recent
from monitor.target import Target, Timeouts, Tls
from monitor.web.server import ListenError
from tests.conftest import target

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")

QUICK_OK = "/openai-chat/ok?gap=1ms&ttfc=1ms"
QUICK_CUT = "/openai-chat/cut?gap=1ms&ttfc=1ms"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


@dataclass
class Running:
    """A daemon under way: its port, what stops it, and the lines that it writes."""

    base: str
    stop: Signals
    task: asyncio.Task[None]
    stdout: asyncio.StreamReader

    async def line(self, **wanted: str) -> dict[str, Any]:
        """Return the next line that has these values."""
        while line := await self.stdout.readline():
            event: dict[str, Any] = json.loads(line)
            if wanted.items() <= event.items():
                return event
        raise AssertionError(f"the log ended without {wanted}")

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page."""
        async with aiohttp.ClientSession() as session, session.get(self.base + path) as response:
            return response.status, await response.text()

    async def metric(self, series: str) -> float | None:
        """Return the value of a series in a scrape; None where it is not there."""
        _, text = await self.get("/metrics")
        values = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{series} ")]
        return float(values[0]) if values else None


@asynccontextmanager
async def running(*targets: Target, settings: Settings | None = None) -> AsyncIterator[Running]:
    """Yield a daemon that watches these targets; in the end it is stopped in a hurry where it has not ended."""
    loop = asyncio.get_running_loop()
    stop, port, reader = Signals(), loop.create_future(), asyncio.StreamReader()
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "w") as stdout:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        settings = settings or Settings(web=Web(port=0))
        task = asyncio.create_task(watch(settings, targets, stop, stdout=stdout, listening=port.set_result))
        try:
            await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            yield Running(f"http://127.0.0.1:{port.result()}", stop, task, reader)
        finally:
            stop.stop.set()
            stop.hurry.set()
            await asyncio.wait({task})
            transport.close()


def named(name: str, url: str, **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target that is asked once, at the start."""
    return target(url, name=name, interval=3600.0, **more)


async def test_what_is_watched_is_counted(lab: Lab) -> None:
    """A complete chat and a cut one are in the log, in a scrape and on the page, each under its name."""
    async with running(named("good", lab.url + QUICK_OK), named("bad", lab.url + QUICK_CUT)) as daemon:
        started = await daemon.line(event="started")
        assert started["targets"] == 2
        events = {event["target"]: event for event in [await daemon.line(event="probe") for _ in range(2)]}
        assert {name: event["outcome"] for name, event in events.items()} == {"good": "ok", "bad": "truncated"}
        assert events["bad"]["cause"] == "incomplete_body"
        assert {event["trigger"] for event in events.values()} == {"schedule"}
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="good"}') == 1
        cut = 'chat_stream_truncated_total{cause="incomplete_body",outcome="truncated",target="bad"}'
        assert await daemon.metric(cut) == 1
        assert await daemon.metric('chat_stream_accepted_total{target="good"}') == 1
        status, page = await daemon.get("/")
        assert status == 200
        assert "good" in page
        assert "incomplete_body" in page
        assert (await daemon.get("/-/healthy"))[0] == (await daemon.get("/-/ready"))[0] == 200


class Reached(asyncio.Event):
    """A gate that says when a script stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        """Say so, and wait."""
        self.reached.set()
        return await super().wait()


async def test_a_stop_drains() -> None:
    """A probe in flight ends by itself, scrapes are answered until then, and readiness is gone."""
    gate = Reached()
    async with (
        peer((Send(HEAD + HI), Gate(gate), Send(STOP), Fin())) as server,
        running(named("slow", server.url, check=None, timeouts=Timeouts())) as daemon,
    ):
        await gate.reached.wait()
        daemon.stop.on_stop(signal.SIGTERM)
        await daemon.line(event="stopping")
        assert (await daemon.get("/-/ready"))[0] == 503
        assert (await daemon.get("/-/healthy"))[0] == 200
        assert await daemon.metric("chat_monitor_probes_in_flight") == 1
        gate.set()
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        await daemon.task


async def test_a_second_signal_hurries() -> None:
    """What is in flight is then aborted, and told as such with what it had until then."""
    gate = Reached()
    async with (
        peer((Send(HEAD + HI), Gate(gate))) as server,
        running(named("slow", server.url, timeouts=Timeouts())) as daemon,
    ):
        await gate.reached.wait()
        daemon.stop.on_stop(signal.SIGTERM)
        daemon.stop.on_stop(signal.SIGTERM)
        event = await daemon.line(event="probe")
        assert (event["outcome"], event["cause"]) == ("aborted", "shutdown")
        assert "slo" not in event
        await daemon.task


async def test_signals_ask_and_hurry() -> None:
    """The first of SIGTERM and SIGINT asks, the second hurries, and the first is remembered."""
    stop, loop = Signals(), asyncio.get_running_loop()
    stop.listen()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.stop.wait()
        assert not stop.hurry.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.hurry.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    assert stop.by is signal.SIGINT


async def test_one_sinks_fault_is_not_anothers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that raises is counted and said, and the others are told all the same."""

    def broken(_: Recent, __: Observation) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr(Recent, "__call__", broken)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        assert (await daemon.line(event="sink failed"))["sink"] == "history"
        assert await daemon.metric('chat_monitor_sink_errors_total{sink="history"}') == 1
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="good"}') == 1


async def test_a_bug_in_a_probe_is_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that raises is an unhandled exception, and the daemon goes on."""

    async def broken(*_: Any) -> Observation:  # noqa: ANN401 - whatever it is asked
        raise RuntimeError("a bug")

    monkeypatch.setattr(Prober, "__call__", broken)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert "a bug" in (await daemon.line(event="unhandled exception"))["exception"]
        assert await daemon.metric("chat_monitor_unhandled_exceptions_total") == 1
        assert (await daemon.get("/-/healthy"))[0] == 200


async def test_tokens_are_spent_and_said(lab: Lab) -> None:
    """With a budget of tokens a day, what a probe took is taken from what is left."""
    settings = Settings(web=Web(port=0), limits=Limits(tokens_per_day=1000))
    async with running(named("good", lab.url + QUICK_OK), settings=settings) as daemon:
        tokens = (await daemon.line(event="probe"))["tokens"]
        left = await daemon.metric('chat_stream_budget_tokens_remaining{target="good"}')
        assert left == 1000 - tokens["input"] - tokens["output"]


async def test_a_probe_without_output_spends_nothing(lab: Lab) -> None:
    """A target that answers nothing uses up no tokens."""
    settings = Settings(web=Web(port=0), limits=Limits(tokens_per_day=1000))
    async with running(named("none", f"{lab.url}/openai-chat/no-response"), settings=settings) as daemon:
        await daemon.line(event="probe")
        assert await daemon.metric('chat_stream_budget_tokens_remaining{target="none"}') == 1000


# -- starting ----------------------------------------------------------------------------------------------------------


async def test_a_port_that_is_taken() -> None:
    """The daemon does not start, and says which address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: the port is taken"):
            async with running(settings=Settings(web=Web(port=port))):
                pass


async def test_a_file_that_cannot_be_read() -> None:
    """A target whose certificates cannot be used is named before anything is watched."""
    broken = named("secure", "https://127.0.0.1:1/", tls=Tls(ca_file="/nowhere/ca.pem"))
    with pytest.raises(StartError, match=r"^target 'secure': a file of `tls` cannot be used: .*No such file"):
        async with running(broken):
            pass


async def test_a_target_behind_tls(tmp_path: Path) -> None:
    """Its certificates are read before the first probe, in a thread, and the expiry is in a scrape."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(file)
    async with (
        await serve("127.0.0.1", 0, ssl=context) as lab,
        running(named("secure", lab.url + QUICK_OK, tls=Tls(ca_file=file))) as daemon,
    ):
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        assert await daemon.metric('chat_stream_certificate_expiry_timestamp_seconds{target="secure"}')


# -- systemd -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
async def test_systemd_is_told(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool) -> None:
    """Ready once the schedule is armed, stopping when the drain begins; on a path or an abstract address."""
    address = f"@chat-monitor-{os.getpid()}" if abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.bind(address.replace("@", "\0", 1) if abstract else address)
        loop = asyncio.get_running_loop()
        async with running(named("good", lab.url + QUICK_OK)) as daemon:
            assert await loop.sock_recv(manager, 999) == b"READY=1\nSTATUS=watching 1 targets"
            daemon.stop.on_stop(signal.SIGTERM)
            assert await loop.sock_recv(manager, 999) == b"STOPPING=1\nSTATUS=draining"


def test_nobody_listens_to_what_systemd_would_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without systemd, or with a socket that is gone, nothing happens."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")
