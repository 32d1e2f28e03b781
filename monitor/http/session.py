"""aiohttp's session, which does nothing of its own accord: of one connection that is kept, or of all that are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from monitor.http.attempts import ConnectionAttempts
from monitor.http.framing import HEAD_LINE, HEADERS
from monitor.http.h2_request import VersionedRequest
from monitor.http.resolver import Noted, family
from monitor.settings import Network

_LARGE_BUFFER = 1 << 24
"""aiohttp's flow control stays out of the way: the caps are ours."""
_KEPT_FOR = 2 * 86400.0
"""Seconds, more than the longest interval: how long a connection may idle is the peer's to say."""


def session(
    network: Network, resolver: AbstractResolver, attempts: Callable[[], ConnectionAttempts], *, keep: bool = False
) -> aiohttp.ClientSession:
    """Return a session whose connections are those of `attempts`, and which does nothing of its own accord."""
    loop = asyncio.get_running_loop()
    kept: dict[str, Any] = {"keepalive_timeout": _KEPT_FOR} if keep else {"force_close": True}
    connector = aiohttp.TCPConnector(
        **kept,
        resolver=resolver,
        socket_factory=lambda address: attempts().open_socket(address),
        use_dns_cache=False,
        limit=0,
        family=family(network),
    )
    # private, and pinned by a test: without it no probe has a connection, and says so
    connector._factory = lambda: attempts().make_protocol(loop, attempts().made)  # type: ignore[assignment] # noqa: SLF001
    made = aiohttp.ClientSession(
        connector=connector,
        request_class=VersionedRequest,
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


_ATTEMPTS: ContextVar[ConnectionAttempts | None] = ContextVar("attempts", default=None)


def _of_this_task() -> ConnectionAttempts:
    attempts = _ATTEMPTS.get()
    assert attempts is not None, "a session is used between `join` and `leave`"
    return attempts


class SharedSession:
    """One session for all requests that run now and whose connections are not kept.

    A session and its connector cost 0.3 ms and 5 kB. Each task, and what dials for it, finds the connections of its own
    request by its context, and the connector keeps none, so that no request can meet another's.
    """

    def __init__(self, network: Network, resolver: AbstractResolver) -> None:
        self.users = 0
        """How many requests run over it; without any it is closed."""
        self.session = session(network, Noted(resolver, _of_this_task), _of_this_task)

    def join(self, attempts: ConnectionAttempts) -> aiohttp.ClientSession:
        """Begin a request of this task, with these connections."""
        self.users += 1
        _ATTEMPTS.set(attempts)
        return self.session

    async def leave(self) -> None:
        """End it; the last one closes the session."""
        self.users -= 1
        _ATTEMPTS.set(None)
        if not self.users:
            await self.session.close()
