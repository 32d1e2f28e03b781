"""The web application: its routes, limits and threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from aiohttp.typedefs import Handler

from monitor.web import actions, api, exposition, guard, middleware, views, windows
from monitor.web.access import Access
from monitor.web.answers import API, STATE, AppState
from monitor.web.source import Source

WRITE_SECONDS = 30.0
"""Seconds that writing a response may take: a client that reads slowly does not hold memory for longer."""
# Common limits: 8 KiB for the request line and for each header; the keep-alive exceeds a minute of Prometheus.
_LIMITS = {
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 64,
    "keepalive_timeout": 75.0,
    "lingering_time": 2.0,
    "access_log": None,
}
_GET: tuple[tuple[str, Handler], ...] = (
    ("/metrics", exposition.metrics),
    ("/-/healthy", views.healthy),
    ("/-/ready", views.ready),
    ("/", views.status),
    ("/targets/{name}", views.target),
    ("/probes/{id}", views.probe),
    ("/failures", views.failures),
    (f"{API}/targets", api.targets),
    (f"{API}/targets/{{name}}", api.target),
    (f"{API}/maintenance", windows.listed),
    (f"{API}/probes", api.probes),
    (f"{API}/probes/{{id}}", api.probe),
    (f"{API}/openapi.json", api.openapi),
)
_POST: tuple[tuple[str, Handler], ...] = (
    ("/-/reload", actions.reload),
    (f"{API}/targets/{{name}}/probe", actions.probe_now),
    (f"{API}/maintenance", windows.added),
)
_DELETE: tuple[tuple[str, Handler], ...] = ((f"{API}/maintenance/{{id}}", windows.ended),)


def application(
    source: Source, *, access: Access | None = None, write_timeout: float = WRITE_SECONDS
) -> web.Application:
    """Return the application that serves `source` to clients that `access` admits, or to all without it."""
    arguments = _LIMITS | {"logger": middleware.RequestLog(source.counted)}
    app = web.Application(
        middlewares=[middleware.handle], handler_args=arguments, client_max_size=middleware.BODY_BYTES
    )
    names = (guard.hostname(name) for name in source.allowed_hosts)
    app[STATE] = AppState(
        source,
        frozenset(name for name in names if name),
        write_timeout,
        access,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="web"),
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="history-reader"),
        {},
    )
    app.add_routes([web.get(path, handler) for path, handler in _GET])
    app.add_routes([web.post(path, handler) for path, handler in _POST])
    app.add_routes([web.delete(path, handler) for path, handler in _DELETE])
    app.add_routes([web.get(middleware.PROBE_PATH, actions.probe_by_scrape, allow_head=False)])
    app.on_response_prepare.append(middleware.add_headers)
    app.cleanup_ctx.append(_threads)
    return app


async def _threads(app: web.Application) -> AsyncIterator[None]:
    yield
    for threads in (app[STATE].worker, app[STATE].reader):
        threads.shutdown(wait=False, cancel_futures=True)
