"""Tests of the routes, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import select
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from yarl import URL

from monitor.record.observation import Observation
from monitor.sinks.history_store import StoreError
from monitor.web.app import Kept, RefusedError, Source, _Complaints, _drop, _report, application
from monitor.web.server import serve
from tests.records import record
from tests.web import scenes
from tests.web.document import Document
from tests.web.sources import EXPOSITION, Daemon, daemon

Client = TestClient[web.Request, web.Application]
Start = Callable[[Source], Awaitable[Client]]
READ = [
    "/", "/metrics", "/-/healthy", "/-/ready", "/targets/new", "/probes/{probe}", "/api/v1/targets",
    "/api/v1/targets/new", "/api/v1/probes", "/api/v1/probes/{probe}",
]  # fmt: skip


@pytest.fixture
def behind() -> Daemon:
    """The daemon behind the application."""
    return daemon()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, behind: Daemon) -> Client:
    """A client of an application that only shows."""
    return await aiohttp_client(application(behind.source()))


def at(path: str, behind: Daemon) -> str:
    """Return a path with the id of a probe that there is."""
    return path.format(probe=behind.recent["t01-cut"][0].probe_id)


async def told(response: ClientResponse) -> str:
    """Return the error that the API tells."""
    assert response.content_type == "application/json"
    body: dict[str, str] = json.loads(await response.text())
    return body["error"]


@pytest.mark.parametrize("path", READ)
async def test_whatever_can_be_read_has_a_head(client: Client, behind: Daemon, path: str) -> None:
    """GET answers 200 with a body, HEAD the same without one, each with every header that keeps a browser in bounds."""
    got = await client.get(at(path, behind))
    head = await client.head(at(path, behind))
    assert (got.status, head.status) == (200, 200)
    assert await got.read()
    assert await head.read() == b""
    for response in (got, head):
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Server"] == "chat-monitor"


async def test_all_links_resolve(client: Client) -> None:
    """Every link of the status page, and of every page behind it, leads somewhere; all of them are well-formed."""
    todo, done = ["/"], set[str]()
    while todo:
        link = todo.pop()
        done.add(link)
        response = await client.get(URL(link, encoded=True))
        assert response.status == 200, link
        if response.content_type == "text/html":
            todo += set(Document(await response.text()).links) - done - set(todo)
    assert len(done) > 3 * len(scenes.EVERY)


async def test_a_name_that_is_no_plain_word(client: Client, behind: Daemon) -> None:
    """A target whose name has slashes, quotes and per cent signs has its page and its resource."""
    name = behind.targets[-2].name
    page = await client.get(URL(f"/targets/{quote(name, safe='')}", encoded=True))
    resource = await client.get(URL(f"/api/v1/targets/{quote(name, safe='')}", encoded=True))
    assert name in Document(await page.text()).text
    assert (await resource.json())["name"] == name


async def test_a_probe_as_json_is_its_record(client: Client, behind: Daemon) -> None:
    """The API's probe is the record of the contract with its timeline, in ASCII alone."""
    seen = behind.recent["t04-erred"][0]
    response = await client.get(f"/api/v1/probes/{seen.probe_id}")
    body = await response.read()
    assert json.loads(body) == json.loads(json.dumps(record(seen, timeline=True)))
    assert body.isascii()
    assert b"\x1b" not in body


@pytest.mark.parametrize(
    "path", ["/targets/nobody", "/probes/01J", "/nothing", "/targets", "/targets/new/", "/favicon.ico"]
)
async def test_what_is_not_there_is_said_in_plain_words(client: Client, path: str) -> None:
    """An unknown name, id or path is 404: in words to a program, on a page to a browser."""
    plain = await client.get(path)
    assert (plain.status, plain.content_type) == (404, "text/plain")
    page = await client.get(path, headers={"Accept": "text/html,*/*"})
    assert (page.status, page.content_type) == (404, "text/html")
    assert (await plain.text()).strip() in Document(await page.text()).text


async def test_what_is_not_there_in_the_api(client: Client) -> None:
    """The API tells of errors as JSON."""
    for path, text in (("targets/nobody", "configured"), ("probes/01J", "kept"), ("x", "no such page")):
        response = await client.get(f"/api/v1/{path}")
        assert response.status == 404
        assert text in await told(response)


