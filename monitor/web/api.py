"""The JSON API: targets, recent probes, one probe with its timeline, and the description of the API itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from aiohttp import web

from monitor.record.rollup import Rollup
from monitor.sinks.history_queries import Event
from monitor.sinks.history_store import StoreError
from monitor.sinks.memory import RecentProbe
from monitor.web import listing, resources
from monitor.web.actions import NO_TARGET
from monitor.web.answers import STATE, in_reader, problem, requested_view, resource, source_of, view_of
from monitor.web.openapi import description
from monitor.web.target_history import WINDOWS, windows_since

_NO_PROBE = "No probe with this id is stored: it is too old or never existed."


async def targets(request: web.Request) -> web.Response:
    """`GET /api/v1/targets`."""
    source = source_of(request)
    views = [view_of(source, target) for target in source.targets()]
    windows = await windows_of(request, [view.target.name for view in views], ("24h",))
    return await resource(request, partial(resources.targets, views, source.now(), windows))


async def target(request: web.Request) -> web.Response:
    """`GET /api/v1/targets/NAME`."""
    view = requested_view(request)
    if view is None:
        return problem(request, 404, NO_TARGET)
    windows = await windows_of(request, [view.target.name], WINDOWS)
    known = None if windows is None else windows.get(view.target.name, {})
    return await resource(request, partial(resources.target, view, source_of(request).now(), known))


async def windows_of(
    request: web.Request, names: Sequence[str], wanted: Iterable[str]
) -> dict[str, dict[str, Rollup]] | None:
    """Return the rollup of each window by target; None without a readable history."""
    source = source_of(request)
    if source.history is None:
        return None
    since = windows_since(source.now())
    asked = {name: since[name] for name in wanted}
    with suppress(StoreError):  # the history sink reports that
        return await in_reader(request, partial(source.history.rollups.sums, names, asked))
    return None


async def probes(request: web.Request) -> web.Response:
    """`GET /api/v1/probes`: from the history if there is one, else from memory."""
    source = source_of(request)
    try:
        query = listing.parse(tuple(request.query.items()))
    except listing.BadQueryError as error:
        return problem(request, 400, str(error))
    if source.history is not None:
        with suppress(StoreError):  # the history sink reports that; memory answers instead
            found = await in_reader(request, partial(source.history.newest, query))
            return await resource(request, lambda: {"probes": found})
    names = (target.name for target in source.targets()) if query.target is None else (query.target,)
    recent = [observation for name in names for observation in source.recent(name)]
    return await resource(request, partial(resources.probes, recent, query))


async def probe(request: web.Request) -> web.Response:
    """`GET /api/v1/probes/ID`."""
    found = in_memory(request)
    if found is not None:
        return await resource(request, lambda: resources.probe(found.full_event))
    return await from_history(request, lambda event: resource(request, lambda: event))


async def openapi(request: web.Request) -> web.Response:
    """`GET /api/v1/openapi.json`."""
    access = request.app[STATE].access
    login = access is not None and access.asks_users
    return await resource(request, lambda: description(login=login))


def in_memory(request: web.Request) -> RecentProbe | None:
    """Return the probe in the path with its timeline, if it is in memory."""
    source = source_of(request)
    found = source.find(request.match_info["id"])
    if found is None or (found.observation is None and source.history is not None):
        return None
    source.suspects(found)
    return found


async def from_history(request: web.Request, show: Callable[[Event], Awaitable[web.Response]]) -> web.Response:
    """Show a probe that is only in the history; respond with an error if it is in neither."""
    history = source_of(request).history
    try:
        event = None if history is None else await in_reader(request, partial(history.find, request.match_info["id"]))
    except StoreError as error:
        return problem(request, 503, f"Memory has no such probe, and the history cannot be read: {error}.")
    return problem(request, 404, _NO_PROBE) if event is None else await show(event)
