"""The web server of a running daemon: its pages, its API, probes by request, and users that change."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.lab.peer import peer
from monitor.lab.server import Lab
from monitor.lab.steps import Fin, Gate, Hold, Send
from monitor.settings import HistorySettings, Settings, Web
from monitor.sinks.memory import RecentProbes
from monitor.target import Timeouts
from monitor.web.access import Access
from tests.daemons import HEAD, HI, QUICK_CUT, QUICK_OK, STOP, ConfigFile, named, running, watched
from tests.gates import Reached

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


USERS = "basic_auth_users: {prom: %s}\n"


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """Return a config file."""
    return ConfigFile(tmp_path / "config.toml")


async def test_what_memory_forgot_is_found(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a history, also after a restart, the API lists stored probes and returns each."""
    settings = Settings(web=Web(("127.0.0.1:0",)), history=HistorySettings(str(tmp_path / "history.db")))
    async with running(named("good", lab.url + QUICK_OK), settings=settings) as daemon:
        before = await daemon.line(event="probe")
    monkeypatch.setattr(RecentProbes, "__call__", lambda *_: None)
    async with running(named("other", lab.url + QUICK_OK), settings=settings) as daemon:
        await daemon.line(event="probe")
        _, text = await daemon.get(f"/api/v1/probes/{before['probe_id']}")
        assert json.loads(text).keys() == before.keys() | {"timeline"}
        _, text = await daemon.get("/api/v1/probes?target=good")
        assert json.loads(text) == {"probes": [before]}


async def test_a_probe_by_scrape(lab: Lab) -> None:
    """`/probe` answers with the numbers of a young probe, else of the one in flight, else of one that it makes."""
    settings = Settings(web=Web(("127.0.0.1:0",), probe=True))
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
    """A refused probe is 429 with the reason; without `[web] probe = true` the path does not exist."""
    poor = named("poor", f"{lab.url}/openai-chat/no-response", tokens_per_day=1, paused=True)
    async with running(poor, settings=Settings(web=Web(("127.0.0.1:0",), probe=True))) as daemon:
        status, text = await daemon.get("/probe?target=poor")
        assert (status, text) == (429, "the target is paused\n")
    async with running(poor) as daemon:
        assert (await daemon.get("/probe?target=poor"))[0] == 404


async def test_a_probe_through_the_api(lab: Lab) -> None:
    """The response is the event; the probe is stored and changes no ratio, but its tokens count."""
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


async def test_users_change_without_a_reload(
    lab: Lab, file: ConfigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The web config file is re-read at intervals; a change or an error is logged, and nothing else."""
    monkeypatch.setattr("monitor.daemon.web.REFRESH_EVERY", 0.01)
    web = tmp_path / "web.yml"
    web.write_text("")
    file.write(watched("good", lab.url + QUICK_OK))
    config = await file.first()
    access = await asyncio.to_thread(Access, web)
    loop, refresh, in_vain = asyncio.get_running_loop(), access.refresh, asyncio.Event()

    def look() -> bool:
        changed = refresh()
        if not changed:
            loop.call_soon_threadsafe(in_vain.set)
        return changed

    monkeypatch.setattr(access, "refresh", look)
    async with running(config=config, load=file, access=access) as daemon:
        web.write_text(USERS % "plain")
        refused = await daemon.line(event="web config file rejected, the previous one stays in use")
        assert "is not a bcrypt hash" in refused["why"]
        assert (await daemon.get("/"))[0] == 200
        web.write_text(USERS % ("$2b$04$" + "." * 53))
        await daemon.line(event="web config file reloaded")
        assert (await daemon.get("/"))[0] == 401
        for _ in range(2):  # the second look begins when the first is over
            in_vain.clear()
            await in_vain.wait()


async def test_a_restart_does_not_probe_again_what_was_probed_lately(lab: Lab, tmp_path: Path) -> None:
    """A target whose last probe is younger than its interval waits for its tick.

    One that is new, that is asked otherwise, or whose last probe was stopped is probed at once.
    """
    settings = Settings(web=Web(("127.0.0.1:0",)), history=HistorySettings(str(tmp_path / "history.db")))
    same, moved = named("same", lab.url + QUICK_OK), named("moved", lab.url + QUICK_OK)
    async with peer((Hold(),), (Hold(),)) as silent:
        stopped = named("stopped", silent.url)
        began = time.time()
        async with running(same, moved, stopped, settings=settings) as daemon:
            await daemon.until("chat_monitor_probes_in_flight", 1)
        moved = replace(moved, url=lab.url + QUICK_CUT)
        async with running(same, moved, stopped, named("new", lab.url + QUICK_OK), settings=settings) as daemon:
            probed = {(await daemon.line(event="probe"))["target"] for _ in range(2)}
            await daemon.until("chat_monitor_probes_in_flight", 1)
            assert probed == {"moved", "new"}
            assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="same"}') == 0
            assert await daemon.metric('chat_stream_last_probe_success{target="same"}') is None
            for gauge in ("last_probe", "last_success"):  # else an alert took it for one that is not probed any more
                ended = await daemon.metric(f'chat_stream_{gauge}_timestamp_seconds{{target="same"}}')
                assert ended is not None
                assert began <= ended <= time.time()


async def test_the_pages_after_a_restart(lab: Lab, tmp_path: Path) -> None:
    """The pages show stored probes before the first new one: state, failure, and the probe's page with its stream."""
    settings = Settings(web=Web(("127.0.0.1:0",)), history=HistorySettings(str(tmp_path / "history.db")))
    bad = replace(named("bad", lab.url + QUICK_CUT), confirm=1)
    async with running(bad, settings=settings) as daemon:
        probe_id = (await daemon.line(event="probe"))["probe_id"]
    async with running(replace(bad, paused=True), settings=settings) as daemon:
        assert await daemon.metric('chat_stream_up{target="bad"}') == 0
        assert await daemon.metric('chat_stream_consecutive_failures{target="bad"}') == 1
        _, page = await daemon.get("/targets/bad")
        assert "incomplete_body" in page
        _, page = await daemon.get(f"/probes/{probe_id}")
        assert "longest gap" in page
        assert "previous probe: none" in page
        _, page = await daemon.get("/failures?cause=incomplete_body")
        assert f"./probes/{probe_id}" in page
        assert (await daemon.get(f"/api/v1/probes/{probe_id}"))[0] == 200
