"""Tests of the handlers of pages, over real sockets on loopback."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import msgspec
import pytest
from pytest_aiohttp import AiohttpClient
from yarl import URL

from monitor.record.rollup import Rollup
from monitor.web.app import application
from monitor.web.views import curl_of, last_output
from tests.records import record
from tests.web import samples
from tests.web.document import Document
from tests.web.requests import Client
from tests.web.sources import NO_ROLLUPS, Daemon, history


async def test_a_name_that_is_no_plain_word(client: Client, daemon: Daemon) -> None:
    """A target whose name has slashes, quotes and per cent signs has a page and a resource."""
    name = daemon.targets[-2].name
    page = await client.get(URL(f"/targets/{quote(name, safe='')}", encoded=True))
    resource = await client.get(URL(f"/api/v1/targets/{quote(name, safe='')}", encoded=True))
    assert name in Document(await page.text()).text
    assert (await resource.json())["name"] == name


async def test_health_is_not_readiness(client: Client, daemon: Daemon) -> None:
    """A draining monitor is healthy and not ready, whatever its targets do."""
    daemon.ready = False
    assert (await client.get("/-/healthy")).status == 200
    response = await client.get("/-/ready")
    assert (response.status, await response.text()) == (503, "chat-monitor is not ready: starting or draining.\n")


async def test_a_probe_of_the_history_has_its_page(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """A probe that is not in memory is shown from the history, with its neighbours; a damaged one is an error."""
    old = record(replace(samples.stalled(samples.target("gone")), probe_id="old"), timeline=True)
    kept = history({"old": old, "broken": {"probe_id": "broken"}})
    client = await aiohttp_client(application(replace(daemon.source(), history=kept)))
    document = Document(await (await client.get("/probes/old")).text())
    assert "no_output" in document.text
    assert {"../probes/before", "../probes/after", "../probes/good"} <= set(document.links)
    broken = await client.get("/probes/broken")
    assert (broken.status, "cannot be shown" in await broken.text()) == (500, True)
    assert (await client.get("/probes/older")).status == 404


async def test_neighbours_come_from_memory_first(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """Neighbours are taken from memory, and the missing ones from the history."""
    newest, oldest = daemon.recent["t01-cut"]
    client = await aiohttp_client(application(daemon.source()))
    links = Document(await (await client.get(f"/probes/{newest.probe_id}")).text()).links
    assert links.count(f"../probes/{oldest.probe_id}") == 2  # the one before, and the last good one
    client = await aiohttp_client(application(replace(daemon.source(), history=history({"x": record(newest)}))))
    links = Document(await (await client.get(f"/probes/{oldest.probe_id}")).text()).links
    assert {f"../probes/{newest.probe_id}", "../probes/before", "../probes/good"} <= set(links)
    links = Document(await (await client.get(f"/probes/{newest.probe_id}")).text()).links
    assert "../probes/before" not in links


async def test_failures(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """From memory without a history, from the history with one; of one cause if that is asked for."""
    client = await aiohttp_client(application(daemon.source()))
    document = Document(await (await client.get("/failures?cause=reset")).text())
    assert "./targets/t02-reset" in document.links
    assert "./targets/t01-cut" not in document.links
    nothing = Document(await (await client.get("/failures?to=2020-01-01T00:00:00Z")).text())
    assert "No failures in this time." in nothing.text
    assert (await client.get("/failures?from=soon")).status == 400
    old = record(replace(samples.stalled(samples.target("gone")), probe_id="old"))
    client = await aiohttp_client(application(replace(daemon.source(), history=history({"old": old}))))
    assert "./targets/gone" in Document(await (await client.get("/failures")).text()).links


async def test_the_status_page_takes_a_query(client: Client) -> None:
    """A search finds its target, and an invalid value is 400."""
    document = Document(await (await client.get("/?q=t01")).text())
    assert [link for link in document.links if link.startswith("./targets/")] == ["./targets/t01-cut"]
    assert (await client.get("/?state=up")).status == 400


@pytest.mark.parametrize(
    ("protocol", "words", "decoded"),
    [
        ("openai-chat", None, ""),
        (
            "openai-chat",
            'a": 1}\\x0a\\x0adata: {"choices":[{"delta":{"content":"17 18"}}]}\\x0a\\x0adata: {"cho',
            "17 18",
        ),
        ("openai-chat", "no line", ""),
        ("gone", "a\\x0ab", ""),
    ],
)
def test_the_last_output_is_decoded(protocol: str, words: str | None, decoded: str) -> None:
    """From the first whole line on; of a protocol that is not known nothing is."""
    event = msgspec.structs.replace(samples.event(samples.cut()), protocol=protocol, last_words=words or msgspec.UNSET)
    assert last_output(event) == decoded


def test_the_request_as_a_command() -> None:
    """The command contains no secret; it is empty if the protocol cannot make one."""
    assert "secret" not in curl_of(samples.target())
    assert curl_of(samples.target()).startswith("curl -N")
    assert curl_of(samples.target(protocol="gone")) == ""


async def test_a_span_of_time(client: Client) -> None:
    """A target's page of a day shows its outcomes, of another day none; an invalid span is 400."""
    document = Document(await (await client.get("/targets/t01-cut?from=now-1d")).text())
    assert "truncated/incomplete_body" in document.text
    nothing = Document(await (await client.get("/targets/t01-cut?from=2020-01-01&to=2020-01-02")).text())
    assert "No scheduled probe in this time" in nothing.text
    assert (await client.get("/targets/t01-cut?from=soon")).status == 400


async def test_figures_of_the_history(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """Pages and API take them from the history if there is one."""
    kept = replace(history({"x": record(samples.cut())}), rollups=replace(NO_ROLLUPS, sums=lambda names, since: {name: dict.fromkeys(since, Rollup(probes=8, available=4)) for name in names}))  # fmt: skip  # noqa: E501 - one history
    client = await aiohttp_client(application(replace(daemon.source(), history=kept)))
    assert "50 %" in Document(await (await client.get("/targets/t01-cut")).text()).text
    one = await (await client.get("/api/v1/targets/t01-cut")).json()
    assert {name: it["availability"] for name, it in one["windows"].items()} == {"24h": 0.5, "7d": 0.5, "30d": 0.5}
    every = await (await client.get("/api/v1/targets")).json()
    assert every["targets"][0]["windows"].keys() == {"24h"}
    assert "spent" in Document(await (await client.get("/")).text()).text
