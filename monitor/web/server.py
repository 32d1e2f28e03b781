"""The listening socket: bind it or say clearly why not, close connections that never ask, and stop quickly."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

SHUTDOWN_SECONDS = 2.0
PATIENCE = 10.0
"""How long a connection may stand without a request: between this and twice this."""

_HINTS = {
    errno.EADDRINUSE: "the port is taken; stop what holds it (`ss -ltnp` names it) or listen on another",
    errno.EACCES: "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one",
    errno.EADDRNOTAVAIL: "this machine has no such address; listen on one that `ip address` shows",
}


class ListenError(Exception):
    """The address cannot be listened on; the text names it and says what to do."""


class Server:
    """An application that is being served; `port` is the one that was bound."""

    def __init__(self, runner: web.AppRunner, port: int, sweeping: asyncio.Task[None]) -> None:
        self.port = port
        self._runner = runner
        self._sweeping = sweeping

    async def close(self) -> None:
        """Stop listening, let answers that are being written finish for a moment, and drop the rest."""
        self._sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeping
        await self._runner.cleanup()


async def serve(
    app: web.Application, host: str, port: int, *, tls: ssl.SSLContext | None = None, patience: float = PATIENCE
) -> Server:
    """Serve `app` on `host` and `port`, over TLS where it is given; port 0 takes a free one."""
    asked: set[web.RequestHandler] = set()
    app.middlewares.insert(0, _noting(asked))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=tls)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise ListenError(_why(host, port, error)) from error
    return Server(runner, site.port, asyncio.create_task(_sweep(runner, asked, patience)))


def _noting(asked: set[web.RequestHandler]) -> Middleware:
    """Return a middleware that notes every connection on which something was asked."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked.add(request.protocol)
        return await handler(request)

    return note


async def _sweep(runner: web.AppRunner, asked: set[web.RequestHandler], patience: float) -> None:
    """Close what connected and never asked: the library itself waits for a first request for ever."""
    server = runner.server
    assert server is not None, "the runner is set up"
    before: set[web.RequestHandler] = set()
    while True:
        now = set(server.connections)
        asked &= now
        for silent in (before & now) - asked:
            silent.force_close()
        before = now
        await asyncio.sleep(patience)


def _why(host: str, port: int, error: OSError) -> str:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {address}: the name does not resolve; give an address of this machine"
    code = error.errno or errno.EADDRNOTAVAIL  # from Python 3.13 on, asyncio keeps that one to itself
    return f"cannot listen on {address}: {_HINTS.get(code, error.strerror)}"
