"""The TLS contexts, one for each set of settings."""

from __future__ import annotations

import functools
import hashlib
import inspect
import ssl
from asyncio import sslproto
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.keys.tls import Tls
from monitor.target import Http

ALPN: Mapping[Http, tuple[str, ...]] = {Http.ONE: (), Http.TWO: ("h2",), Http.AUTO: ("h2", "http/1.1")}
"""The ALPN offer of each version of HTTP; HTTP/1.1 alone needs none."""


@dataclass(slots=True)
class LoadedContext:
    """A context and the digest of the files that it was made from."""

    context: ssl.SSLContext
    digest: bytes


class DataFirst(ssl.SSLObject):
    """A connection that returns an end of the stream before a fatal error of a read that has returned data.

    asyncio reads until nothing is left and passes the data on then: an error on the way would discard it, so that a
    late read of an answer and the alert after it would only be the alert. After an end it reads once more.
    """

    ended = False
    """An end or an error followed what was read last."""
    _returned_data = False
    _error: ssl.SSLError | None = None

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002, ANN401 - as the class above has it
        """Read; an error comes after the end."""
        if self._error is not None:
            raise self.__dict__.pop("_error")
        try:
            found = super().read(len, buffer)
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            self._returned_data = False
            raise
        except ssl.SSLError as error:
            if not self._returned_data:
                raise
            self._error, found = error.with_traceback(None), b""
        self._returned_data = bool(found)
        self.ended = not found
        return found


def tls_context(tls: Tls, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return the context for these settings, offering these protocols by ALPN; it reads files.

    OSError and ssl.SSLError if a file cannot be used.
    """
    return _kept(tls, alpn).context


def load(tls: Tls, alpn: tuple[str, ...] = ()) -> LoadedContext:
    """Make the context for these settings from the current files; errors as in `tls_context`."""
    digest = digest_of(tls)  # first, so that a file that changes meanwhile is noticed
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.sslobject_class = DataFirst
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return LoadedContext(context, digest)


_kept = functools.lru_cache(maxsize=1024)(load)


def files_of(tls: Tls) -> tuple[str, ...]:
    """Return the paths of the files that these settings name."""
    return tuple(file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file is not None)


def digest_of(tls: Tls) -> bytes:
    """Return a digest of the current content of the files; OSError if one cannot be read."""
    return hashlib.sha256(b"".join(hashlib.sha256(Path(file).read_bytes()).digest() for file in files_of(tls))).digest()


def in_use(tls: Tls, digest: object) -> bool:
    """Return whether all contexts for these settings were made from files with this digest; errors as `tls_context`."""
    return all(_kept(tls, alpn).digest == digest for alpn in ALPN.values())


def renew(tls: Tls) -> None:
    """Renew the contexts for all further connections; if that fails, the old ones stay and the error is raised."""
    for alpn, made in [(alpn, load(tls, alpn)) for alpn in ALPN.values()]:
        kept = _kept(tls, alpn)
        kept.context, kept.digest = made.context, made.digest


def forget() -> None:
    """Forget all contexts: each is made again when it is needed."""
    _kept.cache_clear()


def mend_tls_in_tls() -> bool:
    """Make a failed handshake in TLS inside TLS raise like any other; return whether that was needed.

    Before CPython 3.13 asyncio hands its private `_abort` the error, which that does not take: the TypeError would hide
    why the handshake failed. Pinned by a test of such a handshake.
    """
    made: Any = sslproto.SSLProtocol
    plain = made._abort  # noqa: SLF001 - see above
    if len(inspect.signature(plain).parameters) > 1:
        return False
    made._abort = lambda protocol, _=None: plain(protocol)  # noqa: SLF001 - see above
    return True
