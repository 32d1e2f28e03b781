"""Discovery in a running daemon: real files and a real HTTP server, through changes, errors, reloads and shards."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from monitor.config import Config
from monitor.daemon.app import watch
from monitor.daemon.signals import Signals
from monitor.lab.peer import peer
from monitor.lab.server import Lab
from monitor.lab.steps import Fin, Gate, Send
from monitor.settings import Web
from monitor.shard import Shard
from tests.conftest import WITHIN
from tests.daemons import HEAD, HI, QUICK_CUT, QUICK_OK, STOP, ConfigFile, Running, reloaded, running, watched
from tests.gates import Reached

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")

DEFAULTS = '[defaults]\nprotocol = "openai-chat"\nmodel = "lab"\ninterval = "1h"\ncheck = "none"'
FILES = '[[discovery]]\nname = "fleet"\nfile_sd = ["*.json"]\n'
GAUGE = 'chat_monitor_discovery_last_refresh_successful{source="fleet"}'
OTHERS = "the discovered targets have changed"
NOT_IN_ORDER = "a discovery source has errors"


class QuickFile(ConfigFile):
    """A config whose sources are refreshed at short intervals, and whose shard a test can set."""

    shard = Shard()

    def __call__(self) -> Config:
        """Read it."""
        config = super().__call__()
        sources = tuple(replace(one, refresh=0.001) for one in config.settings.discovery)
        return replace(config, settings=replace(config.settings, discovery=sources), shard=self.shard)


@pytest.fixture
def file(tmp_path: Path) -> QuickFile:
    """Return a config file."""
    return QuickFile(tmp_path / "config.toml")


def group(url: str, name: str, **labels: str) -> dict[str, Any]:
    """Return a group of one target."""
    return {"targets": [url], "labels": {"__name__": name, **labels}}


def put(path: Path, *groups: dict[str, Any]) -> None:
    """Replace a file by renaming, as is best."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(groups))
    beside.replace(path)


@asynccontextmanager
async def discovering(file: ConfigFile) -> AsyncIterator[Running]:
    """Yield a daemon that watches what the config says and what its sources list."""
    async with running(config=await file.first(), load=file) as daemon:
        await daemon.line(event="started")
        yield daemon


async def names(daemon: Running) -> list[str]:
    """Return what is watched."""
    return sorted(one["name"] for one in json.loads((await daemon.get("/api/v1/targets"))[1])["targets"])


# -- files -------------------------------------------------------------------------------------------------------------


