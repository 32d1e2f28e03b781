"""The TLS contexts, one for each setting."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping

from monitor.target import Http, Tls

ALPN: Mapping[Http, tuple[str, ...]] = {Http.ONE: (), Http.TWO: ("h2",), Http.AUTO: ("h2", "http/1.1")}
"""What is offered in the TLS handshake; HTTP/1.1 alone needs no offer."""


@functools.lru_cache(maxsize=256)
def tls_context(tls: Tls, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return the context for these settings, offering these protocols by ALPN; it reads files.

    OSError and ssl.SSLError if a file cannot be used.
    """
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
