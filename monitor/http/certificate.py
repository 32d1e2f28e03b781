"""Until when a certificate is valid, also one that was refused or not verified: of those, ssl says nothing itself."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_SEQUENCE, _UTC_TIME, _VERSION = 0x30, 0x17, 0xA0
_LONG_FORM = 0x80
_CENTURY = 50
"""Two digits of a year below this are of the 21st century (RFC 5280, section 4.1.2.5.1)."""


def expiry_of(transport: asyncio.BaseTransport) -> float | None:
    """Return when the peer's certificate expires, in Unix seconds; None without TLS."""
    verified = transport.get_extra_info("peercert")
    if verified:
        return float(ssl.cert_time_to_seconds(verified["notAfter"]))
    found = transport.get_extra_info("ssl_object")
    certificate = found.getpeercert(binary_form=True) if found is not None else None
    return None if certificate is None else not_after(certificate)


def not_after(certificate: bytes) -> float | None:
    """Return when a certificate in DER expires, in Unix seconds; None if it is not one (RFC 5280, section 4.1)."""
    try:
        [(tag, whole), *_] = _elements(certificate)
        [(_, signed), *_] = _elements(whole)
        fields = [value for kind, value in _elements(signed) if kind != _VERSION]
        _serial, _algorithm, _issuer, validity = fields[:4]
        [_, (kind, text)] = _elements(validity)
        moment = _time(kind, text.decode("ascii"))
    except ValueError:
        return None
    return moment.timestamp() if tag == _SEQUENCE else None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Return tag and value of each element of `data`; ValueError if one is incomplete."""
    at = 0
    while at < len(data):
        tag, length, begins = data[at], int.from_bytes(data[at + 1 : at + 2]), at + 2
        if length & _LONG_FORM:
            begins += length & ~_LONG_FORM
            length = int.from_bytes(data[at + 2 : begins])
        at = begins + length
        if at > len(data):
            raise ValueError("an element is cut off")
        yield tag, data[begins:at]


def _time(kind: int, text: str) -> datetime:
    if kind == _UTC_TIME:
        text = ("20" if int(text[:2]) < _CENTURY else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


async def presented_expiry(host: str, port: int, name: str, within: float) -> float | None:
    """Connect to an address, and return when the certificate that is presented for `name` expires.

    The certificate is not verified: nothing but the handshake is sent, no client certificate either. None if there is
    no answer within so many seconds. A cancellation is not raised: the probe has ended, and its result is kept.
    """
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(host, port, ssl=_unverified(), server_hostname=name)
    except (TimeoutError, OSError, asyncio.CancelledError):
        return None
    try:
        return expiry_of(writer.transport)
    finally:
        writer.transport.abort()


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
