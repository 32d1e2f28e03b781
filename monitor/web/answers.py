"""Common parts of the handlers: the application's state, bodies made in a thread, and error responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

from monitor.target import Target
from monitor.web import pages
from monitor.web.access import Access
from monitor.web.compression import accepts_gzip, gzipped
from monitor.web.shared_body import SharedBody
from monitor.web.source import Source
from monitor.web.target_view import TargetView

_T = TypeVar("_T")
API = "/api/v1"
HEADERS = {
    "Content-Security-Policy": pages.CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "chat-monitor",
}
"""Headers that every response has."""


@dataclass(frozen=True, slots=True)
class AppState:
    """The source, and threads for work that would block the event loop: rendering, compression, and the disk."""

    source: Source
    hosts: frozenset[str]
    """Accepted host names besides localhost and IP addresses."""
    write_timeout: float
    access: Access | None
    worker: ThreadPoolExecutor
    reader: ThreadPoolExecutor
    scrapes: dict[tuple[str, bool], SharedBody]
    """Expositions in progress, by content type and compression."""
    writing: dict[asyncio.Transport, float] = field(default_factory=dict)
    """Connections to which a response is being written, oldest first, each with the time at which that began."""


STATE = web.AppKey("state", AppState)

_MESSAGES = {
    404: "This page does not exist.",
    413: "The request body is too large.",
    417: "That expectation cannot be met.",
    505: "HTTP/1.1 and HTTP/1.0 are served.",
    500: "The monitor failed to answer because of a fault of its own; its log has the details. Probing goes on.",
}
_MESSAGES_OF_THE_API = {404: f"This path does not exist: `GET {API}/openapi.json` describes all."}
_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


def source_of(request: web.Request) -> Source:
    """Return the application's source."""
    return request.app[STATE].source


def root_of(request: web.Request) -> str:
    """Return the relative URL of the status page: links that begin with it work under any prefix."""
    return "../" * (request.rel_url.raw_path.count("/") - 1) or "./"


def about(request: web.Request) -> pages.About:
    """Return the information about the monitor that every page shows."""
    source = source_of(request)
    return pages.About(
        now=source.now(),
        started=source.started,
        version=source.version,
        location=source.location,
        ready=source.ready(),
        probe_now=source.probe is not None,
        history=source.history is not None,
        root=root_of(request),
    )


def view_of(source: Source, target: Target) -> TargetView:
    """Return a target with its recent probes, and the current suspects of the last one."""
    resting = source.resting(target)
    view = TargetView(target, tuple(source.recent(target.name)), source.memory(target.name), resting)
    if view.last is not None:
        source.suspects(view.last)
    return view


def requested_view(request: web.Request) -> TargetView | None:
    """Return the target in the path, with the suspects of each probe; None if there is none."""
    source, name = source_of(request), request.match_info["name"]
    view = next((view_of(source, target) for target in source.targets() if target.name == name), None)
    for probe in view.recent if view else ():
        source.suspects(probe)
    return view


async def page(request: web.Request, draw: Callable[[], str]) -> web.Response:
    """Respond with a page, rendered in the worker thread."""
    return await _body(request, lambda: draw().encode(), "text/html; charset=utf-8")


async def resource(request: web.Request, make: Callable[[], dict[str, object]]) -> web.Response:
    """Respond with JSON, made in the worker thread."""
    return await _body(request, lambda: as_json(make()), "application/json; charset=utf-8")


async def _body(request: web.Request, make: Callable[[], bytes], content_type: str) -> web.Response:
    """Respond with a body, compressed if the client accepts that."""
    headers = {"Content-Type": content_type, "Vary": "Accept-Encoding"}
    if not accepts_gzip(request.headers.get("Accept-Encoding", "")):
        return web.Response(body=await in_worker(request, make), headers=headers)
    body = await in_worker(request, lambda: gzipped(make()))
    return web.Response(body=body, headers=headers | {"Content-Encoding": "gzip"})


async def in_reader(request: web.Request, work: Callable[[], _T]) -> _T:
    """Run `work`, which waits for the disk, in the reader thread."""
    return await asyncio.get_running_loop().run_in_executor(request.app[STATE].reader, work)


async def in_worker(request: web.Request, work: Callable[[], _T]) -> _T:
    """Run `work`, which takes long with many targets or events, in the worker thread."""
    return await asyncio.get_running_loop().run_in_executor(request.app[STATE].worker, work)


def as_json(value: dict[str, object]) -> bytes:
    """Return JSON in ASCII: control and bidi characters and lone surrogates become escapes."""
    return json.dumps(value, ensure_ascii=True).encode() + b"\n"


def problem(
    request: web.Request, status: int, text: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    """Return an error response: JSON for the API, a page for browsers, else text."""
    of_the_api = request.path.startswith("/api/")
    known = _MESSAGES | _MESSAGES_OF_THE_API if of_the_api else _MESSAGES
    message = text or known.get(status, "This request cannot be answered.")
    if of_the_api:
        body = as_json({"error": message})
        return web.Response(status=status, headers=headers, body=body, content_type="application/json")
    if "text/html" in request.headers.get("Accept", ""):
        html = pages.refusal(_TITLES.get(status, "No answer"), message, about(request))
        return web.Response(status=status, headers=headers, text=html, content_type="text/html")
    return web.Response(status=status, headers=headers, text=f"{message}\n")
