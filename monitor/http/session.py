"""aiohttp sessions without automatic behaviour: one for each kept connection, and one for all others."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ClientRequest
from multidict import CIMultiDict
from yarl import URL

from monitor.http.attempts import ConnectionAttempts
from monitor.http.framing import HEAD_LINE, HEADERS
from monitor.http.h2_request import VersionedRequest
from monitor.http.request import HttpRequest, credentials
from monitor.http.resolver import ObservedResolver, family
from monitor.http.tls import ALPN, mend_tls_in_tls, tls_context
from monitor.settings import Network

_LARGE_BUFFER = 1 << 24
"""So large that aiohttp's flow control never acts: the limits are ours."""
_KEPT_FOR = 2 * 86400.0
"""Seconds, more than the longest interval: the peer decides how long a connection may idle."""


class _Connector(aiohttp.TCPConnector):
    """A connector that speaks to a proxy in TLS with a context of its own: HTTP/2 is offered to targets alone."""

    def __init__(self, attempts: Callable[[], ConnectionAttempts], **more: Any) -> None:  # noqa: ANN401 - as aiohttp has them
        super().__init__(**more)
        self._attempts = attempts

    def _get_ssl_context(self, req: ClientRequest) -> ssl.SSLContext | None:
        """Return the context for one handshake; that of a proxy is for a request of aiohttp's own (private, pinned)."""
        found = super()._get_ssl_context(req)
        return found if found is None or isinstance(req, VersionedRequest) else self._attempts().proxy_tls or found


def session(
    network: Network,
    resolver: AbstractResolver,
    attempts: Callable[[], ConnectionAttempts],
    *,
    keep: bool = False,
    request_class: type[VersionedRequest] = VersionedRequest,
) -> aiohttp.ClientSession:
    """Return a session with the connections of `attempts` and without automatic behaviour."""
    loop = asyncio.get_running_loop()
    kept: dict[str, Any] = {"keepalive_timeout": _KEPT_FOR} if keep else {"force_close": True}
    connector = _Connector(
        attempts,
        **kept,
        resolver=resolver,
        socket_factory=lambda address: attempts().open_socket(address),
        use_dns_cache=False,
        limit=0,
        family=family(network),
    )
    # private, and pinned by a test: without it every probe fails with a clear error
    connector._factory = lambda: attempts().make_protocol(loop, attempts().made)  # type: ignore[assignment] # noqa: SLF001
    made = aiohttp.ClientSession(
        connector=connector,
        request_class=request_class,
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_LARGE_BUFFER,
        max_line_size=HEAD_LINE,
        max_field_size=HEAD_LINE,
        max_headers=HEADERS,
    )
    made._retry_connection = False  # noqa: SLF001 - private, and pinned: else a GET is sent twice, without a word
    return made


async def send(
    session: aiohttp.ClientSession, request: HttpRequest, attempts: ConnectionAttempts
) -> aiohttp.ClientResponse:
    """Send a request over a connection of `attempts`, and return its response; whatever aiohttp raises is raised."""
    headers = CIMultiDict(request.headers)
    url, user = credentials(URL(request.url))
    if user is not None:
        headers.setdefault("Authorization", user)  # a key of the target's own comes first
    proxy, proxy_headers = None, None
    if request.proxy is not None:
        attempts.check_host(url.host or "")
        proxy, user = credentials(URL(request.proxy))
        proxy_headers = {} if user is None else {"Proxy-Authorization": user}
        headers.update({} if request.secure else proxy_headers)
        proxy_headers |= {name: headers[name] for name in ("User-Agent",) if name in headers}
        if request.proxied_in_tls:
            mend_tls_in_tls()
            attempts.proxy_tls = tls_context(request.tls)
    return await session.request(
        request.method,
        url,
        headers=headers,
        data=request.body or None,
        allow_redirects=False,
        proxy=proxy,
        proxy_headers=proxy_headers,
        ssl=tls_context(request.tls, ALPN[request.http]) if request.secure else True,
        server_hostname=request.tls.server_name if request.secure else None,
    )


_ATTEMPTS: ContextVar[ConnectionAttempts | None] = ContextVar("attempts", default=None)


def _of_this_task() -> ConnectionAttempts:
    attempts = _ATTEMPTS.get()
    assert attempts is not None, "a session is used between `join` and `leave`"
    return attempts


class SharedSession:
    """One session for all current requests whose connections are not kept.

    A session and its connector cost 0.3 ms and 5 kB. Each task, and the code that dials for it, finds the connections
    of its request in its context, and the connector keeps none, so that requests never share a connection.
    """

    def __init__(self, network: Network, resolver: AbstractResolver) -> None:
        self.users = 0
        """The number of requests that use it; at 0 it is closed."""
        self.session = session(network, ObservedResolver(resolver, _of_this_task), _of_this_task)

    def join(self, attempts: ConnectionAttempts) -> aiohttp.ClientSession:
        """Begin a request of this task with these connections."""
        self.users += 1
        _ATTEMPTS.set(attempts)
        return self.session

    async def leave(self) -> None:
        """End it; the last one closes the session."""
        self.users -= 1
        _ATTEMPTS.set(None)
        if not self.users:
            await self.session.close()
