"""The handlers of pages, and of the two health checks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

from aiohttp import web

from monitor.probe.curl import curl_command, hidden_in_curl
from monitor.protocols import find
from monitor.protocols.decoder import Decoder
from monitor.record.probe_event import EventError, ProbeEvent, read
from monitor.settings import MIB
from monitor.sinks.history_queries import Event
from monitor.sinks.history_store import StoreError
from monitor.stream.events import Output
from monitor.target import Target
from monitor.web import failure_query, listing, overview, pages
from monitor.web.actions import NO_TARGET
from monitor.web.answers import about, in_reader, in_worker, page, problem, requested_view, source_of
from monitor.web.api import from_history, in_memory, windows_of
from monitor.web.failure_query import FailureQuery
from monitor.web.formatting import ended
from monitor.web.pages import Neighbours, RequestFacts
from monitor.web.pages.hex_dump import unescaped
from monitor.web.source import Source
from monitor.web.span import TimeSpan, span
from monitor.web.target_history import TargetHistory, from_memory, from_rollups
from monitor.web.target_view import TargetView

_EVENTS = 10_000
_AT_ONCE = 500
"""Targets that are summarized between two turns of the event loop: a millisecond or two."""
_SHOWN, _LONGEST = timedelta(hours=24), timedelta(days=90)
"""The default and the longest span of a target's page."""
_BEFORE = timedelta(minutes=1)
"""The span to show before the start, if there is no history."""


async def healthy(_: web.Request) -> web.Response:
    """`GET /-/healthy`: the event loop runs."""
    return web.Response(text="chat-monitor is healthy.\n")


async def ready(request: web.Request) -> web.Response:
    """`GET /-/ready`: the schedule runs."""
    if source_of(request).ready():
        return web.Response(text="chat-monitor is ready.\n")
    return web.Response(status=503, text="chat-monitor is not ready: starting or draining.\n")


async def status(request: web.Request) -> web.Response:
    """`GET /`: all targets."""
    source, here = source_of(request), about(request)
    try:
        query = overview.parse(request.query)
    except listing.BadQueryError as error:
        return problem(request, 400, str(error))
    views = await every_view(source)
    shown = await in_worker(request, lambda: overview.overview(views, query))
    rows = [view for section in shown.sections for view in section.shown]
    for view in rows:
        if view.last is not None:
            source.suspects(view.last)
    windows = await windows_of(request, [view.target.name for view in rows], ("24h", "30d"))
    return await page(request, lambda: pages.status(shown, windows, here))


async def every_view(source: Source) -> list[TargetView]:
    """Return all targets with their probes; other tasks can run meanwhile."""
    views = []
    for place, target in enumerate(source.targets()):
        if place % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
        views.append(TargetView(target, source.recent(target.name), source.memory(target.name), source.resting(target)))
    return views


async def target(request: web.Request) -> web.Response:
    """`GET /targets/NAME?from=&to=`: from the history if there is one, else from memory."""
    here, view = about(request), requested_view(request)
    if view is None:
        return problem(request, 404, NO_TARGET)
    try:
        known = _SHOWN if here.history else min(_SHOWN, here.now - here.started + _BEFORE)
        asked = span(request.query, here.now, default=known, longest=_LONGEST)
    except listing.BadQueryError as error:
        return problem(request, 400, str(error))
    history = await _history(request, view, asked)
    curl = await in_worker(request, partial(curl_of, view.target))
    return await page(request, partial(pages.target, view, history, here, curl))


async def _history(request: web.Request, view: TargetView, asked: TimeSpan) -> TargetHistory:
    source, it = source_of(request), view.target
    if source.history is not None:
        with suppress(StoreError):  # the history sink reports that; memory is used instead
            reader = source.history.rollups
            return await in_reader(request, partial(from_rollups, reader, it.name, it.upstream, asked, source.now()))
    upstream = tuple(source.recent(it.upstream)) if it.upstream else ()
    return await in_worker(request, partial(from_memory, view.recent, view.memory.counts, upstream, asked))


