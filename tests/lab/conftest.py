"""Fixtures of the lab tests: a lab on a free port, and its log."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping

import pytest
import trustme

from monitor.lab.server import Lab, serve

Logs = list[Mapping[str, object]]


@pytest.fixture
def logs() -> Logs:
    """The lab's log of its requests."""
    return []


@pytest.fixture
async def lab(logs: Logs) -> AsyncIterator[Lab]:
    """A lab on a free port of loopback."""
    async with await serve("127.0.0.1", 0, log=logs.append) as lab:
        yield lab


@pytest.fixture(scope="session")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS contexts for a server named lab.test and for a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("lab.test").configure_cert(server)
    authority.configure_trust(client)
    return server, client
