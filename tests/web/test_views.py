"""Tests of the handlers of pages, over real sockets on loopback."""

from __future__ import annotations

from urllib.parse import quote

from yarl import URL

from tests.web.document import Document
from tests.web.requests import Client
from tests.web.sources import Daemon


async def test_a_name_that_is_no_plain_word(client: Client, behind: Daemon) -> None:
    """A target whose name has slashes, quotes and per cent signs has its page and its resource."""
    name = behind.targets[-2].name
    page = await client.get(URL(f"/targets/{quote(name, safe='')}", encoded=True))
    resource = await client.get(URL(f"/api/v1/targets/{quote(name, safe='')}", encoded=True))
    assert name in Document(await page.text()).text
    assert (await resource.json())["name"] == name


async def test_health_is_not_readiness(client: Client, behind: Daemon) -> None:
    """A draining monitor is healthy and not ready, whatever its targets do."""
    behind.ready = False
    assert (await client.get("/-/healthy")).status == 200
    response = await client.get("/-/ready")
    assert (response.status, await response.text()) == (503, "chat-monitor is not ready: starting or draining.\n")
