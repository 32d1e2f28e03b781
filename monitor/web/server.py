"""The listening sockets: bind them, or report why that is not possible; limit the connections; stop quickly."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.keys.values import host_port
from monitor.web.answers import HEADERS

SHUTDOWN_SECONDS = 2.0
PATIENCE = 10.0
"""Seconds after which a connection without a request is closed; at most twice as many."""

HANDSHAKE_SECONDS = 10.0
MOST = 256
"""Connections at once."""
_BACKLOG = 1024
"""The backlog of the socket: if it is full, the kernel of the client tries again a second later."""
_GRACE = 0.25
"""Seconds after which a connection without a request may be closed for a waiting one; most requests come at once."""
_RETRY = 0.1
"""Seconds until the next attempt to accept a connection, if no descriptor was free."""
_PER_PROBE = 2
"""Descriptors of one probe: two addresses of a name may be dialled at once."""
_OTHERS = 64
"""Descriptors for everything else: the log, the history, discovery, look-ups."""
_LEAST = 8
"""The minimum number of connections, even if there are few descriptors."""

CROWDED = web.RequestKey("crowded", bool)
"""Whether half of the connections had a request already when this one came."""

_EVERY_IPV4 = "0.0.0.0"  # noqa: S104 - who may listen on it is the caller's to decide
_BOTH_FAMILIES = frozenset({"", "::"})

Address = tuple[str, int]
"""Host and port; "" is every address, and port 0 a free one."""
Close = Callable[[], None]

_HINTS = {
    errno.EADDRINUSE: "the port is taken; stop what holds it (`ss -ltnp` names it) or listen on another",
    errno.EACCES: "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one",
    errno.EADDRNOTAVAIL: "this machine has no such address; listen on one that `ip address` shows",
}


class ListenError(Exception):
    """The address cannot be listened on; the text names it and says what to do."""


class Server:
    """An application that is being served on sockets that are bound; `port` is that of the first."""

    def __init__(
        self,
        runner: web.AppRunner,
        sockets: Sequence[socket.socket],
        tasks: Sequence[asyncio.Task[None]],
        closed: Close,
    ) -> None:
        names = [one.getsockname() for one in sockets]
        self.port = int(names[0][1])
        self.addresses = tuple(host_port(*name[:2]) for name in names)
        self._runner = runner
        self._tasks = tasks
        self._close = closed

    async def close(self) -> None:
        """Stop listening, wait a moment for responses that are being written, and close the other connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close()
        await self._runner.cleanup()


