"""Tests of the routes, over real sockets on loopback."""

from __future__ import annotations

import pytest
from yarl import URL

from tests.web import samples
from tests.web.document import Document
from tests.web.requests import Client, at
from tests.web.sources import Daemon

READ = [
    "/", "/metrics", "/-/healthy", "/-/ready", "/targets/new", "/probes/{probe}", "/api/v1/targets",
    "/api/v1/targets/new", "/api/v1/probes", "/api/v1/probes/{probe}",
]  # fmt: skip


@pytest.mark.parametrize("path", READ)
async def test_whatever_can_be_read_has_a_head(client: Client, daemon: Daemon, path: str) -> None:
    """GET answers 200 with a body, HEAD the same without one, each with every header that keeps a browser in bounds."""
    got = await client.get(at(path, daemon))
    head = await client.head(at(path, daemon))
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
    """Every link of the status page and of the pages that it links to resolves, and all pages are well-formed."""
    todo, done = ["/"], set[str]()
    while todo:
        link = todo.pop()
        done.add(link)
        response = await client.get(URL(link, encoded=True))
        assert response.status == 200, link
        if response.content_type == "text/html":
            todo += set(Document(await response.text()).links) - done - set(todo)
    assert len(done) > 3 * len(samples.EVERY)


async def test_another_method(client: Client) -> None:
    """A method that an address does not answer to is 405 and says which do."""
    response = await client.delete("/metrics")
    assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
    assert await response.text() == "This address accepts only GET, HEAD.\n"
    response = await client.get("/-/reload")
    assert (response.status, await response.text()) == (405, "This address accepts only POST.\n")
