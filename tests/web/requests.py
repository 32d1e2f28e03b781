"""Helpers of the tests that send requests."""

from __future__ import annotations

import asyncio
import json

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from tests.web.sources import Daemon

Client = TestClient[web.Request, web.Application]


def at(path: str, daemon: Daemon) -> str:
    """Return a path with the id of a probe that there is."""
    return path.format(probe=daemon.recent["t01-cut"][0].probe_id)


async def error_of(response: ClientResponse) -> str:
    """Return the error that the API tells."""
    assert response.content_type == "application/json"
    body: dict[str, str] = json.loads(await response.text())
    return body["error"]


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
