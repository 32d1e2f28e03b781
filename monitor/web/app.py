"""The routes: each asks the source for values, has them drawn, and sends them with the strictest headers that work."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError, HttpVersion10, HttpVersion11
from aiohttp.typedefs import Handler

from monitor import __version__
from monitor.judge.verdict import OUR_OWN
from monitor.record.observation import Observation
from monitor.sinks.history_store import Event, StoreError
from monitor.target import Target
from monitor.web import guard, listing, pages, resources, scrape
from monitor.web.access import Access, BusyError
from monitor.web.listing import Asked
from monitor.web.rows import Row, Tally

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """Raised by `Source.probe` where a probe may not start now (budget, limits, one in flight); its text is shown."""


def _report(handler: str, error: Exception) -> None:
    _log.error("a request to %s failed", handler, exc_info=error)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the history's file can be asked, in a thread of its own; each raises StoreError."""

    newest: Callable[[Asked], list[Event]]
    """Events without their timelines, newest first."""
    find: Callable[[str], Event | None]
    """The event of a probe id, with its timeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """All that the daemon hands in: callables and values, so that nothing here knows how they come about.

    They are called in the loop's thread.
    """

    targets: Callable[[], Sequence[Target]]
    recent: Callable[[str], Sequence[Observation]]
    """The recent observations of a target, newest first."""
    find: Callable[[str], Observation | None]
    """The observation of a probe id."""
    tallies: Callable[[str], Tally]
    ready: Callable[[], bool]
    """Config loaded and schedule armed, and not draining; never about targets."""
    metrics: Callable[[str], tuple[Iterable[bytes], str]]
    """Accept header to the body, in pieces, and its content type."""
    counted: Callable[[str, int], None]
    """Told of every request: its route (a closed set) and status."""
    started: datetime
    reload: Callable[[], Awaitable[str | None]] | None = None
    """None once the new config is in force, else what is wrong with it."""
    probe: Callable[[str], Awaitable[Observation]] | None = None
    scrape: Callable[[str, float | None], Awaitable[Observation]] | None = None
    """What a target's probe in flight, else a new one, comes to, in so many seconds; None where that is switched off.

    RefusedError where it may not start, TimeoutError where the one in flight takes longer.
    """
    kept: Kept | None = None
    """What outlasts memory; None where no file is kept."""
    exposition: Callable[[Observation], tuple[bytes, str]] | None = None
    """One probe as gauges, and their content type."""
    failed: Callable[[str, Exception], None] = _report
    """Told of every exception that a handler let through."""
    version: str = __version__
    location: str = ""
    allowed_hosts: frozenset[str] = field(default_factory=frozenset)
    """Host names that are ours besides loopback names and the address that is listened on."""
    now: Callable[[], datetime] = _now


@dataclass(frozen=True, slots=True)
class Desk:
    """The source, and threads for what would hold the loop up: a scrape or a page of a thousand targets, and a disk."""

    source: Source
    hosts: frozenset[str]
    patience: float
    access: Access | None
    worker: ThreadPoolExecutor
    reader: ThreadPoolExecutor
    scrapes: dict[tuple[str, bool], asyncio.Future[Exposition]]


DESK = web.AppKey("desk", Desk)
API = "/api/v1"
_SPENDS = "/probe"
"""Read with GET, as Prometheus does, but it starts a probe: no other site's link may lead here."""
Exposition = tuple[list[bytes], str]
BLOCK_BYTES = 256 * 1024
"""What is written of a scrape at a time."""
BODY_BYTES = 16 * 1024
"""No request here needs a body."""
WRITE_SECONDS = 30.0
"""How long a reader may take: one that reads a byte a second holds neither memory nor a descriptor for longer."""
# Bounds that hold for all: 8 KiB for the request line and for each header; a minute of Prometheus fits the keep-alive.
_LIMITS = {
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 64,
    "keepalive_timeout": 75.0,
    "lingering_time": 2.0,
    "access_log": None,
}
_HEADERS = {
    "Content-Security-Policy": pages.CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "chat-monitor",
}
_SPOKEN = frozenset({HttpVersion10, HttpVersion11})
_OPEN = frozenset({"/-/healthy", "/-/ready"})
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="chat-monitor", charset="UTF-8"'}
_WORDS = {
    404: "There is no such page here.",
    405: "This address does not answer to that method.",
    413: "No request here needs a body of that size.",
    417: "That expectation cannot be met.",
    505: "HTTP/1.1 and HTTP/1.0 are served.",
    500: "The monitor failed to answer: a fault of its own, which its log tells of. Probing goes on.",
}
_TITLES = {
    401: "Who is there?",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    429: "Not now",
    500: "Internal error",
}
_NOT_AT_ALL = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")
_NO_TARGET = "No target of this name is configured."
_SWITCHED_OFF = "Probing by scrape is switched off: it spends tokens. The config allows it by `[web] probe = true`."
_TOO_SLOW = "The probe in flight takes longer than this scrape may; the next one is answered from it."
_NO_PROBE = "No probe of this id is kept: it is older than what the monitor remembers, or was never made."