def curl_of(target: Target) -> str:
    """Return a target's request as a curl command; empty if its protocol cannot make one."""
    try:
        return curl_command(target)
    except Exception:  # noqa: BLE001 - a protocol from outside may raise anything, and the page is there without it
        return ""


async def probe(request: web.Request) -> web.Response:
    """`GET /probes/ID`: the same page from memory and from the history."""
    found = in_memory(request)
    if found is not None:
        return await _probe_page(request, await in_worker(request, lambda: found.full_event))
    return await from_history(request, partial(_kept_page, request))


async def _kept_page(request: web.Request, kept: Event) -> web.Response:
    try:
        event = read(kept)
    except EventError as error:
        return problem(request, 500, f"The history has this probe in a form that cannot be shown: {error}.")
    return await _probe_page(request, event)


async def _probe_page(request: web.Request, event: ProbeEvent) -> web.Response:
    neighbours = await _neighbours(request, event)
    target = next((one for one in source_of(request).targets() if one.name == event.target), None)
    asked = None
    if target is not None:
        curl = await in_worker(request, partial(curl_of, target))
        asked = RequestFacts(target.timeouts, curl, hidden_in_curl(target))
    decoded = await in_worker(request, partial(last_output, event))
    return await page(request, partial(pages.probe, event, neighbours, about(request), asked, decoded))


def last_output(event: ProbeEvent) -> str:
    """Return the decoded output in the last words of a stream; empty if there is none."""
    if not event.last_words:
        return ""
    try:
        decoder = Decoder(find(event.protocol), event_bytes=MIB, events=_EVENTS)
        _, _, rest = unescaped(event.last_words).partition("\n")  # the first line may be partial
        found = decoder.feed(rest.encode("utf-8", "replace"))
    except Exception:  # noqa: BLE001 - a protocol from outside may raise anything, and the words are there as they came
        return ""
    return "".join(one.text for one, _ in found if isinstance(one, Output))


async def _neighbours(request: web.Request, event: ProbeEvent) -> Neighbours:
    """Return the probes around one, from memory, and from the history for those that are not in memory."""
    source = source_of(request)
    known = around(source, event)
    if source.history is None or None not in {known.previous, known.last_good}:
        return known
    with suppress(StoreError):  # the history's own sink reports that
        kept = await in_reader(request, partial(source.history.neighbours, event.probe_id))
        return Neighbours(known.previous or kept.previous, known.next or kept.next, known.last_good or kept.last_good)
    return known


def around(source: Source, event: ProbeEvent) -> Neighbours:
    """Return the probes around one, from memory."""
    briefs = [probe.brief for probe in source.recent(event.target)]
    ids = [str(brief.probe_id) for brief in briefs]
    if event.probe_id not in ids:
        return Neighbours()
    at = ids.index(event.probe_id)
    good = (str(brief.probe_id) for brief in briefs[at + 1 :] if brief.available)
    return Neighbours(
        previous=ids[at + 1] if at + 1 < len(ids) else None,
        next=ids[at - 1] if at else None,
        last_good=next(good, None),
    )


async def failures(request: web.Request) -> web.Response:
    """`GET /failures`: from the history if there is one, else from memory."""
    source, here = source_of(request), about(request)
    try:
        query = failure_query.parse(request.query, here.now)
    except listing.BadQueryError as error:
        return problem(request, 400, str(error))
    events = None
    if source.history is not None:
        with suppress(StoreError):  # the history sink reports that; memory is used instead
            events = await in_reader(request, partial(source.history.failures, query))
    if events is None:
        recent = [probe for target in source.targets() for probe in source.recent(target.name) if probe.failed]
        events = await in_worker(request, lambda: selected([probe.event for probe in recent], query))
    more = len(events) > failure_query.MOST
    return await page(request, lambda: pages.failures(events[: failure_query.MOST], query, here, truncated=more))


def selected(events: Sequence[ProbeEvent], query: FailureQuery) -> list[ProbeEvent]:
    """Return the failures that a query selects, newest first."""
    return sorted((it for it in events if query.selects(it) and query.spans(it)), key=ended, reverse=True)
