"""A connection tried and let go of again: what `check --connect` does."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

from yarl import URL

from monitor.http.details import certificate_words, errno_words, lookup_words, tls_words
from monitor.http.policy import denied
from monitor.http.resolver import family, resolver
from monitor.http.tls import tls_context
from monitor.keys.tls import Tls
from monitor.settings import Network


async def reach(url: str, tls: Tls, network: Network, within: float) -> str | None:
    """Open a connection to where `url` points, TLS included, and send nothing on it; return why not, or None."""
    address = URL(url)
    secure = address.scheme == "https"
    host, port = address.host or "", address.port or 0
    try:
        async with asyncio.timeout(within):
            found = await resolver(network).resolve(host, port, family(network))
            allowed = [one["host"] for one in found if not denied(one["host"], network)]
            if not allowed:
                return f"{found[0]['host']} is denied by [network]"
            name = tls.server_name or host
            context = tls_context(tls) if secure else None
            writer = await _opened(allowed, port, context, name if secure else None)
            writer.transport.abort()
    except ssl.SSLCertVerificationError as error:
        return f"the certificate was not accepted ({certificate_words(error)})"
    except ssl.SSLError as error:
        return f"the TLS handshake failed ({tls_words(error)})"
    except TimeoutError:
        return f"no connection within {within:g} s"
    except socket.gaierror as error:
        return f"the name does not resolve ({lookup_words(error)})"
    except OSError as error:
        return f"no connection ({errno_words(error)})"
    return None


async def _opened(
    addresses: Sequence[str], port: int, context: ssl.SSLContext | None, name: str | None
) -> asyncio.StreamWriter:
    """Return a connection to the first of these that takes one; OSError of the last where none does."""
    *others, last = addresses
    for address in others:
        try:
            return (await asyncio.open_connection(address, port, ssl=context, server_hostname=name))[1]
        except ssl.SSLError:
            raise
        except OSError:
            continue
    return (await asyncio.open_connection(last, port, ssl=context, server_hostname=name))[1]
