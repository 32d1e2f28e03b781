"""Error details in our own words, without any text of a peer and without secrets."""

from __future__ import annotations

import errno
import os
import socket
import ssl

from aiohttp import http_exceptions

from monitor.http.framing import HEAD_BYTES, HEAD_LINE, HEADERS, KIB
from monitor.http.head import HeadTooLargeError
from monitor.http.resolver import NotResolvedError


def errno_of(error: BaseException) -> int | None:
    """Return the errno of an error, also if the library has wrapped it."""
    inner = getattr(error, "os_error", error)
    return inner.errno if isinstance(inner, OSError) else None


def errno_words(error: BaseException) -> str:
    """Return the operating system's message, or the error's class if there is none."""
    code = errno_of(error)
    return os.strerror(code) if code and code in errno.errorcode else type(error).__name__


def lookup_words(error: OSError) -> str:
    """Return why a name has no address."""
    if isinstance(error, NotResolvedError):
        return str(error.strerror)
    names = {
        getattr(socket, name): words
        for name, words in (
            ("EAI_NONAME", "unknown name"),
            ("EAI_AGAIN", "the resolver failed for now"),
            ("EAI_FAIL", "the resolver failed"),
            ("EAI_NODATA", "no address for this name"),
            ("EAI_FAMILY", "no address of the wanted family"),
            ("EAI_ADDRFAMILY", "no address of the wanted family"),
        )
        if hasattr(socket, name)
    }
    return names.get(error.errno or 0, "the look-up failed")


def certificate_words(error: Exception) -> str:
    """Return why a certificate was not accepted, with OpenSSL's message and code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}, OpenSSL verify code {error.verify_code}"
    return type(error).__name__


def tls_words(error: Exception) -> str:
    """Return why a handshake failed, with OpenSSL's message."""
    inner = getattr(error, "os_error", error)
    reason = getattr(inner, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else "no TLS answer"


def head_words(error: http_exceptions.HttpProcessingError) -> str:
    """Return why a head does not parse."""
    cause = error.__cause__ or error  # aiohttp wraps what its parser raised
    if isinstance(error, HeadTooLargeError):
        return f"it has more than {HEAD_BYTES // KIB} KiB"
    if isinstance(cause, http_exceptions.LineTooLong):
        return f"a line of it has more than {HEAD_LINE // KIB} KiB"
    if "Too many headers" in str(cause):  # pinned by a test; aiohttp has no class for it
        return f"it has more than {HEADERS:,} headers"
    return "no valid status line and headers"
