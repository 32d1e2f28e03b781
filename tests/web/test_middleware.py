"""Tests of the middleware of every request, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

import pytest
from pytest_aiohttp import AiohttpClient

from monitor.web import middleware
from monitor.web.app import application
from monitor.web.middleware import MOST_WRITTEN, RequestLog, drop
from monitor.web.server import serve
from tests.conftest import WITHIN
from tests.web.requests import Client, raw
from tests.web.sources import Daemon


async def test_every_request_is_counted_by_its_route(client: Client, daemon: Daemon) -> None:
    """The counter's labels are a closed set: routes and status codes, never a requested path."""
    await client.get("/targets/new")
    await client.get("/made/up")
    await client.get("/metrics", headers={"Host": "evil.example"})
    assert daemon.counted == [("/targets/{name}", 200), ("other", 404), ("/metrics", 403)]


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


async def test_a_query_of_a_megabyte(client: Client) -> None:
    """A request line of a megabyte is refused, and the monitor goes on."""
    answer = await raw(client, b"GET /?" + b"q" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.0 400 ") or b" 400 " in answer[:20]
    assert (await client.get("/-/healthy")).status == 200


async def test_a_foreign_host_in_the_request_line(client: Client) -> None:
    """A request-target in absolute form with a foreign host is refused, whatever Host is."""
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


async def test_a_body_that_does_not_inflate(client: Client, daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    """Invalid gzip in a request's body is not logged and not counted as an internal error."""
    head = b"POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
    assert b" 404 " in (await raw(client, head + b"Content-Length: 5\r\n\r\nabcde"))[:20]
    assert (daemon.failed, caplog.records) == ([], [])


@pytest.mark.parametrize("request_", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\x1b[31m: x\r\n\r\n"])
async def test_what_is_no_http_is_counted_and_not_logged(
    client: Client, daemon: Daemon, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """A TLS greeting or a broken head is 400: its bytes reach the counter, not the log."""
    caplog.set_level(logging.DEBUG, "aiohttp")
    assert b" 400 " in (await raw(client, request_))[:20]
    assert daemon.counted == [("other", 400)]
    assert caplog.records == []


def test_what_the_library_complains_of_otherwise_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The library's own trouble goes to its log."""
    RequestLog(lambda *_: None).error("trouble of %s", "its own")
    assert caplog.messages == ["trouble of its own"]


async def test_a_large_body_is_refused(client: Client) -> None:
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


async def test_a_reader_that_does_not_read_is_dropped(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """An answer that is not taken within the reader's time is given up, with its memory and its descriptor."""
    large = replace(daemon.source(), metrics=lambda _: ([b"x" * 30_000_000], "text/plain"))
    client = await aiohttp_client(application(large, write_timeout=0.05))
    hung_up = select.poll()
    with socket.create_connection((client.host, client.port)) as slow:
        hung_up.register(slow, 0)  # nothing but an error or a hang-up
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await asyncio.to_thread(hung_up.poll, WITHIN * 1000)
    drop(None)  # the connection of a reader that left meanwhile
    assert (await client.get("/-/healthy")).status == 200
    assert daemon.failed == []


async def test_many_readers_that_do_not_read(
    daemon: Daemon, aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If many responses are being written, the oldest gives way to a further one as soon as it is slow."""
    large = replace(daemon.source(), metrics=lambda _: ([b"x" * 30_000_000], "text/plain"))
    client = await aiohttp_client(application(large))
    hung_up = select.poll()
    with ExitStack() as opened:
        slow = [opened.enter_context(socket.create_connection((client.host, client.port))) for _ in range(MOST_WRITTEN)]
        for one in slow:
            hung_up.register(one, 0)
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await asyncio.to_thread(one.recv, 1) == b"H", "its response is being written"
        assert (await client.get("/-/healthy")).status == 200
        assert hung_up.poll(0) == [], "none of them is slow yet"
        monkeypatch.setattr(middleware, "SLOW_SECONDS", 0.0)
        assert (await client.get("/-/healthy")).status == 200
        assert [number for number, _ in await asyncio.to_thread(hung_up.poll, WITHIN * 1000)] == [slow[0].fileno()]


async def test_a_reader_that_left(daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    """A client that disconnects before the response is no error: the action is done, and nothing is logged."""
    asked, left, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def reload() -> str | None:
        asked.set()
        await left.wait()
        return None

    source = replace(daemon.source(), reload=reload, counted=lambda *_: answered.set())
    server = await serve(application(source), [("127.0.0.1", 0)])  # aiohttp's own test server would cancel the handler
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asked.wait()
    writer.transport.abort()
    assert await reader.read() == b""
    left.set()
    await answered.wait()
    await server.close()
    assert (daemon.failed, caplog.records) == ([], [])


async def test_a_fault_of_our_own(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """A handler's exception is passed to the source, and answered with 500 and without its text."""

    def broken(_: str) -> tuple[Iterable[bytes], str]:
        raise RuntimeError("canary-secret")

    client = await aiohttp_client(application(replace(daemon.source(), metrics=broken)))
    response = await client.get("/metrics")
    assert response.status == 500
    assert "canary-secret" not in await response.text()
    assert daemon.failed == [("/metrics", "canary-secret")]
    assert (await client.get("/-/healthy")).status == 200