async def test_the_list_of_recent_probes(client: Client, behind: Daemon) -> None:
    """All that memory has, newest first; of one target, failed ones alone, and no more than asked for."""
    everything = (await (await client.get("/api/v1/probes")).json())["probes"]
    assert len(everything) == min(sum(map(len, behind.recent.values())), 50)
    cut = behind.recent["t01-cut"][0]
    query = {"target": "t01-cut", "failed": "true", "limit": "9"}
    found = (await (await client.get("/api/v1/probes", params=query)).json())["probes"]
    assert found == [json.loads(json.dumps(record(cut)))]
    for name, value in (("limit", "0"), ("moon", "full")):
        response = await client.get("/api/v1/probes", params={name: value})
        assert response.status == 400
        assert "The parameters are target" in await told(response)


async def test_what_memory_has_forgotten(aiohttp_client: AiohttpClient, behind: Daemon) -> None:
    """Where a history is kept, it answers for probes that are older, in lists and alone."""
    old = {"probe_id": "old", "target": "gone", "outcome": "stalled", "cause": "silent", "detail": "<b>", "url": "u"}
    kept = Kept(newest=lambda asked: [old] * asked.limit, find={"old": old}.get)
    client = await aiohttp_client(application(replace(behind.source(), kept=kept)))
    assert await (await client.get("/api/v1/probes?limit=2")).json() == {"probes": [old, old]}
    assert await (await client.get("/api/v1/probes/old")).json() == old
    page = Document(await (await client.get("/probes/old")).text())
    assert "stalled silent" in page.text
    assert "memory has forgotten it, and the history has it" in page.text
    assert "/api/v1/probes/old" in page.links
    assert [(await client.get(f"{place}/probes/older")).status for place in ("", "/api/v1")] == [404, 404]
    seen = behind.recent["t01-cut"][0]
    assert (await (await client.get(f"/api/v1/probes/{seen.probe_id}")).json())["target"] == "t01-cut"


async def test_a_history_that_cannot_be_read(aiohttp_client: AiohttpClient, behind: Daemon) -> None:
    """Memory answers for it, and of what memory has not, it is said why there is no answer."""

    def fail(_: object) -> NoReturn:
        raise StoreError("h.db: disk I/O error")

    client = await aiohttp_client(application(replace(behind.source(), kept=Kept(fail, fail))))
    assert len((await (await client.get("/api/v1/probes?limit=3")).json())["probes"]) == 3
    response = await client.get("/api/v1/probes/old")
    assert (await client.get("/probes/old")).status == 503
    assert (response.status, "cannot be read: h.db: disk I/O error" in await told(response)) == (503, True)


async def test_another_method(client: Client) -> None:
    """A method that an address does not answer to is 405 and says which do."""
    response = await client.delete("/metrics")
    assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
    assert (await client.get("/-/reload")).status == 405


async def test_health_is_not_readiness(client: Client, behind: Daemon) -> None:
    """A draining monitor is healthy and not ready, whatever its targets do."""
    behind.ready = False
    assert (await client.get("/-/healthy")).status == 200
    response = await client.get("/-/ready")
    assert (response.status, await response.text()) == (503, "chat-monitor is not ready: starting or draining.\n")


async def test_every_request_is_counted_by_its_route(client: Client, behind: Daemon) -> None:
    """The counter's labels are a closed set: routes and status codes, never a path that somebody made up."""
    await client.get("/targets/new")
    await client.get("/made/up")
    await client.get("/metrics", headers={"Host": "evil.example"})
    assert behind.counted == [("/targets/{name}", 200), ("other", 404), ("/metrics", 403)]


# -- metrics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True), ("deflate, gzip;q=0.5", True), ("*", True), ("GZIP; q=1.0", True), ("", False),
        ("deflate", False), ("gzip;q=0", False), ("gzip; q=0.000, br", False), ("identity", False),
        ("*;q=0, gzip", True),
    ],
)  # fmt: skip
async def test_gzip_where_it_is_accepted(
    behind: Daemon, aiohttp_client: AiohttpClient, accepted: str, *, zipped: bool
) -> None:
    """A scrape is compressed for who takes gzip, and for nobody else."""
    client = await aiohttp_client(application(behind.source()), auto_decompress=False)
    response = await client.get("/metrics", headers={"Accept-Encoding": accepted})
    body = await response.read()
    assert response.headers.get("Content-Encoding") == ("gzip" if zipped else None)
    assert (gzip.decompress(body) if zipped else body) == EXPOSITION
    assert "Accept-Encoding" in response.headers["Vary"]


async def test_the_exposition_is_what_was_asked_for(client: Client, behind: Daemon) -> None:
    """The Accept header reaches the source, and its content type the scraper."""
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert response.headers["Content-Type"] == "application/openmetrics-text"
    assert behind.accepts == ["application/openmetrics-text"]


