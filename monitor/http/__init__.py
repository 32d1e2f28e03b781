"""Send one request over HTTP and pass on what arrives, with the time of each read; the only user of aiohttp's client.

Start at `exchange.py`. Bytes are recorded in the call that brings them (`protocol.py`); the task waits for one future:
the end. `errors.py` is the one place that translates the library's exceptions. Faults of the network or the peer are
endings, not exceptions.
"""

from __future__ import annotations

from monitor.http.client import Client
from monitor.http.request import ExchangeInfo, HttpRequest
from monitor.http.resolver import resolver
from monitor.http.tls import ALPN, tls_context

__all__ = ["ALPN", "Client", "ExchangeInfo", "HttpRequest", "resolver", "tls_context"]
