"""Fetch one document, whole or not at all: a discovery source, or a resource of the daemon's API."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
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
from monitor.http.tls import files_of, load, tls_context
from monitor.keys.tls import Tls
from monitor.settings import Network


class StatusError(OSError):
    """The response has another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the response has status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """The options of the request for a document."""

    authorization: str | None = field(default=None, repr=False)
    """The value of the header Authorization, in place of the URL's user."""
    tls: Tls = field(default_factory=Tls)
    proxy: str | None = field(default=None, repr=False)


async def fetch(
    url: str, network: Network, *, within: float, at_most: int, options: FetchOptions | None = None
) -> bytes:
    """Return a document, `at_most` bytes and one more if it is longer; an OSError says why not, without secrets."""
    attempts, options = ConnectionAttempts(network), options or FetchOptions()
    try:
        secure = await asyncio.to_thread(_context, options.tls)
        if options.proxy is not None:
            attempts.check_host(URL(url).host or "")
        async with asyncio.timeout(within), session(network, resolver(network), lambda: attempts) as client:
            return await _document(client, URL(url), secure, at_most, options)
    except StatusError as error:
        if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise OSError(_refused_by_proxy(error.status)) from None
        raise
    except TimeoutError:
        raise OSError(f"no complete response within {within:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        denied_here = attempts.denied is not None and not attempts.sockets
        raise OSError(f"{attempts.denied} is denied by [network]" if denied_here else _why_not(error)) from None
    finally:
        attempts.close()


def _context(tls: Tls) -> ssl.SSLContext:
    """Return the context of these settings, of their files as they are now; OSError if one cannot be used."""
    if not files_of(tls):
        return tls_context(tls)
    try:
        return load(tls).context
    except OSError as error:
        raise OSError(f"a file of `tls` cannot be used: {error}") from None


async def _document(
    client: aiohttp.ClientSession, url: URL, secure: ssl.SSLContext, at_most: int, options: FetchOptions
) -> bytes:
    headers = {"User-Agent": f"chat-monitor/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    url, user = credentials(url)
    authorization = options.authorization or user
    headers |= {} if authorization is None else {"Authorization": authorization}
    proxy, to_proxy = None, dict[str, str]()
    if options.proxy is not None:
        proxy, proxy_user = credentials(URL(options.proxy))
        to_proxy = {} if proxy_user is None else {"Proxy-Authorization": proxy_user}
    encrypted = url.scheme == "https"
    async with client.get(
        url,
        headers=headers if encrypted else headers | to_proxy,
        allow_redirects=False,
        ssl=secure,
        server_hostname=options.tls.server_name if encrypted else None,
        proxy=proxy,
        proxy_headers=to_proxy if encrypted else None,
    ) as response:
        if response.status != HTTPStatus.OK:
            raise StatusError(response.status)
        document = bytearray()
        while len(document) <= at_most and (more := await response.content.readany()):
            document += more
        return bytes(document[: at_most + 1])


def _refused_by_proxy(status: int) -> str:
    wants_user = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    return "the proxy refused: it wants a user and a password" if wants_user else f"the proxy refused (status {status})"


def _why_not(error: Exception) -> str:
    """Return why a document could not be fetched, in our own words."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate was not accepted ({certificate_words(error.certificate_error)})"
        case aiohttp.ClientConnectorDNSError():
            return f"the name does not resolve ({lookup_words(error.os_error)})"
        case aiohttp.ClientProxyConnectionError():
            return f"no connection to the proxy ({errno_words(error)})"
        case aiohttp.ClientHttpProxyError():
            return _refused_by_proxy(error.status)
        case aiohttp.ClientSSLError():
            return f"the TLS handshake failed ({tls_words(error)})"
        case aiohttp.ClientConnectorError():
            return f"no connection ({errno_words(error)})"
        case aiohttp.ClientPayloadError(args=(reason,)) if reason == BROKEN:
            return f"no complete response ({BROKEN})"
        case aiohttp.ClientError() | ValueError():
            return f"no complete response ({type(error).__name__})"
        case _:
            return str(error)