def application(source: Source, *, access: Access | None = None, patience: float = WRITE_SECONDS) -> web.Application:
    """Return the application that shows what `source` tells to whom `access` lets in; without, to all."""
    arguments = _LIMITS | {"logger": _Complaints(source.counted)}
    app = web.Application(middlewares=[_attend], handler_args=arguments, client_max_size=BODY_BYTES)
    names = (guard.hostname(name) for name in source.allowed_hosts)
    app[DESK] = Desk(
        source,
        frozenset(name for name in names if name),
        patience,
        access,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="web"),
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="history-reader"),
        {},
    )
    app.add_routes([web.get(path, handler) for path, handler in _READ])
    app.add_routes([web.post(path, handler) for path, handler in _WRITE])
    app.add_routes([web.get(_SPENDS, _scraped, allow_head=False)])
    app.on_response_prepare.append(_guard_response)
    app.cleanup_ctx.append(_work)
    return app


class _Complaints(logging.LoggerAdapter[logging.Logger]):
    """The library's log without what is no fault of ours: an invalid request or body is counted and not logged."""

    def __init__(self, counted: Callable[[str, int], None]) -> None:
        super().__init__(logging.getLogger("aiohttp.server"))
        self._counted = counted

    def log(self, level: int, msg: object, *args: object, **more: Any) -> None:  # noqa: ANN401 -- as its base has it
        if isinstance(more.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            self._counted("other", 400)
        else:
            super().log(level, msg, *args, **more)


async def _work(app: web.Application) -> AsyncIterator[None]:
    yield
    for threads in (app[DESK].worker, app[DESK].reader):
        threads.shutdown(wait=False, cancel_futures=True)


async def _guard_response(request: web.Request, response: web.StreamResponse) -> None:
    access = request.app[DESK].access
    response.headers.update(_HEADERS)
    response.headers.update(access.headers if access else {})


# -- every request -----------------------------------------------------------------------------------------------------


@web.middleware
async def _attend(request: web.Request, handler: Handler) -> web.StreamResponse:
    desk = request.app[DESK]
    response = await _answer(request, handler)
    desk.source.counted(_route(request), response.status)
    await _send(request, response, desk.patience)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    source = request.app[DESK].source
    if request.version not in _SPOKEN:
        return _explain(request, 505)
    foreign = _foreign(request)
    if foreign is not None:
        return _explain(request, 403, foreign)
    kept_out = await _kept_out(request)
    if kept_out is not None:
        return kept_out
    if (request.content_length or 0) > BODY_BYTES:
        return _explain(request, 413)
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _explain(
            request, error.status, headers={key: error.headers[key] for key in ("Allow",) if key in error.headers}
        )
    except Exception as error:  # noqa: BLE001 -- one request's fault is its own: it is told, and the monitor goes on
        source.failed(_route(request), error)
        return _explain(request, 500)


async def _kept_out(request: web.Request) -> web.Response | None:
    """Return what is said to whom the web config file does not let in; health is anybody's to ask for."""
    access = request.app[DESK].access
    if access is None or request.path in _OPEN:
        return None
    if not access.knows(request.transport.get_extra_info("peercert") if request.transport else None):
        return _explain(request, 403, "The client's certificate bears none of the names that are let in.")
    try:
        admitted = await access.admits(request.headers.get("Authorization", ""), request.remote or "")
    except BusyError:
        return _explain(request, 429, "Too many passwords wait to be checked.")
    return None if admitted else _explain(request, 401, "A user and a password are asked for.", _CHALLENGE)


def _foreign(request: web.Request) -> str | None:
    method = hdrs.METH_POST if request.path == _SPENDS else request.method
    return guard.refusal(method, request.raw_path, request.headers, request.app[DESK].hosts)


async def _send(request: web.Request, response: web.StreamResponse, patience: float) -> None:
    """Write the response here, where there is a limit on how long its reader may take."""
    try:
        async with asyncio.timeout(patience):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        _drop(request.transport)
    except ConnectionError:
        return  # the reader has left: nobody is there to be told


def _drop(transport: asyncio.Transport | None) -> None:
    """Reset a connection: closed without that, the kernel would go on holding what was not read."""
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "other"


def _explain(
    request: web.Request, status: int, text: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    """Say in plain words why there is no answer: as JSON to programs, as a page to browsers, else as text."""
    told = text or _WORDS.get(status, "This cannot be answered.")
    if request.path.startswith("/api/"):
        return web.Response(
            status=status, headers=headers, body=_json({"error": told}), content_type="application/json"
        )
    if "text/html" in request.headers.get("Accept", ""):
        page = pages.refusal(_TITLES.get(status, "No answer"), told, _about(request.app[DESK].source))
        return web.Response(status=status, headers=headers, text=page, content_type="text/html")
    return web.Response(status=status, headers=headers, text=f"{told}\n")


# -- what is asked for -------------------------------------------------------------------------------------------------


async def _metrics(request: web.Request) -> web.StreamResponse:
    desk = request.app[DESK]
    zipped = _takes_gzip(request.headers.get("Accept-Encoding", ""))
    blocks, content_type = await _scrape(desk, request.headers.get("Accept", ""), zipped=zipped)
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return BlockResponse(blocks if request.method != hdrs.METH_HEAD else [], sum(map(len, blocks)), headers)


class BlockResponse(web.StreamResponse):
    """A long answer, written block by block: one write of all of it would copy it whole."""

    def __init__(self, blocks: Iterable[bytes], length: int, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self.content_length = length
        self._blocks = blocks

    async def write_eof(self, data: bytes = b"") -> None:
        """Write it all, then the end; aiohttp comes a second time to be sure."""
        blocks, self._blocks = self._blocks, ()
        for block in blocks:
            await self.write(block)
        await super().write_eof(data)


async def _scrape(desk: Desk, accept: str, *, zipped: bool) -> Exposition:
    """Return the exposition; who asks for the same while it is being made gets the same."""
    key = accept, zipped
    making = desk.scrapes.get(key)
    if making is None:
        making = desk.scrapes[key] = asyncio.create_task(_exposition(desk, accept, zipped=zipped))
        making.add_done_callback(lambda _: desk.scrapes.pop(key))
    return await asyncio.shield(making)


async def _exposition(desk: Desk, accept: str, *, zipped: bool) -> Exposition:
    """Put the exposition together, with a turn of the loop after every piece: probes are read in between."""
    pieces, content_type = desk.source.metrics(accept)
    blocks, gathered, size = [], [], 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            blocks.append(b"".join(gathered))
            gathered, size = [], 0
        await asyncio.sleep(0)
    blocks.append(b"".join(gathered))
    if zipped:
        blocks = await asyncio.get_running_loop().run_in_executor(desk.worker, _compressed, blocks)
    return blocks, content_type


def _compressed(blocks: list[bytes]) -> list[bytes]:
    """Return the blocks as one gzip stream; zlib lets other threads run meanwhile."""
    compressing = zlib.compressobj(level=5, wbits=zlib.MAX_WBITS | 16)
    return [*map(compressing.compress, blocks), compressing.flush()]


def _takes_gzip(accepted: str) -> bool:
    """Whether `gzip`, or any coding, is taken, and not with a weight of nothing (RFC 9110, section 12.5.3)."""
    codings = {name.strip(): weight for name, _, weight in (it.partition(";") for it in accepted.lower().split(","))}
    weight = codings.get("gzip", codings.get("*"))
    return weight is not None and _NOT_AT_ALL.fullmatch(weight) is None


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="chat-monitor is healthy.\n")


async def _ready(request: web.Request) -> web.Response:
    if request.app[DESK].source.ready():
        return web.Response(text="chat-monitor is ready.\n")
    return web.Response(status=503, text="chat-monitor is not ready: starting or draining.\n")


async def _status_page(request: web.Request) -> web.Response:
    source = request.app[DESK].source
    return await _page(request, partial(pages.status, _rows(source), _about(source)))


async def _target_page(request: web.Request) -> web.Response:
    row = _row(request)
    if row is None:
        return _explain(request, 404, _NO_TARGET)
    return await _page(request, partial(pages.target, row, _about(request.app[DESK].source)))


async def _probe_page(request: web.Request) -> web.Response:
    source = request.app[DESK].source
    seen = source.find(request.match_info["id"])
    if seen is not None:
        return await _page(request, partial(pages.probe, seen, _about(source)))
    return await _remembered(request, lambda event: _page(request, partial(pages.kept, event, _about(source))))


async def _remembered(request: web.Request, show: Callable[[Event], Awaitable[web.Response]]) -> web.Response:
    """Show what the history has of a probe that memory has not; say it where there is nothing."""
    kept = request.app[DESK].source.kept
    try:
        event = None if kept is None else await _read(request, partial(kept.find, request.match_info["id"]))
    except StoreError as error:
        return _explain(request, 503, f"Memory has no such probe, and the history cannot be read: {error}.")
    return _explain(request, 404, _NO_PROBE) if event is None else await show(event)


async def _targets(request: web.Request) -> web.Response:
    source = request.app[DESK].source
    return await _resource(request, partial(resources.targets, _rows(source), source.now()))


async def _target(request: web.Request) -> web.Response:
    row = _row(request)
    if row is None:
        return _explain(request, 404, _NO_TARGET)
    return await _resource(request, partial(resources.target, row, request.app[DESK].source.now()))


async def _probes(request: web.Request) -> web.Response:
    source = request.app[DESK].source
    try:
        asked = listing.asked(tuple(request.query.items()))
    except listing.BadListingError as error:
        return _explain(request, 400, str(error))
    if source.kept is not None:
        with suppress(StoreError):  # which the history's own sink tells of: memory answers then
            found = await _read(request, partial(source.kept.newest, asked))
            return await _resource(request, lambda: {"probes": found})
    names = (target.name for target in source.targets()) if asked.target is None else (asked.target,)
    recent = [seen for name in names for seen in source.recent(name)]
    return await _resource(request, partial(resources.probes, recent, asked))


async def _probe(request: web.Request) -> web.Response:
    seen = request.app[DESK].source.find(request.match_info["id"])
    if seen is not None:
        return await _resource(request, partial(resources.probe, seen))
    return await _remembered(request, lambda event: _resource(request, lambda: event))


async def _reload(request: web.Request) -> web.Response:
    reload = request.app[DESK].source.reload
    if reload is None:
        return _explain(request, 501, "This monitor runs without a config file: there is nothing to reload.")
    wrong = await reload()
    return web.Response(text="reloaded.\n") if wrong is None else _explain(request, 500, wrong)


async def _probe_now(request: web.Request) -> web.Response:
    source = request.app[DESK].source
    if source.probe is None:
        return _explain(request, 501, "This monitor does not probe on request.")
    row = _row(request)
    if row is None:
        return _explain(request, 404, _NO_TARGET)
    try:
        seen = await source.probe(row.target.name)
    except RefusedError as error:
        return _explain(request, 429, str(error))
    return await _resource(request, partial(resources.probe, seen))


async def _scraped(request: web.Request) -> web.Response:
    source = request.app[DESK].source
    if source.scrape is None or source.exposition is None:
        return _explain(request, 404, _SWITCHED_OFF)
    try:
        name, debug = scrape.asked(tuple(request.query.items()))
        within = scrape.bound(request.headers.get(scrape.TIMEOUT_HEADER))
    except scrape.BadRequestError as error:
        return _explain(request, 400, str(error))
    target = next((target for target in source.targets() if target.name == name), None)
    if target is None:
        return _explain(request, 400, _NO_TARGET)
    try:
        seen = scrape.young(source.recent(name), target.interval, source.now()) or await source.scrape(name, within)
    except RefusedError as error:
        return _explain(request, 429, str(error))
    except TimeoutError:
        return _explain(request, 504, _TOO_SLOW)
    if seen.verdict.outcome in OUR_OWN:
        return _explain(request, 503, f"The probe says nothing of the target: {seen.verdict.detail}.")
    text, content_type = source.exposition(seen)
    if debug:
        text = json.dumps(resources.probe(seen), indent=2).encode() + b"\n\n" + text
        content_type = "text/plain; charset=utf-8"
    return web.Response(body=text, headers={"Content-Type": content_type})


_READ: tuple[tuple[str, Handler], ...] = (
    ("/metrics", _metrics),
    ("/-/healthy", _healthy),
    ("/-/ready", _ready),
    ("/", _status_page),
    ("/targets/{name}", _target_page),
    ("/probes/{id}", _probe_page),
    (f"{API}/targets", _targets),
    (f"{API}/targets/{{name}}", _target),
    (f"{API}/probes", _probes),
    (f"{API}/probes/{{id}}", _probe),
)
_WRITE: tuple[tuple[str, Handler], ...] = (
    ("/-/reload", _reload),
    (f"{API}/targets/{{name}}/probe", _probe_now),
)


def _about(source: Source) -> pages.About:
    return pages.About(
        now=source.now(),
        started=source.started,
        version=source.version,
        location=source.location,
        ready=source.ready(),
        probe_now=source.probe is not None,
    )


def _rows(source: Source) -> list[Row]:
    return [_row_of(source, target) for target in source.targets()]


def _row_of(source: Source, target: Target) -> Row:
    return Row(target, tuple(source.recent(target.name)), source.tallies(target.name))


def _row(request: web.Request) -> Row | None:
    source, name = request.app[DESK].source, request.match_info["name"]
    return next((_row_of(source, target) for target in source.targets() if target.name == name), None)


async def _page(request: web.Request, draw: Callable[[], str]) -> web.Response:
    return web.Response(text=await _aside(request, draw), content_type="text/html")


async def _resource(request: web.Request, draw: Callable[[], dict[str, object]]) -> web.Response:
    body = await _aside(request, lambda: _json(draw()))
    return web.Response(body=body, content_type="application/json")


async def _read(request: web.Request, work: Callable[[], _T]) -> _T:
    """Do `work`, which waits for a disk, where nobody else waits."""
    return await asyncio.get_running_loop().run_in_executor(request.app[DESK].reader, work)


async def _aside(request: web.Request, work: Callable[[], _T]) -> _T:
    """Do `work`, which is long where there are many targets or events, out of the loop's way."""
    return await asyncio.get_running_loop().run_in_executor(request.app[DESK].worker, work)


def _json(value: dict[str, object]) -> bytes:
    """ASCII alone: control and bidi characters leave as escapes, and a lone surrogate does no harm."""
    return json.dumps(value, ensure_ascii=True).encode() + b"\n"
