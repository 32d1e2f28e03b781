"""Fixtures of the web tests: a daemon of literal values, and a client of its application."""

from __future__ import annotations

import pytest
from pytest_aiohttp import AiohttpClient

from monitor.web.app import application
from tests.web.requests import Client
from tests.web.sources import Daemon, a_daemon


@pytest.fixture
def daemon() -> Daemon:
    """Return the daemon that the application serves."""
    return a_daemon()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, daemon: Daemon) -> Client:
    """A client of an application that only shows."""
    return await aiohttp_client(application(daemon.source()))
