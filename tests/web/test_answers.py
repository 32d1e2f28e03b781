"""Tests of errors in plain words, over real sockets on loopback."""

from __future__ import annotations

import pytest

from tests.web.document import Document
from tests.web.requests import Client


@pytest.mark.parametrize(
    "path", ["/targets/nobody", "/probes/01J", "/nothing", "/targets", "/targets/new/", "/favicon.ico"]
)
async def test_what_is_not_there_is_reported_in_plain_words(client: Client, path: str) -> None:
    """An unknown name, id or path is 404: in words to a program, on a page to a browser."""
    plain = await client.get(path)
    assert (plain.status, plain.content_type) == (404, "text/plain")
    page = await client.get(path, headers={"Accept": "text/html,*/*"})
    assert (page.status, page.content_type) == (404, "text/html")
    assert (await plain.text()).strip() in Document(await page.text()).text
