"""Fixtures of the proxy tests: the proxies with their configs, and a probe that acts in mid-stream."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from monitor.lab.server import Lab
from monitor.record.observation import Observation
from monitor.target import CountCheck, Timeouts
from tests.conftest import MakeProber, target
from tests.proxies.programs import NGINX_TEMP_PATHS, Program, binary, free_port, running

PATIENT = Timeouts(connect=2.0, headers=3.0, first_chunk=4.0, idle=4.0, total=12.0, drain=0.5)

FIRST_OUTPUT = b'"content":"1'
"""What the lab says first in answer to the counted list."""
NGINX = (
    """
{user}worker_processes 1;
error_log stderr warn;
pid {place}/pid;
{main}
events {{ worker_connections 64; }}
http {{
    access_log off;
    """
    + NGINX_TEMP_PATHS
    + """
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            {location}
        }}
    }}
}}
"""
)
HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server {server}
    {option}
listen lab
    bind 127.0.0.1:{port}
    server upstream 127.0.0.1:{upstream}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{port} {{
    reverse_proxy 127.0.0.1:{upstream} {{
        {proxy}
    }}
}}
"""

Running = AbstractAsyncContextManager[Program]


class Nginx(Protocol):
    """Starts nginx in front of a port."""

    def __call__(self, upstream: int, location: str = "", main: str = "") -> Running:
        """Run it for as long as the context lasts."""
        ...


class Haproxy(Protocol):
    """Starts haproxy in front of a port."""

    def __call__(self, upstream: int, server: str = "10s", option: str = "") -> Running:
        """Run it for as long as the context lasts."""
        ...


class Caddy(Protocol):
    """Starts Caddy in front of a port."""

    def __call__(self, upstream: int, proxy: str = "") -> Running:
        """Run it for as long as the context lasts."""
        ...


class During(Protocol):
    """Probes a URL, and does something once when the first output has come."""

    async def __call__(
        self,
        url: str,
        act: Callable[[], object] | None = None,
        **more: Any,  # noqa: ANN401 - fields of Target
    ) -> Observation:
        """Return what was seen."""
        ...


@pytest.fixture
def nginx(tmp_path: Path) -> Nginx:
    """Return what starts nginx with its defaults and a few lines more."""

    @asynccontextmanager
    async def start(upstream: int, location: str = "", main: str = "") -> AsyncIterator[Program]:
        port = free_port()
        user = "user root;\n" if os.geteuid() == 0 else ""  # else its workers could not write below tmp_path
        config = tmp_path / "nginx.conf"
        config.write_text(
            NGINX.format(user=user, place=tmp_path, port=port, upstream=upstream, location=location, main=main)
        )
        command = [binary("nginx", "nginx-light"), "-p", str(tmp_path), "-c", str(config), "-e", "stderr"]
        async with running([*command, "-g", "daemon off;"], port, tmp_path) as program:
            yield program

    return start


@pytest.fixture
def haproxy(tmp_path: Path) -> Haproxy:
    """Return what starts haproxy."""

    @asynccontextmanager
    async def start(upstream: int, server: str = "10s", option: str = "") -> AsyncIterator[Program]:
        port, config = free_port(), tmp_path / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=port, upstream=upstream, server=server, option=option))
        async with running([binary("haproxy", "haproxy"), "-db", "-f", str(config)], port, tmp_path) as program:
            yield program

    return start


@pytest.fixture
def caddy(tmp_path: Path) -> Caddy:
    """Return what starts Caddy."""

    @asynccontextmanager
    async def start(upstream: int, proxy: str = "") -> AsyncIterator[Program]:
        port, config = free_port(), tmp_path / "Caddyfile"
        config.write_text(CADDY.format(port=port, upstream=upstream, proxy=proxy))
        command = [binary("caddy", "caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]
        home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(tmp_path))
        async with running(command, port, tmp_path, home) as program:
            yield program

    return start


@pytest.fixture
def during(prober: MakeProber) -> During:
    """Return what probes with patience and acts in mid-stream."""

    async def probe(
        url: str,
        act: Callable[[], object] | None = None,
        **more: Any,  # noqa: ANN401 - see During
    ) -> Observation:
        waiting, came = [act] if act else [], bytearray()

        def save(data: bytes) -> None:
            came.extend(data)
            if waiting and FIRST_OUTPUT in came:
                waiting.pop()()

        fields: dict[str, Any] = {"timeouts": PATIENT, "check": CountCheck(40), **more}
        return await prober(save=save)(target(url, **fields), "cli")

    return probe


@pytest.fixture
def lab_port(lab: Lab) -> int:
    """Return the port of a fault lab."""
    return lab.port
