"""The path of an observation: diagnosis, budget, isolation, sinks; an error of one affects no other."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from functools import partial
from operator import itemgetter
from pathlib import Path

import pytest

from monitor.lab.peer import peer
from monitor.lab.server import Lab
from monitor.lab.steps import Gate, Send
from monitor.record.observation import Observation
from monitor.settings import HistorySettings, Limits, Log, Settings, Web
from monitor.sinks.history import HistorySink
from monitor.sinks.history_queries import find, newest
from monitor.sinks.memory import RecentProbes
from monitor.target import CountCheck
from tests.conftest import target
from tests.daemons import HEAD, HI, QUICK_CUT, QUICK_OK, named, running
from tests.gates import Reached

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


async def test_one_sinks_fault_is_not_anothers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that raises is counted and reported, and the other sinks get the observation."""

    def broken(_: RecentProbes, __: Observation) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr(RecentProbes, "__call__", broken)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        assert (await daemon.line(event="sink failed"))["sink"] == "history"
        assert await daemon.metric('chat_monitor_sink_errors_total{sink="history"}') == 1
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="good"}') == 1


async def test_a_recording_that_cannot_be_thinned_is_kept_whole(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no memory for a thinned recording, the event is written with the whole one."""

    def none_left(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("monitor.daemon.observations.thinned", none_left)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="good"}') == 1


async def test_every_probe_is_kept(lab: Lab, tmp_path: Path) -> None:
    """With `[history] path` each event is in the file, also those of aborted probes; the file's size is exported."""
    path = tmp_path / "history.db"
    settings = Settings(web=Web(("127.0.0.1:0",)), history=HistorySettings(str(path)))
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
    kept = await asyncio.to_thread(newest, path, 9)
    assert kept == sorted([first, last], key=itemgetter("timestamp"), reverse=True)
    assert last["outcome"] == "aborted"
    found = await asyncio.to_thread(find, path, first["probe_id"])
    assert found is not None
    assert len(found["timeline"]["events"]) > first["chunks"]


async def test_long_streams_are_thinned_before_they_are_kept(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log, history and API have a part of the timeline and say so; metrics and figures are those of all of it."""
    monkeypatch.setattr("monitor.daemon.observations._RECORDING_BYTES", 0)
    settings = Settings(
        web=Web(("127.0.0.1:0",)), log=Log(timeline=True), history=HistorySettings(str(tmp_path / "history.db"))
    )
    async with running(named("good", lab.url + QUICK_OK, check=CountCheck(40)), settings=settings) as daemon:
        event = await daemon.line(event="probe")
        kept = json.loads((await daemon.get(f"/api/v1/probes/{event['probe_id']}"))[1])
        assert await daemon.metric('chat_stream_chunks_total{target="good"}') == event["chunks"] > 16
        daemon.signals.on_stop(signal.SIGTERM)
        await daemon.task
    found = await asyncio.to_thread(find, tmp_path / "history.db", event["probe_id"])
    assert found is not None
    for timeline in (event["timeline"], kept["timeline"], found["timeline"]):
        assert len(timeline["events"]) <= 16
        assert timeline["omitted_events"] >= event["chunks"] - 16


async def test_a_history_that_is_none(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid file is reported, counted and put aside, and probes are stored in a new one."""
    monkeypatch.setattr("monitor.daemon.observations.history.HistorySink", partial(HistorySink, retry=0.001))
    path = tmp_path / "history.db"
    path.write_text("half a fi")
    settings = Settings(web=Web(("127.0.0.1:0",)), history=HistorySettings(str(path)))
    async with running(named("good", lab.url + QUICK_OK), settings=settings) as daemon:
        event = await daemon.line(event="the history cannot be written")
        assert (event["level"], "put aside as history.db.corrupt" in event["why"]) == ("warning", True)
        await daemon.line(event="the history can be written again")
        await daemon.until('chat_monitor_sink_errors_total{sink="history"}', 1)
        await daemon.until('chat_stream_probes_total{outcome="ok",target="good"}', 1)
    assert len(await asyncio.to_thread(newest, path, 9)) == 1


async def test_the_suspect_is_in_the_event(lab: Lab) -> None:
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
    """An exception in the diagnosis is counted and logged, and the event is written without suspects."""

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("monitor.diagnosis.diagnosis.Diagnosis.take", broken)
    async with running(named("bad", lab.url + QUICK_CUT)) as daemon:
        await daemon.line(event="unhandled exception")
        assert (await daemon.line(event="probe"))["outcome"] == "truncated"
        assert await daemon.metric("chat_monitor_unhandled_exceptions_total") == 1


async def test_tokens_are_spent_and_exported(lab: Lab) -> None:
    """With a token budget, the tokens of a probe are subtracted from the remaining ones."""
    settings = Settings(web=Web(("127.0.0.1:0",)), limits=Limits(tokens_per_day=1000))
    async with running(named("good", lab.url + QUICK_OK), settings=settings) as daemon:
        tokens = (await daemon.line(event="probe"))["tokens"]
        left = await daemon.metric('chat_stream_budget_tokens_remaining{target="good"}')
        assert left == 1000 - tokens["input"] - tokens["output"]


async def test_a_probe_without_output_spends_nothing(lab: Lab) -> None:
    """A target that answers nothing uses up no tokens."""
    settings = Settings(web=Web(("127.0.0.1:0",)), limits=Limits(tokens_per_day=1000))
    async with running(named("none", f"{lab.url}/openai-chat/no-response"), settings=settings) as daemon:
        await daemon.line(event="probe")
        assert await daemon.metric('chat_stream_budget_tokens_remaining{target="none"}') == 1000


async def test_our_own_network_is_gone() -> None:
    """Five targets on two hosts that are all refused: it is us, most likely."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.{1 + number % 2}:{holder.getsockname()[1]}/" for number in range(5)]
        async with running(*(named(f"t{number}", url) for number, url in enumerate(urls))) as daemon:
            for _ in urls:
                assert (await daemon.line(event="probe"))["cause"] == "refused"
            assert await daemon.metric("chat_monitor_isolated") == 1
