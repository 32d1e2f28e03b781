"""The middleware of all requests: access, limits, headers, errors, and a time limit for writing."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from time import monotonic
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError, HttpVersion10, HttpVersion11
from aiohttp.typedefs import Handler

from monitor.web import guard
from monitor.web.access import BusyError
from monitor.web.answers import HEADERS, STATE, problem
from monitor.web.server import CROWDED

PROBE_PATH = "/probe"
"""A GET route that starts a probe: links from other sites are refused."""
BODY_BYTES = 16 * 1024
"""The most of a request's body."""
MOST_WRITTEN = 16
"""Responses that are written at once before slow readers are dropped: each may hold a whole exposition in memory."""
SLOW_SECONDS = 2.0
"""How long the oldest of them may have taken by then."""
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})
_WITHOUT_LOGIN = frozenset({"/-/healthy", "/-/ready"})
_ESSENTIAL = _WITHOUT_LOGIN | {"/metrics"}
"""Routes that are answered while half of the connections wait for other responses, such as for probes."""
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="chat-monitor", charset="UTF-8"'}


class RequestLog(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log without clients' mistakes: an invalid request or body is counted and not logged."""

    def __init__(self, counted: Callable[[str, int], None]) -> None:
        super().__init__(logging.getLogger("aiohttp.server"))
        self._counted = counted

    def log(self, level: int, msg: object, *args: object, **more: Any) -> None:  # noqa: ANN401 -- as its base has it
        """Count a client's mistake, and log everything else."""
        if isinstance(more.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            self._counted("other", 400)
        else:
            super().log(level, msg, *args, **more)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every response has."""
    access = request.app[STATE].access
    response.headers.update(HEADERS)
    response.headers.update(access.headers if access else {})


@web.middleware
async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request, count it, and write the response within the time limit."""
    state = request.app[STATE]
    response = await _answer(request, handler)
    state.source.counted(_route(request), response.status)
    await _write(request, response, state.write_timeout)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.version not in _VERSIONS:
        return problem(request, 505)
    if request.get(CROWDED) and request.path not in _ESSENTIAL:
        return problem(request, 429, "Too many requests are being answered; try again later.")
    refusal = _refusal(request)
    if refusal is not None:
        return problem(request, 403, refusal)
    denied = await _denied(request)
    if denied is not None:
        return denied
    if (request.content_length or 0) > BODY_BYTES:
        return problem(request, 413)
    try:
        return await handler(request)
    except web.HTTPException as error:
        kept = {key: error.headers[key] for key in ("Allow",) if key in error.headers}
        accepted = f"This address accepts only {kept['Allow'].replace(',', ', ')}." if kept else None
        return problem(request, error.status, accepted, kept)
    except Exception as error:  # noqa: BLE001 -- the fault of one request is reported, and the monitor goes on
        request.app[STATE].source.failed(_route(request), error)
        return problem(request, 500)


async def _denied(request: web.Request) -> web.Response | None:
    """Return the response to a client that the web config file does not admit; health checks need no login."""
    access = request.app[STATE].access
    if access is None or request.path in _WITHOUT_LOGIN:
        return None
    if not access.admits_certificate(request.transport.get_extra_info("peercert") if request.transport else None):
        return problem(request, 403, "The client's certificate has none of the allowed names.")
    try:
        admitted = await access.admits(request.headers.get("Authorization", ""), request.remote or "")
    except BusyError:
        return problem(request, 429, "Too many passwords are waiting to be checked.")
    if admitted:
        return None
    answer = problem(request, 401, "A user name and a password are required.", _CHALLENGE)
    if hdrs.AUTHORIZATION in request.headers:
        answer.force_close()  # guessing passwords needs a connection for each, which does not occupy a place meanwhile
    return answer


def _refusal(request: web.Request) -> str | None:
    method = hdrs.METH_POST if request.path == PROBE_PATH else request.method
    return guard.refusal(method, request.raw_path, request.headers, request.app[STATE].hosts)


async def _write(request: web.Request, response: web.StreamResponse, timeout: float) -> None:  # noqa: ASYNC109 - ours
    """Write the response here, so that a slow client is dropped in time."""
    transport, writing = request.transport, request.app[STATE].writing
    if transport is None:
        return  # the client has disconnected
    _drop_the_slowest(writing)
    writing[transport] = monotonic()
    try:
        async with asyncio.timeout(timeout):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        drop(request.transport)
    except ConnectionError:
        return  # the client has disconnected
    except Exception as error:  # noqa: BLE001 -- the status has been sent: that the body is not whole is all there is to say
        request.app[STATE].source.failed(_route(request), error)
        drop(request.transport)
    finally:
        del writing[transport]


def _drop_the_slowest(writing: dict[asyncio.Transport, float]) -> None:
    """Drop the oldest reader if there are many and it is slow: it would keep others from a connection, and memory."""
    if len(writing) >= MOST_WRITTEN:
        oldest = next(iter(writing))
        if monotonic() - writing[oldest] >= SLOW_SECONDS:
            drop(oldest)


def drop(transport: asyncio.Transport | None) -> None:
    """Reset a connection, unless it is closed: after a close, the kernel would keep unsent data."""
    if transport is not None and not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "other"
