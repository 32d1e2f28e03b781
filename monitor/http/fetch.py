"""One document, got whole or not at all: a source's list of targets, what the daemon's API tells."""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus

import aiohttp
from yarl import URL

from monitor import __version__
from monitor.http.attempts import ConnectionAttempts
from monitor.http.details import certificate_words, errno_words, lookup_words, tls_words
from monitor.http.framing import BROKEN
from monitor.http.request import credentials
from monitor.http.resolver import resolver
from monitor.http.session import session
from monitor.http.tls import tls_context
from monitor.keys.secret import Secret
from monitor.settings import Network
from monitor.target import Tls


class StatusError(OSError):
    """The answer has another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the answer has status {status}")
        self.status = status


async def fetch(url: str, network: Network, *, within: float, at_most: int, token: Secret | None = None) -> bytes:
    """Get a document, one byte more than `at_most` if it is longer; OSError says why not, and holds no secret.

    `token` is sent as a bearer token (RFC 6750) in place of the URL's user.
    """
    attempts = ConnectionAttempts(network)
    try:
        secure = await asyncio.to_thread(tls_context, Tls())
        async with asyncio.timeout(within), session(network, resolver(network), lambda: attempts) as client:
            return await _document(client, URL(url), secure, at_most, token)
    except StatusError:
        raise
    except TimeoutError:
        raise OSError(f"no whole answer within {within:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        denied_here = attempts.denied is not None and not attempts.sockets
        raise OSError(f"{attempts.denied} is denied by [network]" if denied_here else _why_not(error)) from None
    finally:
        attempts.close()


async def _document(
    client: aiohttp.ClientSession, url: URL, secure: ssl.SSLContext, at_most: int, token: Secret | None
) -> bytes:
    headers = {"User-Agent": f"chat-monitor/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    url, user = credentials(url)
    authorization = user if token is None else f"Bearer {token.reveal()}"
    headers |= {} if authorization is None else {"Authorization": authorization}
    async with client.get(url, headers=headers, allow_redirects=False, ssl=secure) as response:
        if response.status != HTTPStatus.OK:
            raise StatusError(response.status)
        document = bytearray()
        while len(document) <= at_most and (more := await response.content.readany()):
            document += more
        return bytes(document[: at_most + 1])


def _why_not(error: Exception) -> str:
    """Say why a document did not come, in our own words."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate was not accepted ({certificate_words(error.certificate_error)})"
        case aiohttp.ClientConnectorDNSError():
            return f"the name does not resolve ({lookup_words(error.os_error)})"
        case aiohttp.ClientSSLError():
            return f"the TLS handshake failed ({tls_words(error)})"
        case aiohttp.ClientConnectorError():
            return f"no connection ({errno_words(error)})"
        case aiohttp.ClientPayloadError(args=(reason,)) if reason == BROKEN:
            return f"no whole answer ({BROKEN})"
        case aiohttp.ClientError() | ValueError():
            return f"no whole answer ({type(error).__name__})"
        case _:
            return str(error)
