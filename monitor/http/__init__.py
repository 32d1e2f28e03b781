"""Carry one request over HTTP and hand on each arrival; the door of aiohttp's client, and the only place that knows it.

Start at `trip.py`. Its read loop stamps and feeds and does nothing else: from the head to the end it awaits nothing but
the read, for aiohttp drops what it holds when a connection ends while the reader is busy. `endings.py` is the one place
that translates the library's exceptions. Nothing is raised for what the network or the peer does.
"""

from __future__ import annotations

from monitor.http.client import Client
from monitor.http.fetch import StatusError, fetch
from monitor.http.reachability import reach
from monitor.http.request import ExchangeInfo, HttpRequest
from monitor.http.resolver import resolver
from monitor.http.tls import tls_context

__all__ = ["Client", "ExchangeInfo", "HttpRequest", "StatusError", "fetch", "reach", "resolver", "tls_context"]
