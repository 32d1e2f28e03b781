"""Tests of the scrape, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from aiohttp import ClientError
from pytest_aiohttp import AiohttpClient

from monitor.web.app import application
from monitor.web.exposition import BLOCK_BYTES
from tests.web.requests import Client, raw
from tests.web.sources import EXPOSITION, Daemon


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True), ("deflate, gzip;q=0.5", True), ("*", True), ("GZIP; q=1.0", True), ("", False),
        ("deflate", False), ("gzip;q=0", False), ("gzip; q=0.000, br", False), ("identity", False),
        ("*;q=0, gzip", True),
    ],
)  # fmt: skip
async def test_gzip_where_it_is_accepted(
    daemon: Daemon, aiohttp_client: AiohttpClient, accepted: str, *, zipped: bool
) -> None:
    """A scrape is compressed only for a client that accepts gzip."""
    client = await aiohttp_client(application(daemon.source()), auto_decompress=False)
    response = await client.get("/metrics", headers={"Accept-Encoding": accepted})
    body = await response.read()
    assert response.headers.get("Content-Encoding") == ("gzip" if zipped else None)
    assert (gzip.decompress(body) if zipped else body) == EXPOSITION
    assert "Accept-Encoding" in response.headers["Vary"]


async def test_the_exposition_is_what_was_asked_for(client: Client, daemon: Daemon) -> None:
    """The Accept header reaches the source, and its content type the scraper."""
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert response.headers["Content-Type"] == "application/openmetrics-text"
    assert daemon.accepts == ["application/openmetrics-text"]


async def test_forty_scrapes_at_once_are_made_once(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """While an exposition is being put together, the loop answers others, and who asks for the same form shares it."""
    release = asyncio.Event()
    made = []

    def pieces(body: Iterable[bytes]) -> Iterator[bytes]:
        made.append(1)
        while not release.is_set():
            yield b""
        yield from body

    def metrics(accept: str) -> tuple[Iterable[bytes], str]:
        body, content_type = daemon.metrics(accept)
        return pieces(body), content_type

    client = await aiohttp_client(application(replace(daemon.source(), metrics=metrics)))
    accepts = [{"Accept": f"text/plain, any/{number}"} for number in range(40)]
    scrapes = [asyncio.create_task(client.get("/metrics", headers=accept)) for accept in accepts]
    while len([status for handler, status in daemon.counted if handler == "/-/healthy"]) < 40:
        assert (await client.get("/-/healthy")).status == 200
    release.set()
    bodies = {await (await scrape).read() for scrape in scrapes}
    assert bodies == {EXPOSITION}
    assert len(daemon.accepts) == 40
    assert len(made) < 40
    assert (await client.get("/metrics")).status == 200


async def test_a_large_exposition_goes_out_in_blocks(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """An exposition of many pieces arrives whole, plain and compressed; HEAD has its headers alone."""
    body = [b"x" * 1000] * 3000
    client = await aiohttp_client(
        application(replace(daemon.source(), metrics=lambda _: (body, "text/plain"))), auto_decompress=False
    )
    plain = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    zipped = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
    head = await client.head("/metrics", headers={"Accept-Encoding": "identity"})
    assert await plain.read() == gzip.decompress(await zipped.read()) == b"".join(body)
    assert (head.headers["Content-Type"], await head.read()) == ("text/plain", b"")
    old = b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n"
    assert (await raw(client, old)).partition(b"\r\n\r\n")[2] == b"".join(body)


async def test_the_body_of_an_old_client_has_its_length(client: Client) -> None:
    """HTTP/1.0 has no chunks: with a length the client knows that the body is whole, and may keep the connection."""
    first = b"GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
    last = b"GET /-/healthy HTTP/1.0\r\nHost: localhost\r\n\r\n"
    head, _, rest = (await raw(client, first + last)).partition(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(EXPOSITION) in head + b"\r\n"
    assert rest.startswith(EXPOSITION + b"HTTP/1.0 200 OK")


async def test_blocks_are_sent_while_others_are_made(daemon: Daemon, aiohttp_client: AiohttpClient) -> None:
    """A scraper reads the first block before the last one exists."""
    arrived = asyncio.Event()

    def pieces() -> Iterator[bytes]:
        yield b"x" * BLOCK_BYTES
        while not arrived.is_set():
            yield b""
        yield b"end"

    client = await aiohttp_client(application(replace(daemon.source(), metrics=lambda _: (pieces(), "text/plain"))))
    response = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert await response.content.readexactly(BLOCK_BYTES) == b"x" * BLOCK_BYTES
    arrived.set()
    assert await response.read() == b"end"


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_an_exposition_that_fails_is_no_shorter_one(
    daemon: Daemon, aiohttp_client: AiohttpClient, coding: str
) -> None:
    """A failure before the first block is answered as an error; after it, the body has no end."""
    client = await aiohttp_client(application(replace(daemon.source(), metrics=lambda _: (failing(), "text/plain"))))

    def failing() -> Iterator[bytes]:
        if begun:
            yield b"x" * BLOCK_BYTES
        raise ZeroDivisionError("why")

    begun = False
    assert (await client.get("/metrics", headers={"Accept-Encoding": coding})).status == 500
    begun = True
    response = await client.get("/metrics", headers={"Accept-Encoding": coding})
    assert response.status == 200
    with pytest.raises(ClientError):
        await response.read()
    assert daemon.failed == [("/metrics", "why")] * 2