async def test_forty_scrapes_at_once_are_made_once(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """While an exposition is being put together, the loop answers others, and who asks for the same shares it."""
    release = asyncio.Event()

    def pieces(body: Iterable[bytes]) -> Iterator[bytes]:
        while not release.is_set():
            yield b""
        yield from body

    def metrics(accept: str) -> tuple[Iterable[bytes], str]:
        body, content_type = behind.metrics(accept)
        return pieces(body), content_type

    client = await aiohttp_client(application(replace(behind.source(), metrics=metrics)))
    scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(40)]
    while len([status for handler, status in behind.counted if handler == "/-/healthy"]) < 40:
        assert (await client.get("/-/healthy")).status == 200
    release.set()
    bodies = {await (await scrape).read() for scrape in scrapes}
    assert bodies == {EXPOSITION}
    assert len(behind.accepts) < 40
    assert (await client.get("/metrics")).status == 200


async def test_a_large_exposition_goes_out_in_blocks(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """An exposition of many pieces arrives whole, plain and compressed, and HEAD gives its length alone."""
    body = [b"x" * 1000] * 1000
    client = await aiohttp_client(
        application(replace(behind.source(), metrics=lambda _: (body, "text/plain"))), auto_decompress=False
    )
    plain = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    zipped = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
    head = await client.head("/metrics", headers={"Accept-Encoding": "identity"})
    assert await plain.read() == gzip.decompress(await zipped.read()) == b"".join(body)
    assert (head.headers["Content-Length"], await head.read()) == ("1000000", b"")


# -- who may ask -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/api/v1/targets", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=lambda headers: next(iter(headers)),
)
async def test_foreign_requests_are_refused(client: Client, path: str, headers: dict[str, str]) -> None:
    """A foreign Host, Origin or site gets 403 and nothing of what is shown, on every address."""
    response = await client.get(path, headers=headers)
    assert response.status == 403
    assert "t01-cut" not in await response.text()


async def test_a_configured_host_is_ours(client: Client) -> None:
    """A name that the config allows passes, in whatever case and with a port."""
    assert (await client.get("/", headers={"Host": "monitor.EXAMPLE:80"})).status == 200