async def test_what_is_listed_is_watched(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """Discovered targets are probed from the start, in addition to the config's own; all have the same label names."""
    file.write(watched("static", lab.url + QUICK_OK), rest=FILES + DEFAULTS)
    put(tmp_path / "a.json", group(lab.url + QUICK_CUT, "found", team="search"))
    async with discovering(file) as daemon:
        events = {event["target"]: event for event in [await daemon.line(event="probe") for _ in range(2)]}
        assert (events["static"]["outcome"], events["found"]["outcome"]) == ("ok", "truncated")
        assert await daemon.metric('chat_stream_accepted_total{target="found",team="search"}') == 1
        assert await daemon.metric('chat_stream_accepted_total{target="static",team=""}') == 1
        assert await daemon.metric("chat_monitor_targets") == 2
        assert await daemon.metric(GAUGE) == 1


async def test_a_config_may_have_no_targets_of_its_own(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """With an empty list no target is probed, and later ones are added."""
    file.write(rest=FILES + DEFAULTS)
    put(tmp_path / "a.json")
    async with discovering(file) as daemon:
        assert await daemon.metric("chat_monitor_targets") == 0
        assert (await daemon.get("/-/ready"))[0] == 200
        assert (await daemon.get("/"))[0] == 200
        put(tmp_path / "a.json", group(lab.url + QUICK_OK, "found"))
        assert (await daemon.line(event=OTHERS))["targets"] == 1
        assert (await daemon.line(event="probe"))["target"] == "found"


async def test_changes_are_taken_by_difference(file: QuickFile, tmp_path: Path) -> None:
    """Unchanged targets keep probes and counters; removed ones are aborted and leave no series."""
    stays, goes = Reached(), Reached()
    ending = (Send(HEAD + HI), Gate(stays), Send(STOP), Fin())
    async with peer(ending) as one, peer((Send(HEAD + HI), Gate(goes))) as two, peer((Send(HEAD + HI + STOP),)) as new:
        file.write(rest=FILES + DEFAULTS)
        put(tmp_path / "a.json", group(one.url, "stays"), group(two.url, "goes"))
        async with discovering(file) as daemon:
            loaded = await daemon.metric("chat_monitor_config_last_reload_success_timestamp_seconds")
            digest = await daemon.metric("chat_monitor_config_hash")
            await stays.reached.wait()
            await goes.reached.wait()
            put(tmp_path / "a.json", group(one.url, "stays"), group(new.url, "new", team="search"))
            gone = await daemon.line(event="probe")
            assert (gone["target"], gone["outcome"], gone["cause"]) == ("goes", "aborted", "reload")
            assert (await daemon.line(event="probe"))["target"] == "new"
            assert 'target="goes"' not in (await daemon.get("/metrics"))[1]
            stays.set()
            kept = await daemon.line(event="probe")
            assert (kept["target"], kept["outcome"]) == ("stays", "ok")
            assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="stays",team=""}') == 1
            assert await names(daemon) == ["new", "stays"]
            # it is no reload, and no other config
            assert await daemon.metric("chat_monitor_config_last_reload_success_timestamp_seconds") == loaded
            assert await daemon.metric("chat_monitor_config_hash") == digest


async def test_half_a_file_changes_nothing(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """The last good list stays, through a reload too; the gauge is 0 and the log says why, once."""
    file.write(rest=FILES + DEFAULTS)
    put(tmp_path / "a.json", group(lab.url + QUICK_OK, "found"))
    async with discovering(file) as daemon:
        await daemon.line(event="probe")
        (tmp_path / "a.json").write_text('[{"targets": ["http')
        event = await daemon.line(event=NOT_IN_ORDER)
        assert (event["source"], "is not valid JSON" in event["why"]) == ("fleet", True)
        await daemon.until(GAUGE, 0)
        await reloaded(daemon)
        assert await names(daemon) == ["found"]
        assert await daemon.metric('chat_stream_probes_total{outcome="ok",target="found"}') == 1
        put(tmp_path / "a.json", group(lab.url + QUICK_OK, "found"), group(lab.url + QUICK_OK, "more"))
        await daemon.until(GAUGE, 1)
        await daemon.until("chat_monitor_targets", 2)


async def test_a_target_with_a_mistake_is_left_out(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """Invalid targets are left out: without a URL, with a name of the config, with a reserved label."""
    file.write(watched("static", lab.url + QUICK_OK), rest=FILES + DEFAULTS)
    put(
        tmp_path / "a.json",
        group("nowhere", "bad", __scheme__="ftp"),
        group(lab.url + QUICK_CUT, "static"),
        group(lab.url + QUICK_OK, "odd", target="x"),
        group(lab.url + QUICK_OK, "good"),
    )
    async with discovering(file) as daemon:
        assert await names(daemon) == ["good", "static"]
        assert await daemon.metric(GAUGE) == 0
        assert {(await daemon.line(event="probe"))["outcome"] for _ in range(2)} == {"ok"}


async def test_a_certificate_that_cannot_be_used(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """A target whose `tls` names an invalid file is left out until the file is valid."""
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    file.write(rest=f'{FILES}{DEFAULTS}\ntls = {{ca_file = "ca.pem"}}')
    put(tmp_path / "a.json", group("https://127.0.0.1:1/v1", "secure"), group(lab.url + QUICK_OK, "plain"))
    async with discovering(file) as daemon:
        assert await names(daemon) == ["plain"]
        assert await daemon.metric(GAUGE) == 0
        await asyncio.to_thread(trustme.CA().cert_pem.write_to_path, str(tmp_path / "ca.pem"))
        await daemon.until(GAUGE, 1)
        await daemon.until("chat_monitor_targets", 2)


async def test_what_is_elsewhere_is_left_to_others(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """Shards and locations hold for what is discovered as for what is written."""
    file.shard = Shard(0, 3)
    file.write(rest=f'[monitor]\nlocation = "eu-1"\n{FILES}{DEFAULTS}')
    urls = dict.fromkeys(("gateway", "chat", "edge", "model-a"), lab.url + QUICK_OK)
    put(
        tmp_path / "a.json",
        *(group(url, name) for name, url in urls.items()),
        group(lab.url + QUICK_OK, "gateway-us", __locations__="us-1"),
    )
    async with discovering(file) as daemon:
        assert await names(daemon) == ["chat", "gateway"]
        assert await daemon.metric("chat_monitor_shard_index") == 0
        assert await daemon.metric("chat_monitor_shards") == 3


# -- reload ------------------------------------------------------------------------------------------------------------


async def test_sources_come_and_go_with_a_reload(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """One that is gone takes its targets and its gauge along; one that is new is read before the reload is over."""
    put(tmp_path / "a.json", group(lab.url + QUICK_OK, "a"))
    put(tmp_path / "b.list", group(lab.url + QUICK_OK, "b"))
    static = watched("static", lab.url + QUICK_OK)
    file.write(static, rest=FILES + DEFAULTS)
    async with discovering(file) as daemon:
        assert await names(daemon) == ["a", "static"]
        file.write(static, rest=f"{FILES.replace('fleet', 'other').replace('*.json', 'b.list')}{DEFAULTS}")
        await reloaded(daemon)
        assert await names(daemon) == ["b", "static"]
        assert await daemon.metric(GAUGE) is None
        assert await daemon.metric(GAUGE.replace("fleet", "other")) == 1
        put(tmp_path / "a.json", group(lab.url + QUICK_OK, "nobody-looks"))
        put(tmp_path / "b.list", group(lab.url + QUICK_OK, "b"), group(lab.url + QUICK_OK, "b2"))
        await daemon.until("chat_monitor_targets", 3)
        assert await names(daemon) == ["b", "b2", "static"]
        file.write(static, rest=DEFAULTS)
        await reloaded(daemon)
        assert await names(daemon) == ["static"]


async def test_defaults_and_keys_are_read_again(file: QuickFile, tmp_path: Path) -> None:
    """A reload makes discovered targets again: with other defaults, and with a key that has changed in its file."""
    async with peer((Send(HEAD + HI + STOP), Fin())) as server:
        (tmp_path / "key").write_text("canary-one")
        file.write(rest=f'{FILES}{DEFAULTS}\napi_key_file = "key"')
        put(tmp_path / "a.json", group(server.url, "found"))
        async with discovering(file) as daemon:
            await daemon.line(event="probe")
            (tmp_path / "key").write_text("canary-two")
            await reloaded(daemon)
            assert (await daemon.post("/api/v1/targets/found/probe"))[0] == 200
        sent = [request.headers["authorization"] for request in server.requests]
        assert (sent[0], sent[-1]) == ("Bearer canary-one", "Bearer canary-two")


async def test_a_refused_reload_leaves_discovery_as_it_is(lab: Lab, file: QuickFile, tmp_path: Path) -> None:
    """The old sources are read on."""
    file.write(rest=FILES + DEFAULTS)
    put(tmp_path / "a.json", group(lab.url + QUICK_OK, "a"))
    async with discovering(file) as daemon:
        file.write(rest="nope = 1")
        assert (await daemon.post("/-/reload"))[0] == 500
        put(tmp_path / "a.json", group(lab.url + QUICK_OK, "a"), group(lab.url + QUICK_OK, "b"))
        await daemon.until("chat_monitor_targets", 2)


async def test_a_drain_takes_nothing_on(file: QuickFile, tmp_path: Path) -> None:
    """While the daemon stops, a list that changes changes nothing."""
    gate = Reached()
    async with peer((Send(HEAD + HI), Gate(gate), Send(STOP), Fin())) as server:
        file.write(rest=FILES + DEFAULTS)
        put(tmp_path / "a.json", group(server.url, "one"))
        async with discovering(file) as daemon:
            await gate.reached.wait()
            daemon.signals.stop.set()
            await daemon.line(event="stopping")
            put(tmp_path / "a.json", group(server.url, "two"))
            put(tmp_path / "b.json", {"targets": [1]})
            await daemon.until(GAUGE, 0)
            assert await names(daemon) == ["one"]
            gate.set()
            assert (await daemon.line(event="probe"))["outcome"] == "ok"


# -- URLs --------------------------------------------------------------------------------------------------------------


class Inventory:
    """A real HTTP server that lists what a test says."""

    def __init__(self) -> None:
        self.groups: list[dict[str, Any]] = []
        self.status = 200
        self.asked: list[web.Request] = []
        self.base = ""
        self.gate: Reached | None = None

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request, after the gate is open if there is one."""
        self.asked.append(request)
        if self.gate is not None:
            await self.gate.wait()
        return web.json_response(self.groups, status=self.status)


@pytest.fixture
async def inventory() -> AsyncIterator[Inventory]:
    """Yield an inventory on a free port of loopback."""
    listing, app = Inventory(), web.Application()
    app.router.add_get("/targets", listing.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listing.base = f"http://127.0.0.1:{runner.addresses[0][1]}/targets"
    yield listing
    await runner.cleanup()


def of_url(url: str) -> str:
    """Return the table of a source of one URL."""
    return f'[[discovery]]\nname = "fleet"\nhttp_sd = ["{url}"]\n'


async def test_an_inventory_that_wants_a_token(lab: Lab, file: QuickFile, inventory: Inventory, tmp_path: Path) -> None:
    """The token of a file next to the config is sent as a bearer token."""
    (tmp_path / "inventory.token").write_text("token-canary\n")
    inventory.groups = [group(lab.url + QUICK_OK, "found")]
    file.write(rest=of_url(inventory.base) + 'bearer_token_file = "inventory.token"\n' + DEFAULTS)
    async with discovering(file) as daemon:
        assert (await daemon.line(event="probe"))["target"] == "found"
        assert inventory.asked[0].headers["Authorization"] == "Bearer token-canary"


async def test_a_token_that_was_replaced_stays_hidden(
    lab: Lab, file: QuickFile, inventory: Inventory, tmp_path: Path
) -> None:
    """A password that is read of its file is sent at the next refresh, and no later message shows either of them."""
    password = tmp_path / "inventory.password"
    password.write_text("first-canary\n")
    inventory.groups = [group(lab.url + QUICK_OK, "found")]
    basic = 'basic_auth = { username = "me", password_file = "inventory.password" }\n'
    file.write(rest=of_url(inventory.base) + basic + DEFAULTS)
    async with discovering(file) as daemon:
        for word in ("first-canary", "second-canary"):
            password.write_text(word)
            wanted = f"Basic {b64encode(f'me:{word}'.encode()).decode()}"
            while inventory.asked[-1].headers["Authorization"] != wanted:
                await daemon.get("/-/healthy")
        logging.getLogger("library").error("met first-canary and second-canary")
        assert (await daemon.line(logger="library"))["event"] == "met [redacted] and [redacted]"


async def test_an_inventory_is_asked_again_and_again(
    lab: Lab, file: QuickFile, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed targets are probed; an error keeps the last valid list, and an empty list removes all targets."""
    monkeypatch.setenv("SECRET", "canary")
    inventory.groups = [group(lab.url + QUICK_OK, "found")]
    file.write(rest=of_url(inventory.base.replace("//", "//user:${SECRET}@") + "?token=${SECRET}") + DEFAULTS)
    async with discovering(file) as daemon:
        assert (await daemon.line(event="probe"))["target"] == "found"
        headers = inventory.asked[0].headers
        assert headers["Accept"] == "application/json"
        assert headers["User-Agent"].startswith("chat-monitor/")
        assert headers["Authorization"].startswith("Basic ")
        inventory.status = 503
        event = await daemon.line(event=NOT_IN_ORDER)
        assert event["why"] == f"{inventory.base}?token=***: cannot be read: the response has status 503"
        assert await daemon.metric(GAUGE) == 0
        assert await names(daemon) == ["found"]
        inventory.status, inventory.groups = 200, []
        await daemon.until("chat_monitor_targets", 0)
        assert await daemon.metric(GAUGE) == 1


async def test_an_inventory_that_hangs_at_the_start(
    lab: Lab, file: QuickFile, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config's own targets are probed meanwhile, and what it lists once it answers is taken."""
    monkeypatch.setattr("monitor.daemon.sources.FIRST_LISTS", 0.001)
    gate = inventory.gate = Reached()
    inventory.groups = [group(lab.url + QUICK_OK, "found")]
    file.write(watched("own", lab.url + QUICK_OK), rest=of_url(inventory.base) + DEFAULTS)
    async with discovering(file) as daemon:
        assert (await daemon.line(event="probe"))["target"] == "own"
        assert (await daemon.get("/-/ready"))[0] == 200
        assert await daemon.metric(GAUGE) is None
        gate.set()
        assert (await daemon.line(event="probe"))["target"] == "found"
        assert await daemon.metric(GAUGE) == 1


async def test_a_reload_while_the_first_lists_are_late(
    lab: Lab, file: QuickFile, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The late list of a source that a reload removed is ignored."""
    monkeypatch.setattr("monitor.daemon.sources.FIRST_LISTS", 0.001)
    gate = inventory.gate = Reached()
    inventory.groups = [group(lab.url + QUICK_OK, "found")]
    file.write(watched("own", lab.url + QUICK_OK), rest=of_url(inventory.base) + DEFAULTS)
    async with discovering(file) as daemon:
        await gate.reached.wait()
        file.write(watched("own", lab.url + QUICK_OK), rest=DEFAULTS)
        await reloaded(daemon)
        gate.set()
        assert await names(daemon) == ["own"]


async def test_a_reload_while_it_starts(
    file: QuickFile, inventory: Inventory, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is there while the first lists are waited for: a reload waits for its turn, and what it says holds."""
    monkeypatch.setattr("monitor.daemon.sources.FIRST_LISTS", WITHIN)
    gate = inventory.gate = Reached()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    page = f"http://127.0.0.1:{port}/-/"
    file.write(watched("old", lab.url + QUICK_OK), rest=of_url(inventory.base) + DEFAULTS)
    config = await file.first()
    config = replace(config, settings=replace(config.settings, web=Web((f"127.0.0.1:{port}",))))

    async def reloading() -> int:
        async with aiohttp.ClientSession() as session:
            await gate.reached.wait()
            file.write(watched("new", lab.url + QUICK_OK), rest=DEFAULTS)
            asked = asyncio.create_task(session.post(f"{page}reload"))
            for _ in range(5):
                async with session.get(f"{page}ready") as answer:
                    assert answer.status == 503
            gate.set()
            async with await asked as answer:
                return answer.status

    task = asyncio.create_task(reloading())
    async with running(config=config, load=file) as daemon:
        assert await task == 200
        assert await names(daemon) == ["new"]
        assert await daemon.metric(GAUGE) is None


async def test_a_stop_while_the_first_lists_are_waited_for(file: QuickFile, inventory: Inventory) -> None:
    """SIGTERM does not wait for an inventory that hangs: nothing was watched yet, so there is nothing to drain."""
    inventory.gate = Reached()
    file.write(rest=of_url(inventory.base) + DEFAULTS)
    config, signals = await file.first(), Signals()
    task = asyncio.create_task(watch(config, signals, stdout=None, load=file))
    await inventory.gate.reached.wait()
    signals.on_stop(signal.SIGTERM)
    await task
    assert not inventory.gate.is_set()
    inventory.gate.set()


async def test_a_hangup_while_the_first_lists_are_waited_for(
    file: QuickFile, inventory: Inventory, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGHUP before the schedule is armed is a reload right after."""
    monkeypatch.setattr(Signals, "__post_init__", lambda self: setattr(self, "reload_asked", True))
    file.write(watched("old", lab.url + QUICK_OK), rest=of_url(inventory.base) + DEFAULTS)
    async with discovering(file) as daemon:
        await daemon.line(event="reloaded")


async def test_an_inventory_that_is_down_at_the_start(lab: Lab, file: QuickFile, inventory: Inventory) -> None:
    """The daemon starts with the targets that it has, and adds the others when they arrive."""
    inventory.status, inventory.groups = 500, [group(lab.url + QUICK_OK, "found")]
    file.write(watched("static", lab.url + QUICK_OK), rest=of_url(inventory.base) + DEFAULTS)
    async with discovering(file) as daemon:
        assert await names(daemon) == ["static"]
        assert await daemon.metric(GAUGE) == 0
        inventory.status = 200
        await daemon.until("chat_monitor_targets", 2)


async def test_an_address_that_is_denied(file: QuickFile, lab: Lab, inventory: Inventory) -> None:
    """`[network] deny` holds for the inventory as for targets: nothing is sent."""
    rest = f'[network]\ndeny = ["127.0.0.0/8"]\n{of_url(inventory.base)}{DEFAULTS}'
    file.write(watched("static", lab.url + QUICK_OK), rest=rest)
    async with discovering(file) as daemon:
        assert await daemon.metric(GAUGE) == 0
        assert (await daemon.line(event="probe"))["cause"] == "policy"
        assert inventory.asked == []
