"""Tests of the JSON API, over real sockets on loopback."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import NoReturn

from pytest_aiohttp import AiohttpClient

from monitor.record.from_observation import event_of
from monitor.sinks.history_store import StoreError
from monitor.web.app import application
from monitor.web.source import HistoryReader
from monitor.web.target_history import RollupReader
from tests.records import record
from tests.web import samples
from tests.web.requests import Client, error_of
from tests.web.sources import Daemon, history


async def test_a_probe_as_json_is_its_record(client: Client, daemon: Daemon) -> None:
    """The API's probe is the record of the contract with its timeline, in ASCII alone."""
    observation = daemon.recent["t04-erred"][0]
    response = await client.get(f"/api/v1/probes/{observation.probe_id}")
    body = await response.read()
    assert json.loads(body) == json.loads(json.dumps(record(observation, timeline=True)))
    assert body.isascii()
    assert b"\x1b" not in body


async def test_what_is_not_there_in_the_api(client: Client) -> None:
    """The API tells of errors as JSON."""
    for path, text in (
        ("targets/nobody", "configured"),
        ("probes/01J", "stored"),
        ("x", "does not exist: `GET /api/v1/openapi.json`"),
    ):
        response = await client.get(f"/api/v1/{path}")
        assert response.status == 404
        assert text in await error_of(response)


async def test_the_list_of_recent_probes(client: Client, daemon: Daemon) -> None:
    """All that memory has, newest first; of one target, failed ones alone, and no more than asked for."""
    everything = (await (await client.get("/api/v1/probes")).json())["probes"]
    assert len(everything) == min(sum(map(len, daemon.recent.values())), 50)
    cut = daemon.recent["t01-cut"][0]
    query = {"target": "t01-cut", "failed": "true", "limit": "9"}
    found = (await (await client.get("/api/v1/probes", params=query)).json())["probes"]
    assert found == [json.loads(json.dumps(record(cut)))]
    for name, value in (("limit", "0"), ("moon", "full")):
        response = await client.get("/api/v1/probes", params={name: value})
        assert response.status == 400
        assert "The parameters are target" in await error_of(response)


async def test_what_memory_has_forgotten(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """If a history is kept, it answers for probes that are older, in lists and alone."""
    old = record(replace(samples.stalled(samples.target("gone")), probe_id="old"), timeline=True)
    client = await aiohttp_client(application(replace(daemon.source(), history=history({"old": old}))))
    assert await (await client.get("/api/v1/probes?limit=2")).json() == {"probes": [old, old]}
    assert await (await client.get("/api/v1/probes/old")).json() == old
    assert (await client.get("/api/v1/probes/older")).status == 404
    observation = daemon.recent["t01-cut"][0]
    assert (await (await client.get(f"/api/v1/probes/{observation.probe_id}")).json())["target"] == "t01-cut"


async def test_a_probe_that_was_restored_has_its_timeline_in_the_history(
    aiohttp_client: AiohttpClient, daemon: Daemon
) -> None:
    """After a restart memory has the event alone: the history has the timeline, and memory answers without one."""
    of = samples.target("gateway")
    kept = record(samples.cut(of), timeline=True)
    daemon.kept.restore([of], {"gateway": [event_of(samples.cut(of))]})
    path = f"/api/v1/probes/{kept['probe_id']}"
    client = await aiohttp_client(application(daemon.source()))
    assert "timeline" not in await (await client.get(path)).json()
    client = await aiohttp_client(application(replace(daemon.source(), history=history({kept["probe_id"]: kept}))))
    assert await (await client.get(path)).json() == kept


async def test_a_history_that_cannot_be_read(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """Probes in memory are served without the history; for others the error says why."""

    def fail(*_: object) -> NoReturn:
        raise StoreError("h.db: disk I/O error")

    client = await aiohttp_client(
        application(replace(daemon.source(), history=HistoryReader(fail, fail, fail, RollupReader(*[fail] * 3), fail)))
    )
    assert len((await (await client.get("/api/v1/probes?limit=3")).json())["probes"]) == 3
    response = await client.get("/api/v1/probes/old")
    assert (await client.get("/probes/old")).status == 503
    for path in ("/failures", "/", "/targets/t01-cut", "/api/v1/targets", "/api/v1/targets/t01-cut"):
        assert (await client.get(path)).status == 200
    observation = daemon.recent["t01-cut"][1]
    assert (await client.get(f"/probes/{observation.probe_id}")).status == 200
    assert (response.status, "cannot be read: h.db: disk I/O error" in await error_of(response)) == (503, True)
