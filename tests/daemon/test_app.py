"""The daemon as a whole, on the lab and on scripted peers: it starts, counts, drains, and survives its parts."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitor.daemon.app import Signals, StartError
from monitor.files import save
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from monitor.lab.server import Lab, serve
from monitor.lab.steps import Fin, Gate, Send
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.schedule import Schedule
from monitor.settings import History, Limits, Maintenance, Settings, Web
from monitor.sinks.history import HistorySink
from monitor.sinks.history_store import find, newest
from monitor.sinks.memory import RecentProbes
from monitor.target import Timeouts, Tls
from monitor.web.server import ListenError
from tests.conftest import target
from tests.daemons import HEAD, HI, QUICK_CUT, QUICK_OK, STOP, Reached, named, running

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
    """What is in flight is then aborted, and told as such with what it had until then."""
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


async def test_signals_ask_and_hurry() -> None:
    """The first of SIGTERM and SIGINT asks, the second hurries, and the first is remembered."""
    with listening() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        await signals.stop.wait()
        assert not signals.hurry.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.hurry.wait()
    assert signals.stopped_by is signal.SIGINT


async def test_signals_do_what_is_set_by_then() -> None:
    """SIGHUP and SIGUSR1 do nothing before the schedule is armed, and stop nothing ever."""
    with listening() as signals:
        for number in (signal.SIGHUP, signal.SIGUSR1):
            signals.reload = signals.probe = lambda: None
            os.kill(os.getpid(), number)
            done = asyncio.Event()
            signals.reload = signals.probe = done.set
            os.kill(os.getpid(), number)
            await done.wait()
    assert not signals.stop.is_set()


@contextmanager
def listening() -> Iterator[Signals]:
    """Yield what takes this process's signals."""
    signals, loop = Signals(), asyncio.get_running_loop()
    signals.listen()
    try:
        yield signals
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            loop.remove_signal_handler(number)


async def test_one_sinks_fault_is_not_anothers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that raises is counted and said, and the others are told all the same."""

    def broken(_: RecentProbes, __: Observation) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr(RecentProbes, "__call__", broken)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        assert (await daemon.line(event="sink failed"))["sink"] == "history"
        assert await daemon.metric('chat_monitor_sink_errors_total{sink="history"}') == 1
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="good"}') == 1


async def test_every_probe_is_kept(lab: Lab, tmp_path: Path) -> None:
    """With `[history] path` its event is in the file, also of what the stop aborts; the file's size is exported."""
    path = tmp_path / "history.db"
    settings = Settings(web=Web("127.0.0.1:0"), history=History(str(path)))
    gate = Reached()
    async with (
        peer((Send(HEAD + HI), Gate(gate))) as server,
        running(named("good", lab.url + QUICK_OK), named("slow", server.url), settings=settings) as daemon,
    ):
        first = await daemon.line(event="probe")
        await gate.reached.wait()
        while not (size := await daemon.metric("chat_monitor_history_bytes")):
            continue
        daemon.signals.on_stop(signal.SIGTERM)
        daemon.signals.on_stop(signal.SIGTERM)
        last = await daemon.line(event="probe")
        await daemon.task
    assert size > 0
    assert await asyncio.to_thread(newest, path, 9) == [last, first]
    assert last["outcome"] == "aborted"
    found = await asyncio.to_thread(find, path, first["probe_id"])
    assert found is not None
    assert len(found["timeline"]["events"]) > first["chunks"]


