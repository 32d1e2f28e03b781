"""A connection dialled as a probe dials it, and closed before anything is sent: what `check --connect` does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import aiohttp
from aiohttp.connector import Connection

from monitor.http.attempts import ConnectionAttempts
from monitor.http.details import errno_words
from monitor.http.errors import translate
from monitor.http.h2_request import VersionedRequest
from monitor.http.request import HttpRequest
from monitor.http.resolver import resolver
from monitor.http.session import send, session
from monitor.settings import Network
from monitor.stream.endings import EndKind

_WORDS: Mapping[EndKind, str] = {
    EndKind.TLS_CERTIFICATE: "the certificate was not accepted ({})",
    EndKind.TLS_HANDSHAKE: "the TLS handshake failed ({})",
    EndKind.DNS: "the name does not resolve ({})",
    EndKind.PROXY: "the proxy did not open the connection ({})",
    EndKind.POLICY: "{} is denied by [network]",
}


class Reachability(NamedTuple):
    """What came of a try."""

    why_not: str = ""
    """Why there is no connection, in our words; "" if there was one."""
    agreed: str = ""
    """The protocol that was agreed on by ALPN; "" if none was."""


class _StandsError(Exception):
    """The connection is established."""


class _Unsent(VersionedRequest):
    """A request that ends when its connection is established; nothing is sent."""

    async def send(self, _: Connection) -> NoReturn:
        """Raise _StandsError; aiohttp closes the connection."""
        raise _StandsError


async def reach(request: HttpRequest, network: Network) -> Reachability:
    """Open the connection for a request, through its proxy and with TLS, and send nothing on it.

    Only CONNECT is sent, to a proxy. Without TLS to the target the connection is that to the proxy.
    """
    attempts = ConnectionAttempts(network, tunnelled=request.tunnelled)
    within = request.timeouts.connect
    unsent = session(network, resolver(network), lambda: attempts, request_class=_Unsent)
    try:
        async with asyncio.timeout(within), unsent as client:
            with contextlib.suppress(_StandsError):
                await send(client, request, attempts)
        return Reachability(agreed=attempts.agreed)
    except TimeoutError:
        return Reachability(f"no connection within {within:g} s")
    except (aiohttp.ClientError, OSError) as error:
        kind, detail = translate(error, request, attempts)
        return Reachability(_WORDS.get(kind, "no connection ({})").format(detail or errno_words(error)))
    finally:
        attempts.close()
