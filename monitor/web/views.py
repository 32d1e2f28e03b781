"""The handlers of pages, and of the two health checks."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from monitor.web import pages
from monitor.web.actions import NO_TARGET
from monitor.web.answers import about, page, problem, requested_row, row_of, source_of
from monitor.web.api import from_history


async def healthy(_: web.Request) -> web.Response:
    """`GET /-/healthy`: the loop turns."""
    return web.Response(text="chat-monitor is healthy.\n")


async def ready(request: web.Request) -> web.Response:
    """`GET /-/ready`: probes are made."""
    if source_of(request).ready():
        return web.Response(text="chat-monitor is ready.\n")
    return web.Response(status=503, text="chat-monitor is not ready: starting or draining.\n")


async def status(request: web.Request) -> web.Response:
    """`GET /`: all targets."""
    source = source_of(request)
    rows = [row_of(source, target) for target in source.targets()]
    return await page(request, partial(pages.status, rows, about(source)))


async def target(request: web.Request) -> web.Response:
    """`GET /targets/NAME`."""
    row = requested_row(request)
    if row is None:
        return problem(request, 404, NO_TARGET)
    return await page(request, partial(pages.target, row, about(source_of(request))))


async def probe(request: web.Request) -> web.Response:
    """`GET /probes/ID`."""
    source = source_of(request)
    seen = source.find(request.match_info["id"])
    if seen is not None:
        return await page(request, partial(pages.probe, seen, about(source)))
    return await from_history(request, lambda event: page(request, partial(pages.kept, event, about(source))))
