"""Requests with an effect: reload the config, or probe a target."""

from __future__ import annotations

import json

from aiohttp import web

from monitor.judge.verdict import OUR_OWN
from monitor.record.from_observation import event_of
from monitor.web import resources, scrape
from monitor.web.answers import problem, requested_view, resource, source_of
from monitor.web.source import RefusedError

NO_TARGET = "No target of this name is configured: `GET /api/v1/targets` lists them."
_SWITCHED_OFF = "Probing by scrape is switched off because it spends tokens. `[web] probe = true` allows it."
_TOO_SLOW = "The probe in flight takes longer than this scrape may; the next scrape is answered from it."


async def reload(request: web.Request) -> web.Response:
    """`POST /-/reload`: reload the config."""
    reload = source_of(request).reload
    if reload is None:
        return problem(request, 501, "This monitor runs without a config file: there is nothing to reload.")
    wrong = await reload()
    return web.Response(text="reloaded.\n") if wrong is None else problem(request, 500, wrong)


async def probe_now(request: web.Request) -> web.Response:
    """`POST /api/v1/targets/NAME/probe`: probe a target and answer with the probe's event."""
    source = source_of(request)
    if source.probe is None:
        return problem(request, 501, "This monitor does not probe on request.")
    view = requested_view(request)
    if view is None:
        return problem(request, 404, NO_TARGET)
    try:
        observation = await source.probe(view.target.name)
    except RefusedError as error:
        return problem(request, 429, str(error))
    return await resource(request, lambda: resources.probe(event_of(observation, timeline=True)))


async def probe_by_scrape(request: web.Request) -> web.Response:
    """`GET /probe?target=NAME`: respond as blackbox_exporter does."""
    source = source_of(request)
    if source.scrape is None or source.exposition is None:
        return problem(request, 404, _SWITCHED_OFF)
    try:
        name, debug = scrape.requested(tuple(request.query.items()))
        within = scrape.time_limit(request.headers.get(scrape.TIMEOUT_HEADER))
    except scrape.BadRequestError as error:
        return problem(request, 400, str(error))
    target = next((target for target in source.targets() if target.name == name), None)
    if target is None:
        return problem(request, 400, NO_TARGET)
    try:
        observation = scrape.fresh(source.recent(name), target.interval, source.now()) or await source.scrape(
            name, within
        )
    except RefusedError as error:
        return problem(request, 429, str(error))
    except TimeoutError:
        return problem(request, 504, _TOO_SLOW)
    if observation.verdict.outcome in OUR_OWN:
        return problem(request, 503, f"The probe says nothing of the target: {observation.verdict.detail}.")
    text, content_type = source.exposition(observation)
    if debug:
        text = json.dumps(resources.probe(event_of(observation, timeline=True)), indent=2).encode() + b"\n\n" + text
        content_type = "text/plain; charset=utf-8"
    return web.Response(body=text, headers={"Content-Type": content_type})
