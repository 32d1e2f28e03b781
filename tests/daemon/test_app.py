"""The whole daemon against the lab and scripted peers: it starts, counts, drains, and survives failing parts."""

from __future__ import annotations

import math
import signal
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.lab.peer import peer
from monitor.lab.server import Lab
from monitor.lab.steps import Fin, Gate, Send
from monitor.overload import OverloadGate
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.schedule import Schedule
from monitor.settings import Maintenance, Settings, Web
from monitor.target import Timeouts
from monitor.web.server import ListenError
from tests.daemons import HEAD, HI, QUICK_CUT, QUICK_OK, STOP, named, running
from tests.gates import Reached

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


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


async def test_a_stop_drains() -> None:
    """A probe in flight ends by itself, scrapes are answered until then, and readiness is gone."""
    gate = Reached()
    async with (
        peer((Send(HEAD + HI), Gate(gate), Send(STOP), Fin())) as server,
        running(named("slow", server.url, check=None, timeouts=Timeouts())) as daemon,
    ):
        await gate.reached.wait()
        daemon.signals.on_stop(signal.SIGTERM)
        await daemon.line(event="stopping")
        assert (await daemon.get("/-/ready"))[0] == 503
        assert (await daemon.get("/-/healthy"))[0] == 200
        assert await daemon.metric("chat_monitor_probes_in_flight") == 1
        gate.set()
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        await daemon.task


async def test_a_second_signal_hurries() -> None:
    """A second signal aborts the running probes, and their events have what was recorded until then."""
    gate = Reached()
    async with (
        peer((Send(HEAD + HI), Gate(gate))) as server,
        running(named("slow", server.url, timeouts=Timeouts())) as daemon,
    ):
        await gate.reached.wait()
        daemon.signals.on_stop(signal.SIGTERM)
        daemon.signals.on_stop(signal.SIGTERM)
        event = await daemon.line(event="probe")
        assert (event["outcome"], event["cause"]) == ("aborted", "shutdown")
        assert "slo" not in event
        await daemon.task


async def test_a_bug_in_a_probe_is_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that raises is an unhandled exception, and the daemon goes on."""

    async def broken(*_: Any) -> Observation:  # noqa: ANN401 - whatever it is asked
        raise RuntimeError("a bug")

    monkeypatch.setattr(Prober, "__call__", broken)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert "a bug" in (await daemon.line(event="unhandled exception"))["exception"]
        assert await daemon.metric("chat_monitor_unhandled_exceptions_total") == 1
        assert (await daemon.get("/-/healthy"))[0] == 200


# -- beside the schedule -----------------------------------------------------------------------------------------------


async def test_all_are_probed_on_a_signal(lab: Lab) -> None:
    """SIGUSR1 asks every target now, under a trigger of its own; a paused one is left alone."""
    paused = named("paused", lab.url + QUICK_OK, paused=True)
    async with running(named("good", lab.url + QUICK_OK), paused) as daemon:
        await daemon.line(event="probe")
        await daemon.until("chat_monitor_probes_in_flight", 0)
        daemon.signals.probe()
        assert (await daemon.line(event="probe"))["trigger"] == "signal"
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="good"}') == 1
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="paused",target="paused"}') == 1


async def test_an_outage_is_confirmed(lab: Lab) -> None:
    """A failed probe is soon followed by another under `confirm`; it takes both for the target to be down."""
    sick = named("bad", lab.url + QUICK_CUT, interval_when_failing=0.01)
    async with running(sick) as daemon:
        assert (await daemon.line(event="probe"))["trigger"] == "schedule"
        assert (await daemon.line(event="probe"))["trigger"] == "confirm"
        assert await daemon.metric('chat_stream_up{target="bad"}') == 0
        assert await daemon.metric('chat_stream_consecutive_failures{target="bad"}') == 2
        assert await daemon.metric('chat_stream_accepted_total{target="bad"}') == 1


async def test_a_maintenance_window(lab: Lab) -> None:
    """The targets that it names are skipped and counted, the others are not."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    window = Maintenance("now", targets=("rests",), start=now - hour, end=now + hour)
    settings = Settings(web=Web(("127.0.0.1:0",)), maintenance=(window,))
    targets = (named("rests", lab.url + QUICK_OK), named("works", lab.url + QUICK_OK))
    async with running(*targets, settings=settings) as daemon:
        assert (await daemon.line(event="probe"))["target"] == "works"
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="maintenance",target="rests"}') == 1
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="maintenance",target="works"}') == 0


async def test_a_step_of_the_clock_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is checked every second, and a warning says that the ticks were armed again."""
    stepped = iter([False, True])
    monkeypatch.setattr("monitor.daemon.app.CLOCK_EVERY", 0.001)
    monkeypatch.setattr(Schedule, "follow_clock", lambda _: next(stepped, False))
    async with running() as daemon:
        assert (await daemon.line(event="the wall clock has stepped; the schedule was restarted"))["level"] == "warning"


async def test_an_overload_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has when fewer probes run at once for a late loop, and when it keeps up again."""
    limits = iter([7.0, 7.0])
    monkeypatch.setattr("monitor.daemon.app.LAG_EVERY", 0.001)
    monkeypatch.setattr(OverloadGate, "sample", lambda gate, _: setattr(gate, "most", next(limits, math.inf)))
    async with running() as daemon:
        late = await daemon.line(event="the event loop is late: fewer probes run at once")
        assert (late["level"], late["most"]) == ("warning", 7)
        assert (await daemon.line(event="the event loop is on time again: probes run as configured"))["level"] == "info"


# -- starting ----------------------------------------------------------------------------------------------------------


async def test_a_port_that_is_taken() -> None:
    """The daemon does not start, and says which address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: the port is taken"):
            async with running(settings=Settings(web=Web((f"127.0.0.1:{port}",)))):
                pass