async def serve(
    app: web.Application,
    addresses: Sequence[Address],
    *,
    tls: ssl.SSLContext | None = None,
    patience: float = PATIENCE,
    most: int = MOST,
) -> Server:
    """Serve `app` on each of these addresses, over TLS if it is given; ListenError if one cannot be listened on.

    At most `most` connections are held at once. A further one takes the place of one that idles, if there is one.
    """
    asked: set[web.RequestHandler] = set()
    busy: set[web.RequestHandler] = set()
    app.middlewares.insert(0, _noting(asked, busy, max(most // 2, 1)))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        sockets = await _bound(addresses)
    except ListenError:
        await runner.cleanup()
        raise
    assert runner.server is not None, "the runner is set up"
    entrance = _Acceptor(runner.server, tls, most, asked, busy)
    accepting = [asyncio.create_task(entrance.accept(one)) for one in sockets]
    tasks = [*accepting, asyncio.create_task(_sweep(runner, asked, patience))]

    def closed() -> None:
        entrance.close()
        for one in sockets:
            one.close()

    return Server(runner, sockets, tasks, closed)


async def _bound(addresses: Sequence[Address]) -> list[socket.socket]:
    """Return sockets that listen on all of these addresses, or on none."""
    sockets: list[socket.socket] = []
    for host, port in addresses:
        # who lists IPv4's own address for this port, too, means IPv6 alone
        both = host in _BOTH_FAMILIES and (_EVERY_IPV4, port) not in addresses and socket.has_dualstack_ipv6()
        try:
            sockets += [_dual(port)] if both else await _of_host(host or _EVERY_IPV4, port)
        except OSError as error:
            for one in sockets:
                one.close()
            raise ListenError(_why(host, port, error)) from error
    return sockets


def _dual(port: int) -> socket.socket:
    """Return a socket that listens on every address of IPv4 and IPv6."""
    made = socket.create_server(("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    made.setblocking(False)  # noqa: FBT003 - as the standard library has it
    return made


async def _of_host(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of `host`."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    sockets = [one.dup() for one in server.sockets]
    server.close()
    for one in sockets:
        one.setblocking(False)  # noqa: FBT003 - as the standard library has it
        one.listen(_BACKLOG)
    return sockets


class _Handler(web.RequestHandler):
    """A connection whose invalid requests get a response like others': aiohttp's own has the request's bytes."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats the request
    ) -> web.StreamResponse:
        """Return the response to a request that could not be parsed."""
        response = super().handle_error(request, status, exc, f"{status} {HTTPStatus(status).phrase}\n")
        response.headers.update(HEADERS)
        return response


class _Acceptor:
    """Accepts connections, at most so many: those that wait for a handshake or a request make room for others.

    One that does not fit waits, and those after it wait in the kernel's queue: clients that connect again and again
    cannot push out one that asks.
    """

    def __init__(
        self,
        server: web.Server,
        tls: ssl.SSLContext | None,
        most: int,
        asked: set[web.RequestHandler],
        busy: set[web.RequestHandler],
    ) -> None:
        self._server, self._tls, self._most = server, tls, most
        self._asked, self._busy = asked, busy
        self._opening: dict[asyncio.Task[None], float] = {}
        """Connections without a complete handshake or request, each with the time at which it was accepted."""
        self._begun_at: dict[web.RequestHandler, float] = {}
        self._untouched: set[socket.socket] = set()
        """Connections of tasks that have not run yet: they are closed here."""

    async def accept(self, listening: socket.socket) -> None:
        """Accept connections forever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:  # no descriptor is free, or the peer has left
                self._make_room()
                await asyncio.sleep(_RETRY)
                continue
            fits = False
            try:
                await asyncio.sleep(0)  # a burst is accepted without a turn of the loop: those before it have to begin
                fits = await self._wait_for_room()
            finally:
                if not fits:
                    connection.close()
            if not fits:
                continue
            task = asyncio.create_task(self._begin(connection))
            self._opening[task] = loop.time()
            self._untouched.add(connection)
            task.add_done_callback(partial(self._begun, connection))

    def close(self) -> None:
        """Close the connections that have not begun."""
        for task in self._opening:
            task.cancel()

    async def _begin(self, connection: socket.socket) -> None:
        self._untouched.discard(connection)
        loop = asyncio.get_running_loop()
        within = HANDSHAKE_SECONDS if self._tls is not None else None
        with suppress(OSError):  # a handshake that failed or took too long: the peer's fault, and no news
            _, handler = await loop.connect_accepted_socket(
                self._handler, connection, ssl=self._tls, ssl_handshake_timeout=within
            )
            self._begun_at[handler] = loop.time()

    def _handler(self) -> web.RequestHandler:
        handler = self._server()
        handler.__class__ = _Handler  # aiohttp makes it, and takes no other class
        return handler

    def _begun(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._opening.pop(task, None)
        if connection in self._untouched:
            self._untouched.discard(connection)
            connection.close()

    async def _wait_for_room(self) -> bool:
        """Wait until one more connection fits, and return True; False if none can be closed: all have a request."""
        loop = asyncio.get_running_loop()
        while len(self._opening) + len(self._standing()) >= self._most:
            oldest = min((*self._opening.values(), *self._silent()), default=-_GRACE)
            wait = oldest + _GRACE - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            elif not self._make_room():
                return False
        return True

    def _silent(self) -> list[float]:
        """Return the start times of the connections without a request."""
        standing, now = self._standing(), asyncio.get_running_loop().time()  # one that begins right now has no time yet
        return [self._begun_at.get(one, now) for one in standing if one not in self._asked]

    def _standing(self) -> list[web.RequestHandler]:
        """Return the open connections, oldest first, without those that are being closed."""
        standing = [one for one in self._server.connections if one.transport is not None]
        self._begun_at = {one: self._begun_at[one] for one in standing if one in self._begun_at}
        return standing

    def _make_room(self) -> bool:
        """Close the oldest half-open connection, else one without a request, else an idle one; False if none exists."""
        if self._tls is not None and self._cancel_oldest():
            return True
        idle = [one for one in self._standing() if one not in self._busy]
        if not idle:
            return self._cancel_oldest()  # without TLS, one that was accepted in the same burst
        min(idle, key=lambda one: one in self._asked).force_close()
        return True

    def _cancel_oldest(self) -> bool:
        oldest = next(iter(self._opening), None)
        if oldest is None:
            return False
        del self._opening[oldest]
        oldest.cancel()
        return True


def bounded(most: int, concurrency: int, descriptors: int) -> tuple[int, str | None]:
    """Return how many connections leave enough descriptors for probes, and the reason if they are fewer than wanted."""
    reserved = concurrency * _PER_PROBE + _OTHERS
    if descriptors == resource.RLIM_INFINITY or most + reserved <= descriptors:
        return most, None
    served = max(descriptors - reserved, _LEAST)
    why = (
        f"`ulimit -n` is {descriptors}, but [limits] concurrency = {concurrency} and [web] max_connections = {most} "
        f"need {most + reserved}: {served} connections are served at once"
    )
    return served, why


def _noting(asked: set[web.RequestHandler], busy: set[web.RequestHandler], many: int) -> Middleware:
    """Return a middleware that records which connections have had a request, which have one now, and if `many` have."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CROWDED] = len(busy) >= many
        asked.add(request.protocol)
        busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            busy.discard(request.protocol)

    return note


async def _sweep(runner: web.AppRunner, asked: set[web.RequestHandler], patience: float) -> None:
    """Close connections without a request: the library itself has no timeout for the first request."""
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
    address = host_port(host, port)
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {address}: the name does not resolve; give an address of this machine"
    code = error.errno or errno.EADDRNOTAVAIL  # from Python 3.13 on, asyncio keeps that one to itself
    return f"cannot listen on {address}: {_HINTS.get(code, error.strerror)}"