async def test_a_foreign_page_starts_nothing(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """Neither a reload nor a probe happens for another site's page."""
    done: list[str] = []

    async def reload() -> str | None:
        done.append("reload")
        return None

    client = await aiohttp_client(application(replace(behind.source(), reload=reload)))
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        assert (await client.post("/-/reload", headers=headers)).status == 403
    assert done == []


# -- what changes something --------------------------------------------------------------------------------------------


async def test_what_the_monitor_cannot_do_is_said(client: Client) -> None:
    """Reload and probe-now are 501 where the daemon offers neither."""
    reload, probe = await client.post("/-/reload"), await client.post("/api/v1/targets/new/probe")
    assert (reload.status, probe.status) == (501, 501)
    assert "nothing to reload" in await reload.text()
    assert "does not probe on request" in await told(probe)


@pytest.mark.parametrize(("wrong", "status", "text"), [(None, 200, "reloaded."), ("a.toml:3: no", 500, "a.toml:3: no")])
async def test_reload(behind: Daemon, aiohttp_client: AiohttpClient, wrong: str | None, status: int, text: str) -> None:
    """A reload answers when the new config is in force, or with its mistakes."""

    async def reload() -> str | None:
        return wrong

    client = await aiohttp_client(application(replace(behind.source(), reload=reload)))
    response = await client.post("/-/reload")
    assert (response.status, await response.text()) == (status, f"{text}\n")


async def test_probe_now(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """A probe that is asked for answers with its record; an unknown target is 404, a spent budget 429."""

    async def probe(name: str) -> Observation:
        if name == "new":
            raise RefusedError("The budget of today is spent.")
        return behind.recent[name][0]

    client = await aiohttp_client(application(replace(behind.source(), probe=probe)))
    done = await client.post("/api/v1/targets/t01-cut/probe")
    assert (done.status, (await done.json())["cause"]) == (200, "incomplete_body")
    assert (await client.post("/api/v1/targets/nobody/probe")).status == 404
    refused = await client.post("/api/v1/targets/new/probe")
    assert (refused.status, await told(refused)) == (429, "The budget of today is spent.")


# -- a probe by scrape -------------------------------------------------------------------------------------------------


def gauges(seen: Observation) -> tuple[bytes, str]:
    """Stand for the sink that writes one probe's gauges."""
    return f"id {seen.probe_id}\n".encode(), "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Scraped:
    """What stands behind `/probe`, and whom it asked with how much time."""

    answer: Observation | Exception
    asked: list[tuple[str, float | None]] = field(default_factory=list)

    async def __call__(self, name: str, within: float | None) -> Observation:
        """Answer as the test says."""
        self.asked.append((name, within))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def scraping(behind: Daemon, start: AiohttpClient, answer: Observation | Exception) -> tuple[Client, Scraped]:
    """Return a client of an application that may be asked to probe, and what stands behind it."""
    scraped = Scraped(answer)
    source = replace(behind.source(), scrape=scraped, exposition=gauges)
    return await start(application(source)), scraped


async def test_a_probe_by_scrape(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """A target without a young probe is asked, within the scrape's timeout less half a second."""
    seen = scenes.complete()
    client, scraped = await scraping(behind, aiohttp_client, seen)
    response = await client.get("/probe?target=new", headers={"X-Prometheus-Scrape-Timeout-Seconds": "10"})
    assert (response.status, await response.text()) == (200, f"id {seen.probe_id}\n")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert scraped.asked == [("new", 9.5)]
    await client.get("/probe?target=new")
    assert scraped.asked[1] == ("new", None)


async def test_a_young_probe_answers_a_scrape(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """Where the last probe is younger than the interval nothing is sent; `debug=true` shows its record too."""
    client, scraped = await scraping(behind, aiohttp_client, RuntimeError("asked"))
    response = await client.get("/probe?target=t01-cut&debug=true")
    event, _, numbers = (await response.text()).rpartition("\n\n")
    assert json.loads(event)["cause"] == "incomplete_body"
    assert numbers == f"id {behind.recent['t01-cut'][0].probe_id}\n"
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
    behind: Daemon, aiohttp_client: AiohttpClient, query: str, patience: str
) -> None:
    """All but one configured name and a timeout above 0 is 400, and nothing is sent."""
    client, scraped = await scraping(behind, aiohttp_client, scenes.complete())
    response = await client.get(f"/probe{query}", headers={"X-Prometheus-Scrape-Timeout-Seconds": patience})
    assert (response.status, scraped.asked) == (400, [])


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (RefusedError("The tokens of today are spent"), 429, "The tokens of today are spent"),
        (TimeoutError(), 504, "takes longer"),
        (scenes.aborted(), 503, "says nothing of the target"),
    ],
)
async def test_a_scrape_without_numbers(
    behind: Daemon, aiohttp_client: AiohttpClient, answer: Observation | Exception, status: int, text: str
) -> None:
    """A probe that may not start, is not over in time or says nothing of its target has no numbers, but a reason."""
    client, _ = await scraping(behind, aiohttp_client, answer)
    response = await client.get("/probe?target=new")
    assert response.status == status
    assert text in await response.text()


async def test_probing_by_scrape_is_off(client: Client) -> None:
    """Without `[web] probe = true` the address is not there, and says what would make it be."""
    response = await client.get("/probe?target=new")
    assert (response.status, "[web] probe = true" in await response.text()) == (404, True)


async def test_no_link_and_no_head_starts_a_probe(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """It spends tokens: neither a link on another site nor HEAD is answered by one."""
    client, scraped = await scraping(behind, aiohttp_client, scenes.complete())
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await client.get("/probe?target=new", headers=link)).status == 403
    assert (await client.head("/probe?target=new")).status == 405
    assert scraped.asked == []


# -- what is too much --------------------------------------------------------------------------------------------------


async def raw(client: Client, request: bytes) -> bytes:
    """Send bytes as they are and return the answer up to the end of the connection."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""  # refused before all of it was sent
    finally:
        writer.close()


async def test_a_query_of_a_megabyte(client: Client) -> None:
    """A request line of a megabyte is refused, and the monitor goes on."""
    answer = await raw(client, b"GET /?" + b"q" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.0 400 ") or b" 400 " in answer[:20]
    assert (await client.get("/-/healthy")).status == 200


async def test_a_foreign_host_in_the_request_line(client: Client) -> None:
    """A request-target in absolute form whose host is foreign is refused, whatever Host says."""
    head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await raw(client, b"GET http://evil.example/api/v1/targets" + head)
    assert b" 403 " in answer[:20]
    assert b"t01-cut" not in answer
    assert b" 200 " in (await raw(client, b"GET http://localhost/api/v1/targets" + head))[:20]


@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
async def test_a_version_that_is_not_spoken(client: Client, version: bytes) -> None:
    """A request line of another version than HTTP/1.0 and 1.1 gets 505."""
    answer = await raw(client, b"GET / HTTP/" + version + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b" 505 " in answer[:20]


async def test_a_body_that_does_not_inflate(client: Client, behind: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    """Invalid gzip in a request's body is not logged, and is no fault of the monitor."""
    head = b"POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
    assert b" 404 " in (await raw(client, head + b"Content-Length: 5\r\n\r\nabcde"))[:20]
    assert (behind.failed, caplog.records) == ([], [])


@pytest.mark.parametrize("request_", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\x1b[31m: x\r\n\r\n"])
async def test_what_is_no_http_is_counted_and_not_logged(
    client: Client, behind: Daemon, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """A TLS greeting or a broken head is 400: its bytes reach the counter, not the log."""
    caplog.set_level(logging.DEBUG, "aiohttp")
    assert b" 400 " in (await raw(client, request_))[:20]
    assert behind.counted == [("other", 400)]
    assert caplog.records == []


def test_what_the_library_complains_of_otherwise_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The library's own trouble goes to its log."""
    _Complaints(lambda *_: None).error("trouble of %s", "its own")
    assert caplog.messages == ["trouble of its own"]


async def test_a_body_that_nobody_needs(client: Client) -> None:
    """A declared body of more than 16 KiB is refused unread."""
    response = await client.post("/-/reload", data=b"x" * 20_000)
    assert response.status == 413


async def test_no_host_in_http_1_0(client: Client) -> None:
    """A health check in HTTP/1.0 without Host is answered."""
    assert b" 200 OK" in (await raw(client, b"GET /-/healthy HTTP/1.0\r\n\r\n"))[:20]


async def test_an_expectation_that_cannot_be_met(client: Client) -> None:
    """An unknown expectation is 417, with the same headers as all."""
    answer = await raw(
        client, b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: the-unexpected\r\nConnection: close\r\n\r\n"
    )
    assert b" 417 " in answer[:20]
    assert b"Server: chat-monitor\r\n" in answer


async def test_a_reader_that_does_not_read_is_dropped(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """An answer that is not taken within the reader's time is given up, with its memory and its descriptor."""
    large = replace(behind.source(), metrics=lambda _: ([b"x" * 30_000_000], "text/plain"))
    client = await aiohttp_client(application(large, patience=0.05))
    hung_up = select.poll()
    with socket.create_connection((client.host, client.port)) as slow:
        hung_up.register(slow, 0)  # nothing but an error or a hang-up
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await asyncio.to_thread(hung_up.poll, 10_000)
    assert (await client.get("/-/healthy")).status == 200
    assert behind.failed == []


async def test_a_reader_that_left(behind: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    """Who leaves before the answer is no fault: what was asked for is done, nothing is logged, nothing fails."""
    asked, left, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def reload() -> str | None:
        asked.set()
        await left.wait()
        return None

    source = replace(behind.source(), reload=reload, counted=lambda *_: answered.set())
    server = await serve(application(source), "127.0.0.1", 0)  # aiohttp's own test server would cancel the handler
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asked.wait()
    writer.transport.abort()
    assert await reader.read() == b""
    left.set()
    await answered.wait()
    await server.close()
    assert (behind.failed, caplog.records) == ([], [])


# -- faults of our own -------------------------------------------------------------------------------------------------


async def test_a_fault_of_our_own(behind: Daemon, aiohttp_client: AiohttpClient) -> None:
    """A handler's exception is told to the source and answered with 500 and none of its words."""

    def broken(_: str) -> tuple[Iterable[bytes], str]:
        raise RuntimeError("canary-secret")

    client = await aiohttp_client(application(replace(behind.source(), metrics=broken)))
    response = await client.get("/metrics")
    assert response.status == 500
    assert "canary-secret" not in await response.text()
    assert behind.failed == [("/metrics", "canary-secret")]
    assert (await client.get("/-/healthy")).status == 200


def test_a_connection_that_is_gone_needs_no_drop() -> None:
    """Where the connection was lost meanwhile, there is nothing to reset."""
    _drop(None)


def test_a_fault_is_logged_by_default(caplog: pytest.LogCaptureFixture) -> None:
    """Where the daemon does not say otherwise, a fault goes to the log with its traceback."""
    _report("/metrics", RuntimeError("broken"))
    (logged,) = caplog.records
    assert logged.getMessage() == "a request to /metrics failed"
    assert logged.exc_info is not None


def test_now_is_now(behind: Daemon) -> None:
    """The clock of a source is the wall clock in UTC unless another is handed in."""
    bare = Source(
        targets=list, recent=lambda _: (), find=behind.find, tallies=behind.source().tallies, ready=bool,
        metrics=behind.metrics, counted=lambda *_: None, started=scenes.STARTED,
    )  # fmt: skip
    assert (datetime.now(UTC) - bare.now()).total_seconds() < 60
