"""aiohttp's session of one connection, which does nothing of its own accord."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from monitor.http.attempts import ConnectionAttempts
from monitor.http.framing import HEAD_LINE, HEADERS
from monitor.http.protocol import HttpProtocol
from monitor.http.resolver import family
from monitor.settings import Network

_LARGE_BUFFER = 1 << 24
"""aiohttp's flow control stays out of the way: the caps are ours."""
_KEPT_FOR = 2 * 86400.0
"""Seconds, more than the longest interval: how long a connection may idle is the peer's to say."""


def session(
    network: Network, resolver: AbstractResolver, attempts: ConnectionAttempts, *, keep: bool = False
) -> aiohttp.ClientSession:
    """Return a session whose connections are those of `attempts`, and which does nothing of its own accord."""
    kept: dict[str, Any] = {"keepalive_timeout": _KEPT_FOR} if keep else {"force_close": True}
    connector = aiohttp.TCPConnector(
        **kept,
        resolver=resolver,
        socket_factory=attempts.open_socket,
        use_dns_cache=False,
        limit=0,
        family=family(network),
    )
    # private, and pinned by a test: without it no probe has a connection, and says so
    connector._factory = functools.partial(HttpProtocol, asyncio.get_running_loop(), attempts.made)  # type: ignore[assignment] # noqa: SLF001
    made = aiohttp.ClientSession(
        connector=connector,
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
