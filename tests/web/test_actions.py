"""Tests of requests that make the monitor do something, over real sockets on loopback."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from pytest_aiohttp import AiohttpClient

from monitor.record.observation import Observation
from monitor.web.app import application
from monitor.web.source import RefusedError
from tests.web import samples
from tests.web.requests import Client, error_of
from tests.web.sources import Daemon


async def test_a_foreign_page_starts_nothing(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """Neither a reload nor a probe happens for another site's page."""
    done: list[str] = []

    async def reload() -> str | None:
        done.append("reload")
        return None

    client = await aiohttp_client(application(replace(daemon.source(), reload=reload)))
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        assert (await client.post("/-/reload", headers=headers)).status == 403
    assert done == []


async def test_what_the_monitor_cannot_do_is_reported(client: Client) -> None:
    """Reload and probe-now are 501 if the daemon supports neither."""
    reload, probe = await client.post("/-/reload"), await client.post("/api/v1/targets/new/probe")
    assert (reload.status, probe.status) == (501, 501)
    assert "nothing to reload" in await reload.text()
    assert "does not probe on request" in await error_of(probe)


@pytest.mark.parametrize(("wrong", "status", "text"), [(None, 200, "reloaded."), ("a.toml:3: no", 500, "a.toml:3: no")])
async def test_reload(daemon: Daemon, aiohttp_client: AiohttpClient, wrong: str | None, status: int, text: str) -> None:
    """A reload answers when the new config is in force, or with its mistakes."""

    async def reload() -> str | None:
        return wrong

    client = await aiohttp_client(application(replace(daemon.source(), reload=reload)))
    response = await client.post("/-/reload")
    assert (response.status, await response.text()) == (status, f"{text}\n")


async def test_probe_now(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """A probe that is asked for answers with its record; an unknown target is 404, a spent budget 429."""

    async def probe(name: str) -> Observation:
        if name == "new":
            raise RefusedError("The budget of today is spent.")
        return daemon.recent[name][0]

    client = await aiohttp_client(application(replace(daemon.source(), probe=probe)))
    done = await client.post("/api/v1/targets/t01-cut/probe")
    assert (done.status, (await done.json())["cause"]) == (200, "incomplete_body")
    assert (await client.post("/api/v1/targets/nobody/probe")).status == 404
    refused = await client.post("/api/v1/targets/new/probe")
    assert (refused.status, await error_of(refused)) == (429, "The budget of today is spent.")


def gauges(observation: Observation) -> tuple[bytes, str]:
    """Return the gauges of one probe, in place of the sink."""
    return f"id {observation.probe_id}\n".encode(), "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Scraped:
    """The source of `/probe`: it records which target was probed and with how much time."""

    answer: Observation | Exception
    asked: list[tuple[str, float | None]] = field(default_factory=list)

    async def __call__(self, name: str, within: float | None) -> Observation:
        """Answer as the test says."""
        self.asked.append((name, within))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def scraping(daemon: Daemon, start: AiohttpClient, answer: Observation | Exception) -> tuple[Client, Scraped]:
    """Return a client of an application that supports `/probe`, and the record of its probes."""
    scraped = Scraped(answer)
    source = replace(daemon.source(), scrape=scraped, exposition=gauges)
    return await start(application(source)), scraped


async def test_a_probe_by_scrape(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """A target without a young probe is asked, within the scrape's timeout less half a second."""
    observation = samples.complete()
    client, scraped = await scraping(daemon, aiohttp_client, observation)
    response = await client.get("/probe?target=new", headers={"X-Prometheus-Scrape-Timeout-Seconds": "10"})
    assert (response.status, await response.text()) == (200, f"id {observation.probe_id}\n")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert scraped.asked == [("new", 9.5)]
    await client.get("/probe?target=new")
    assert scraped.asked[1] == ("new", None)


async def test_a_young_probe_answers_a_scrape(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """If the last probe is younger than the interval no request is sent; `debug=true` also shows its event."""
    client, scraped = await scraping(daemon, aiohttp_client, RuntimeError("asked"))
    response = await client.get("/probe?target=t01-cut&debug=true")
    event, _, numbers = (await response.text()).rpartition("\n\n")
    assert json.loads(event)["cause"] == "incomplete_body"
    assert numbers == f"id {daemon.recent['t01-cut'][0].probe_id}\n"
    assert scraped.asked == []


@pytest.mark.parametrize(
    ("query", "patience"),
    [
        ("", "10"),
        ("?target=nobody", "10"),
        ("?target=http://127.0.0.1:9/", "10"),
        ("?target=new&target=t01-cut", "10"),
        ("?target=new&module=http_2xx", "10"),
        ("?target=new", "soon"),
        ("?target=new", "-1"),
        ("?target=new", "nan"),
    ],
)
async def test_what_a_scrape_cannot_ask_for(
    daemon: Daemon, aiohttp_client: AiohttpClient, query: str, patience: str
) -> None:
    """All but one configured name and a timeout above 0 is 400, and nothing is sent."""
    client, scraped = await scraping(daemon, aiohttp_client, samples.complete())
    response = await client.get(f"/probe{query}", headers={"X-Prometheus-Scrape-Timeout-Seconds": patience})
    assert (response.status, scraped.asked) == (400, [])


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (RefusedError("The tokens of today are spent"), 429, "The tokens of today are spent"),
        (TimeoutError(), 504, "takes longer"),
        (samples.aborted(), 503, "says nothing of the target"),
    ],
)
async def test_a_scrape_without_numbers(
    daemon: Daemon, aiohttp_client: AiohttpClient, answer: Observation | Exception, status: int, text: str
) -> None:
    """A probe that may not start, is not over in time or says nothing of its target has no numbers, but a reason."""
    client, _ = await scraping(daemon, aiohttp_client, answer)
    response = await client.get("/probe?target=new")
    assert response.status == status
    assert text in await response.text()


async def test_probing_by_scrape_is_off(client: Client) -> None:
    """Without `[web] probe = true` the address is not there, and says what would make it be."""
    response = await client.get("/probe?target=new")
    assert (response.status, "[web] probe = true" in await response.text()) == (404, True)


async def test_no_link_and_no_head_starts_a_probe(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """It spends tokens: neither a link on another site nor HEAD is answered by one."""
    client, scraped = await scraping(daemon, aiohttp_client, samples.complete())
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await client.get("/probe?target=new", headers=link)).status == 403
    assert (await client.head("/probe?target=new")).status == 405
    assert scraped.asked == []