async def test_what_memory_forgot_is_found(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a history, also after a restart: the API lists its probes, and tells of each."""
    settings = Settings(web=Web("127.0.0.1:0"), history=History(str(tmp_path / "history.db")))
    async with running(named("good", lab.url + QUICK_OK), settings=settings) as daemon:
        before = await daemon.line(event="probe")
    monkeypatch.setattr(RecentProbes, "__call__", lambda *_: None)
    async with running(named("other", lab.url + QUICK_OK), settings=settings) as daemon:
        await daemon.line(event="probe")
        _, text = await daemon.get(f"/api/v1/probes/{before['probe_id']}")
        assert json.loads(text).keys() == before.keys() | {"timeline"}
        _, text = await daemon.get("/api/v1/probes?target=good")
        assert json.loads(text) == {"probes": [before]}


async def test_a_history_that_is_none(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said and counted, put aside, and probes are kept in a new one; the probe itself is not touched by it."""
    monkeypatch.setattr("monitor.daemon.app.history.HistorySink", partial(HistorySink, retry=0.001))
    path = tmp_path / "history.db"
    path.write_text("half a fi")
    settings = Settings(web=Web("127.0.0.1:0"), history=History(str(path)))
    async with running(named("good", lab.url + QUICK_OK), settings=settings) as daemon:
        said = await daemon.line(event="the history cannot be written")
        assert (said["level"], "put aside as history.db.corrupt" in said["why"]) == ("warning", True)
        await daemon.line(event="the history is written again")
        await daemon.until('chat_monitor_sink_errors_total{sink="history"}', 1)
        await daemon.until('chat_stream_probes_total{outcome="ok",target="good"}', 1)
    assert len(await asyncio.to_thread(newest, path, 9)) == 1


async def test_a_bug_in_a_probe_is_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that raises is an unhandled exception, and the daemon goes on."""

    async def broken(*_: Any) -> Observation:  # noqa: ANN401 - whatever it is asked
        raise RuntimeError("a bug")

    monkeypatch.setattr(Prober, "__call__", broken)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert "a bug" in (await daemon.line(event="unhandled exception"))["exception"]
        assert await daemon.metric("chat_monitor_unhandled_exceptions_total") == 1
        assert (await daemon.get("/-/healthy"))[0] == 200


async def test_who_is_suspected_is_said(lab: Lab) -> None:
    """A generator that dies again and again is named in the event, in a scrape, and when the probe is asked for."""
    async with running(target(lab.url + QUICK_CUT, name="bad", interval=0.2)) as daemon:
        assert "diagnosis" not in await daemon.line(event="probe")
        second = await daemon.line(event="probe")
        assert [one["suspect"] for one in second["diagnosis"]] == ["app_exception"]
        await daemon.until('chat_stream_suspect{suspect="app_exception",target="bad"}', 1)
        _, text = await daemon.get(f"/api/v1/probes/{second['probe_id']}")
        assert json.loads(text)["diagnosis"] == second["diagnosis"]
        assert (await daemon.get("/api/v1/probes/none-such"))[0] == 404


async def test_a_bug_in_the_diagnosis_costs_no_probe(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted and logged, and the event comes without."""

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("monitor.diagnosis.diagnosis.Diagnosis.take", broken)
    async with running(named("bad", lab.url + QUICK_CUT)) as daemon:
        await daemon.line(event="unhandled exception")
        assert (await daemon.line(event="probe"))["outcome"] == "truncated"
        assert await daemon.metric("chat_monitor_unhandled_exceptions_total") == 1


async def test_what_nobody_takes_is_counted(lab: Lab) -> None:
    """A timer that fails and a task that is forgotten are bugs and counted; an error of the system is told alone."""
    loop, counted = asyncio.get_running_loop(), "chat_monitor_unhandled_exceptions_total"

    def fail(error: Exception) -> None:
        raise error

    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        await daemon.line(event="started")
        loop.call_soon(fail, RuntimeError("a bug in a timer"))
        said = await daemon.line(event="unhandled exception")
        assert ("a bug in a timer" in said["exception"], said["level"]) == (True, "error")
        assert await daemon.metric(counted) == 1
        loop.call_soon(fail, OSError(errno.EMFILE, "too many open files"))
        assert "too many open files" in (await daemon.line(event="the event loop met an error"))["exception"]
        loop.call_exception_handler({"message": "something is odd"})
        assert (await daemon.line(event="unhandled exception"))["why"] == "something is odd"
        assert await daemon.metric(counted) == 2
        assert (await daemon.get("/-/healthy"))[0] == 200


async def test_a_trace_holds_no_secret(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of a bug nor what a library says of one: keys, headers, and what stands in a URL or a proxy's."""
    canaries = [f"canary-{number}" for number in range(6)]
    key, header, user, password, query, proxy = canaries

    async def broken(*_: Any) -> Observation:  # noqa: ANN401 - whatever it is asked
        inner = ValueError(f"{header} in {user}:{password}@host/?k={query}")
        logging.getLogger("library").error("said %s", proxy, exc_info=inner)
        raise RuntimeError(f"Bearer {key}") from inner

    monkeypatch.setattr(Prober, "__call__", broken)
    url = lab.url.replace("//", f"//{user}:{password}@") + f"/openai-chat/ok?k={query}"
    secret = named(
        "good",
        url,
        api_key=Secret(key),
        headers={"X-Key": Secret(f"Token {header}")},
        proxy=Secret(f"http://{proxy}@127.0.0.1:1"),
    )
    async with running(secret) as daemon:
        lines = [await daemon.line(logger="library"), await daemon.line(event="unhandled exception")]
        assert not [one for one in canaries if one in json.dumps(lines)]
        assert "RuntimeError: Bearer [redacted]" in lines[1]["exception"]
        assert "[redacted] in [redacted]@host/?k=[redacted]" in lines[0]["exception"]
        assert lines[0]["event"] == "said [redacted]"
        assert "in broken" in lines[1]["exception"]


async def test_tokens_are_spent_and_said(lab: Lab) -> None:
    """With a budget of tokens a day, what a probe took is taken from what is left."""
    settings = Settings(web=Web("127.0.0.1:0"), limits=Limits(tokens_per_day=1000))
    async with running(named("good", lab.url + QUICK_OK), settings=settings) as daemon:
        tokens = (await daemon.line(event="probe"))["tokens"]
        left = await daemon.metric('chat_stream_budget_tokens_remaining{target="good"}')
        assert left == 1000 - tokens["input"] - tokens["output"]


async def test_a_probe_by_scrape(lab: Lab) -> None:
    """`/probe` answers with the numbers of a young probe, else of the one in flight, else of one that it makes."""
    settings = Settings(web=Web("127.0.0.1:0", probe=True))
    targets = [named(name, lab.url + QUICK_CUT) for name in ("one", "two")]
    async with running(*targets, settings=settings) as daemon:
        first = await daemon.line(event="probe")
        status, text = await daemon.get(f"/probe?target={first['target']}&debug=true")
        assert (status, first["probe_id"] in text, "\nprobe_success 0.0\n" in text) == (200, True, True)
        other = {"one": "two", "two": "one"}[first["target"]]
        status, text = await daemon.get(f"/probe?target={other}")
        assert (status, 'outcome="truncated"' in text) == (200, True)
        assert (await daemon.line(event="probe"))["target"] == other


async def test_a_scrape_beyond_the_budget(lab: Lab) -> None:
    """A probe that may not be made is 429 with the reason; without `[web] probe = true` there is no such address."""
    poor = named("poor", f"{lab.url}/openai-chat/no-response", tokens_per_day=1, paused=True)
    async with running(poor, settings=Settings(web=Web("127.0.0.1:0", probe=True))) as daemon:
        status, text = await daemon.get("/probe?target=poor")
        assert (status, text) == (429, "the target is paused\n")
    async with running(poor) as daemon:
        assert (await daemon.get("/probe?target=poor"))[0] == 404


async def test_a_probe_without_output_spends_nothing(lab: Lab) -> None:
    """A target that answers nothing uses up no tokens."""
    settings = Settings(web=Web("127.0.0.1:0"), limits=Limits(tokens_per_day=1000))
    async with running(named("none", f"{lab.url}/openai-chat/no-response"), settings=settings) as daemon:
        await daemon.line(event="probe")
        assert await daemon.metric('chat_stream_budget_tokens_remaining{target="none"}') == 1000


async def test_tokens_of_today_survive_a_restart(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept in the state directory, so that what was spent is spent: the target is skipped from the start."""
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/nowhere/else")
    poor = named("good", lab.url + QUICK_OK, tokens_per_day=1)
    async with running(poor) as daemon:
        await daemon.line(event="probe")
    async with running(poor) as daemon:
        await daemon.line(event="started")
        assert await daemon.metric('chat_stream_budget_tokens_remaining{target="good"}') == 0
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="budget",target="good"}') == 1
        status, text = await daemon.post("/api/v1/targets/good/probe")
        assert (status, "the tokens of today are spent" in text) == (429, True)


async def test_tokens_are_kept_while_it_runs(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was spent is in the file soon, for a process that is killed."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("monitor.daemon.app._SAVE_EVERY", 0.001)
    saved, loop = asyncio.Event(), asyncio.get_running_loop()

    def noted(kept: bytes, path: Path) -> str | None:
        wrong = save(kept, path)
        loop.call_soon_threadsafe(saved.set)
        return wrong

    monkeypatch.setattr("monitor.daemon.app.save", noted)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        await daemon.line(event="probe")
        await saved.wait()
        kept = await asyncio.to_thread((tmp_path / "budget.json").read_bytes)
        assert json.loads(kept)["spent"]["good"] > 0


async def test_tokens_that_cannot_be_kept(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said and counted, what stood there is put aside, and the daemon goes on."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("monitor.daemon.app._SAVE_EVERY", 0.001)
    monkeypatch.setattr(
        "monitor.daemon.app.save", lambda _, path: f"{path}: cannot be written: no space left on device"
    )
    (tmp_path / "budget.json").write_text("half a fi")
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        said = await daemon.line(event="tokens spent before are not known")
        assert "put aside as budget.json.corrupt" in said["why"]
        said = await daemon.line(event="tokens spent are not kept")
        assert "no space left on device" in said["why"]
        assert await daemon.metric('chat_monitor_sink_errors_total{sink="history"}') == 1


# -- beside the schedule -----------------------------------------------------------------------------------------------


async def test_a_probe_through_the_api(lab: Lab) -> None:
    """It answers with the event, is remembered, and bends no ratio: only its tokens count."""
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        first = await daemon.line(event="probe")
        status, text = await daemon.post("/api/v1/targets/good/probe")
        event = json.loads(text)
        assert (status, event["trigger"], event["outcome"]) == (200, "api", "ok")
        assert (await daemon.line(event="probe", trigger="api"))["probe_id"] == event["probe_id"]
        assert (await daemon.get(f"/api/v1/probes/{event['probe_id']}"))[0] == 200
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="good"}') == 1
        assert await daemon.metric('chat_stream_accepted_total{target="good"}') == 1
        spent = first["tokens"]["output"] + event["tokens"]["output"]
        assert await daemon.metric('chat_stream_tokens_total{kind="output",target="good"}') == spent
        assert (await daemon.post("/api/v1/targets/nobody/probe"))[0] == 404


async def test_a_probe_through_the_api_that_cannot_be() -> None:
    """While one of that target is in flight, and while the daemon drains, it is refused with the reason."""
    gate = Reached()
    async with (
        peer((Send(HEAD + HI), Gate(gate), Send(STOP), Fin())) as server,
        running(named("slow", server.url, check=None, timeouts=Timeouts())) as daemon,
    ):
        await gate.reached.wait()
        status, text = await daemon.post("/api/v1/targets/slow/probe")
        assert (status, "a probe of this target is in flight" in text) == (429, True)
        daemon.signals.on_stop(signal.SIGTERM)
        await daemon.line(event="stopping")
        status, text = await daemon.post("/api/v1/targets/slow/probe")
        assert (status, "the monitor is stopping" in text) == (429, True)
        assert len(server.requests) == 1
        gate.set()


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
    settings = Settings(web=Web("127.0.0.1:0"), maintenance=(window,))
    targets = (named("rests", lab.url + QUICK_OK), named("works", lab.url + QUICK_OK))
    async with running(*targets, settings=settings) as daemon:
        assert (await daemon.line(event="probe"))["target"] == "works"
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="maintenance",target="rests"}') == 1
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="maintenance",target="works"}') == 0


async def test_our_own_network_is_gone() -> None:
    """Five targets on two hosts that are all refused: it is us, most likely."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.{1 + number % 2}:{holder.getsockname()[1]}/" for number in range(5)]
        async with running(*(named(f"t{number}", url) for number, url in enumerate(urls))) as daemon:
            for _ in urls:
                assert (await daemon.line(event="probe"))["cause"] == "refused"
            assert await daemon.metric("chat_monitor_isolated") == 1


async def test_a_step_of_the_clock_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor looks every second, and warns once it has armed the ticks anew."""
    stepped = iter([False, True])
    monkeypatch.setattr("monitor.daemon.app._CLOCK_EVERY", 0.001)
    monkeypatch.setattr(Schedule, "follow_clock", lambda _: next(stepped, False))
    async with running() as daemon:
        assert (await daemon.line(event="the wall clock has stepped; the schedule is armed anew"))["level"] == "warning"


async def test_a_bug_beside_the_schedule_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done every so often may raise, and is done again all the same."""

    def broken(_: Schedule) -> bool:
        raise RuntimeError("a bug beside")

    monkeypatch.setattr("monitor.daemon.app._CLOCK_EVERY", 0.001)
    monkeypatch.setattr(Schedule, "follow_clock", broken)
    async with running() as daemon:
        for _ in range(2):
            assert "a bug beside" in (await daemon.line(event="unhandled exception"))["exception"]


# -- starting ----------------------------------------------------------------------------------------------------------


async def test_a_port_that_is_taken() -> None:
    """The daemon does not start, and says which address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: the port is taken"):
            async with running(settings=Settings(web=Web(f"127.0.0.1:{port}"))):
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


async def test_a_target_of_several_models_has_its_pages(lab: Lab) -> None:
    """A name with a slash and a colon is one piece of every path: on the status page, its own page and the API."""
    name, path = "chat/org/large:70b", "/targets/chat%2Forg%2Flarge%3A70b"
    async with running(named(name, lab.url + QUICK_OK)) as daemon:
        assert (await daemon.line(event="probe"))["target"] == name
        assert path.removeprefix("/") in (await daemon.get("/"))[1]
        assert (await daemon.get(path))[0] == 200
        assert json.loads((await daemon.get(f"/api/v1{path}"))[1])["name"] == name
        assert (await daemon.post(f"/api/v1{path}/probe"))[0] == 200
        assert await daemon.metric(f'chat_stream_probes_total{{outcome="ok",target="{name}"}}') == 1
