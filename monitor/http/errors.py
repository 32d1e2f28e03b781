"""How a request ended: the one place that translates what the library raises into an `Ending`."""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
import traceback

import aiohttp
from aiohttp import http_exceptions

from monitor.http.attempts import ConnectionAttempts
from monitor.http.clock import Clock
from monitor.http.deadlines import ABORT_REASONS, Deadlines
from monitor.http.details import (
    BROKEN,
    NO_HTTP,
    certificate_words,
    errno_of,
    errno_words,
    head_words,
    lookup_words,
    tls_words,
)
from monitor.http.protocol import HttpProtocol
from monitor.http.request import HttpRequest
from monitor.http.timestamps import EXHAUSTED
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.recorder import Recorder
from monitor.target import Timeouts

_TOO_LATE = 1.0
"""Seconds that the loop may be late to a deadline and still judge it."""


class FeedError(Exception):
    """Whoever was fed failed: a bug of ours or of an outside protocol, or a full disk; nothing that the wire did."""


class ErrorTranslator:
    """Says what a request's ending is: by what was raised, and by what the line, the timeline and the alarm know."""

    def __init__(
        self, call: HttpRequest, seen: Recorder, line: ConnectionAttempts, alarm: Deadlines, clock: Clock
    ) -> None:
        self._call, self._seen, self._line, self._alarm, self._clock = call, seen, line, alarm, clock

    def of_body(self, failed: Exception | asyncio.CancelledError | None, wire: HttpProtocol) -> Ending:
        """Return how the body ended, by what was raised at its end, or by None where it came to one."""
        if isinstance(failed, asyncio.CancelledError):
            return self._stopped(failed)
        tap = self._line.tap
        last = self._clock.since(wire.reads[-1][0] if wire.reads else wire.head_at or time.monotonic())
        if wire.broken:
            return Ending(EndKind.MALFORMED, last, BROKEN)
        fin = self._clock.since(tap.fin_at) if tap is not None and tap.fin_at is not None else None
        reset_at = tap.reset_at if tap is not None and tap.reset_at is not None else wire.torn_at
        if reset_at is not None and not _whole(failed, self._seen.head):
            return Ending(EndKind.RESET, self._clock.since(reset_at))
        if failed is None:
            close = self._seen.head is not None and self._seen.head.framing is BodyFraming.CLOSE
            return Ending(EndKind.COMPLETE, fin if close and fin is not None else last, extra=wire.extra)
        if isinstance(failed, aiohttp.ClientPayloadError):
            cause = failed.__cause__
            if isinstance(cause, http_exceptions.TransferEncodingError | http_exceptions.ContentLengthError):
                return Ending(EndKind.INCOMPLETE, fin if fin is not None else last)
            return Ending(EndKind.MALFORMED, last, BROKEN)
        return self.of(failed)

    def of(self, error: Exception | asyncio.CancelledError) -> Ending:
        """Return what ending this is, which was raised."""
        if isinstance(error, asyncio.CancelledError):
            return self._stopped(error)
        if isinstance(error, FeedError):
            return Ending(EndKind.INTERNAL, self._clock.now(), type(error.__cause__).__name__)
        if isinstance(error, MemoryError) or errno_of(error) in EXHAUSTED:
            return Ending(EndKind.RESOURCES, self._clock.now(), errno_words(error))
        if self._seen.head is None:
            for translate in (self._denied, self._not_connected, self._no_head):
                if (found := translate(error)) is not None:
                    return Ending(found[0], self._clock.now(), found[1])
        if isinstance(error, OSError):
            return Ending(EndKind.RESET, self._clock.now(), errno_words(error))
        return Ending(EndKind.INTERNAL, self._clock.now(), type(error).__name__)

    def _stopped(self, error: asyncio.CancelledError) -> Ending:
        reason = str(error.args[0]) if error.args else ""
        if self._alarm.answered(reason) and self._alarm.passed is not None:
            deadline, at = self._alarm.passed
            if self._alarm.late > _TOO_LATE and deadline is not Deadline.DRAIN:
                return Ending(EndKind.RESOURCES, at, f"the event loop was {self._alarm.late:.1f} s late")
            limit = _duration(deadline, self._call.timeouts)
            if deadline is Deadline.CONNECT and not self._line.taps:  # nobody was dialled yet
                limit += ", for the name was not looked up by then"
            return Ending(EndKind.DEADLINE, at, limit, deadline)
        return Ending(EndKind.ABORTED, self._clock.now(), reason if reason in ABORT_REASONS else "client")

    def _denied(self, error: Exception) -> tuple[EndKind, str] | None:
        if self._line.denied is None or self._line.taps:
            return None
        of_proxy = isinstance(error, aiohttp.ClientProxyConnectionError)
        return EndKind.POLICY, f"the proxy's, {self._line.denied}" if of_proxy else self._line.denied

    def _not_connected(self, error: Exception) -> tuple[EndKind, str] | None:
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
                return self._not_dialled(error)
            case aiohttp.InvalidURL():
                return EndKind.DNS, "no valid host"
            case aiohttp.ClientError() if self._call.tunnelled and not self._line.encrypted:
                return EndKind.PROXY, "no usable answer to CONNECT"
            case FileNotFoundError() | PermissionError() | ssl.SSLError() if self._line.wire is None:
                return EndKind.INTERNAL, "a file of `tls` cannot be used"
            case OSError() if self._line.wire is None:
                return EndKind.NETWORK, errno_words(error)
            case _:
                return None

    def _not_dialled(self, error: aiohttp.ClientConnectorError) -> tuple[EndKind, str]:
        if self._line.tap is not None and self._line.tap.first_sent_at is not None:
            return EndKind.TLS_HANDSHAKE, "the peer closed the connection in it"
        if error.os_error.errno == errno.ECONNREFUSED:
            return EndKind.REFUSED, ""
        return EndKind.NETWORK, errno_words(error)

    def _no_head(self, error: Exception) -> tuple[EndKind, str] | None:
        wire = self._line.wire
        tap = self._line.tap
        match error:
            case aiohttp.ClientResponseError() if isinstance(error.__cause__, http_exceptions.HttpProcessingError):
                return EndKind.MALFORMED_HEAD, head_words(error.__cause__)
            case aiohttp.ClientResponseError():
                return EndKind.MALFORMED_HEAD, NO_HTTP
            case aiohttp.ClientOSError() if _is_tls_alert(error):
                return EndKind.TLS_HANDSHAKE, "the server refused us after it; it may want `tls.cert_file`"
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() if (
                tap is not None and tap.reset_at is None
            ):
                return (EndKind.PARTIAL_HEAD if wire is not None and wire.received else EndKind.CLOSED), ""
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
                return EndKind.RESET, ""
            case _:
                return None


def told(error: BaseException | None, ending: Ending) -> Ending:
    """Return the ending that an error was translated to, and let go of what it has unwound.

    The frames of a traceback hold the error, which holds the traceback: a circle around all that they had at hand.
    """
    told_of: set[int] = set()
    while error is not None and id(error) not in told_of:  # a library may have tied them to a ring
        told_of.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
    return ending


def _whole(failed: object, head: Head | None) -> bool:
    """Whether the body had its declared end before the connection broke."""
    return failed is None and head is not None and head.framing is not BodyFraming.CLOSE


def _is_tls_alert(error: BaseException) -> bool:
    return isinstance(error.__cause__, ssl.SSLError) or any("ALERT" in str(arg) for arg in error.args)


def _duration(deadline: Deadline, timeouts: Timeouts) -> str:
    return f"{getattr(timeouts, deadline.value):g} s"
