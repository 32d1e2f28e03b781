"""How a request ended before its response began: the one place that translates library exceptions to an `Ending`."""

from __future__ import annotations

import asyncio
import errno
import ssl
import traceback

import aiohttp
from aiohttp import http_exceptions

from monitor.http.attempts import ConnectionAttempts
from monitor.http.details import certificate_words, errno_of, errno_words, head_words, lookup_words, tls_words
from monitor.http.request import NO_HTTP, HttpRequest
from monitor.http.timestamps import EXHAUSTED
from monitor.stream.endings import Deadline, Ending, EndKind
from monitor.target import Timeouts

_ABORT_REASONS = frozenset({"shutdown", "reload"})
"""Why the daemon aborts a request."""
CUT = frozenset({EndKind.INCOMPLETE, EndKind.RESET, EndKind.CLOSED, EndKind.PARTIAL_HEAD})
"""The peer ended the connection before its response was complete."""
TOO_LATE = 1.0
"""Seconds that the loop may be late to a deadline, or to an end of the connection, and still judge it."""


def abort_reason(error: asyncio.CancelledError) -> str:
    """Return why a request was cancelled; "client" if it was not the daemon."""
    reason = str(error.args[0]) if error.args else ""
    return reason if reason in _ABORT_REASONS else "client"


def translate(error: Exception, request: HttpRequest, attempts: ConnectionAttempts) -> tuple[EndKind, str]:
    """Return the ending for an exception of the request, and its detail in our words."""
    if isinstance(error, MemoryError) or errno_of(error) in EXHAUSTED:
        return EndKind.RESOURCES, errno_words(error)
    return (
        _denied(error, attempts)
        or _no_proxy(error, request, attempts)
        or _not_connected(error, attempts)
        or _no_head(error, attempts)
        or ((EndKind.RESET, errno_words(error)) if isinstance(error, OSError) else None)
        or (EndKind.INTERNAL, type(error).__name__)
    )


def expiry(deadline: Deadline, at: float, late: float, timeouts: Timeouts, attempts: ConnectionAttempts) -> Ending:
    """Return the ending for a deadline that passed; it is RESOURCES if the loop itself was `late` seconds."""
    if late > TOO_LATE and deadline is not Deadline.DRAIN:
        return Ending(EndKind.RESOURCES, at, f"the event loop was {late:.1f} s late")
    limit = f"{getattr(timeouts, deadline.value):g} s"
    if deadline is Deadline.CONNECT:
        limit += _how_far(attempts)
    held_back = attempts.protocol.held_back if attempts.protocol is not None else 0
    if deadline is Deadline.HEADERS and held_back:
        limit += f"; the peer's flow-control window stayed closed, and {held_back} bytes of the request were not sent"
    return Ending(EndKind.DEADLINE, at, limit, deadline)


def _how_far(attempts: ConnectionAttempts) -> str:
    """Return how far the connection got before its deadline."""
    sock = attempts.current
    if sock is None:
        return "; the name was not resolved by then"
    if sock.connected_at is None:
        return ""
    stood = f"; TCP connected after {sock.connected_after[0] * 1000:.0f} ms"
    missing = "the answer to the TLS handshake" if sock.first_sent_at is not None else "the next step"
    return f"{stood}, but {missing} did not come; a port without TLS can be silent like this"


def ended_while_suspended(seconds: float) -> str:
    """Return the detail of an end that came while the process was suspended."""
    return f"the connection ended while the monitor was suspended, at some time within {seconds:.1f} s"


def _denied(error: Exception, attempts: ConnectionAttempts) -> tuple[EndKind, str] | None:
    if attempts.denied is None or attempts.sockets:
        return None
    of_proxy = isinstance(error, aiohttp.ClientProxyConnectionError)
    return EndKind.POLICY, f"the proxy's, {attempts.denied}" if of_proxy else attempts.denied


def _not_connected(error: Exception, attempts: ConnectionAttempts) -> tuple[EndKind, str] | None:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return EndKind.TLS_CERTIFICATE, certificate_words(error.certificate_error)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return EndKind.PROXY, errno_words(error)
        case aiohttp.ClientConnectorDNSError():
            return EndKind.DNS, lookup_words(error.os_error)
        case aiohttp.ClientSSLError():
            return EndKind.TLS_HANDSHAKE, tls_words(error)
        case aiohttp.ClientConnectorError():
            return _not_dialled(error, attempts)
        case aiohttp.InvalidURL():
            return EndKind.DNS, "no valid host"
        case aiohttp.ClientError() if attempts.tunnelling:
            return EndKind.PROXY, "no usable answer to CONNECT"
        case FileNotFoundError() | PermissionError() | ssl.SSLError() if attempts.protocol is None:
            return EndKind.INTERNAL, "a file of `tls` cannot be used"
        case OSError() if attempts.protocol is None:
            return EndKind.NETWORK, errno_words(error)
        case _:
            return None


def _no_proxy(error: Exception, request: HttpRequest, attempts: ConnectionAttempts) -> tuple[EndKind, str] | None:
    """Return what it is if the proxy has no address, or no TLS; the target's name is looked up by the proxy alone."""
    if request.proxy is None or attempts.protocol is not None:
        return None
    match error:
        case aiohttp.ClientConnectorDNSError():
            return EndKind.PROXY, f"its name does not resolve: {lookup_words(error.os_error)}"
        case aiohttp.ClientConnectorCertificateError():
            return EndKind.PROXY, f"its certificate was not accepted: {certificate_words(error.certificate_error)}"
        case aiohttp.ClientSSLError():
            return EndKind.PROXY, f"the TLS handshake with it failed: {tls_words(error)}"
        case _:
            return None


def _not_dialled(error: aiohttp.ClientConnectorError, attempts: ConnectionAttempts) -> tuple[EndKind, str]:
    if attempts.current is not None and attempts.current.first_sent_at is not None:
        return EndKind.TLS_HANDSHAKE, "the peer closed the connection during it"
    if error.os_error.errno == errno.ECONNRESET and not isinstance(error, aiohttp.ClientProxyConnectionError):
        return EndKind.RESET, ""
    if error.os_error.errno == errno.ECONNREFUSED:
        return EndKind.REFUSED, ""
    return EndKind.NETWORK, errno_words(error)


def _no_head(error: Exception, attempts: ConnectionAttempts) -> tuple[EndKind, str] | None:
    protocol, sock = attempts.protocol, attempts.current
    match error:
        case aiohttp.ClientResponseError() if isinstance(error.__cause__, http_exceptions.HttpProcessingError):
            return EndKind.MALFORMED_HEAD, head_words(error.__cause__)
        case aiohttp.ClientResponseError():
            return EndKind.MALFORMED_HEAD, NO_HTTP
        case aiohttp.ClientOSError() if _is_tls_alert(error):
            return EndKind.TLS_HANDSHAKE, "the server rejected the client after it; it may require `tls.cert_file`"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() if sock is not None and sock.reset_at is None:
            return (EndKind.PARTIAL_HEAD if protocol is not None and protocol.received else EndKind.CLOSED), ""
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            return EndKind.RESET, ""
        case _:
            return None


def forget_frames(error: BaseException | None) -> None:
    """Clear the frames of an exception and of its causes.

    The frames of a traceback refer to the exception, which refers to the traceback: a cycle that keeps locals alive.
    """
    done: set[int] = set()
    while error is not None and id(error) not in done:  # a library may have tied them to a ring
        done.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _is_tls_alert(error: BaseException) -> bool:
    return isinstance(error.__cause__, ssl.SSLError) or any("ALERT" in str(arg) for arg in error.args)
