"""Start the proxies of Debian between a monitor and a chat server, and an upstream that can be killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READY_WITHIN = 60.0
CHECK_EVERY = 0.02
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", str(ROOT / ".real" / "proxies" / "bin")))
"""Debian puts servers where a user's PATH does not look; `make proxies` installs those of PyPI."""
NGINX_TEMP_PATHS = "".join(f"{name}_temp_path {name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
"""For nginx' http block: Debian's own paths need root. They are relative to the prefix, `-p`."""


@dataclass(frozen=True, slots=True)
class Program:
    """One real program at work on a port of loopback."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """The URL at which it listens."""
        return f"http://127.0.0.1:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program only."""
        self.process.send_signal(number)


def binary(name: str, package: str = "") -> str:
    """Return the path of a program, of Debian's package or else of PyPI; skip the test if it is not installed."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        pytest.skip(f"{name} is not installed: {f'apt-get install {package}' if package else 'make proxies'}")
    return found


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


@asynccontextmanager
async def running(
    command: Sequence[str],
    port: int,
    place: Path,
    env: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Program]:
    """Start a program and wait for its port, with `tls` for its certificate as well; end it with the context."""
    log = place / "log"
    process = started(command, place, log, {**os.environ, **(env or {})})
    try:
        await listening(process, port, log, tls=tls)
        yield Program(process, port, log)
    finally:
        end(process)


def started(command: Sequence[str], place: Path, log: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program that writes to `log`."""
    with log.open("w") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, cwd=place, env=env, text=True)


def _said(log: Path) -> str:
    return log.read_text()


async def listening(
    process: subprocess.Popen[str],
    port: int,
    log: Path,
    within: float = READY_WITHIN,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Return when somebody listens there; what is waited for is another program.

    With `tls` it has to have its certificate: traefik listens before, and has one of its own until then.
    """
    async with asyncio.timeout(within):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
                writer.transport.abort()
                return
            assert process.poll() is None, _said(log)
            await asyncio.sleep(CHECK_EVERY)


def end(process: subprocess.Popen[str]) -> None:
    """End the program, by force if necessary, with all its processes."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@asynccontextmanager
async def upstream() -> AsyncIterator[Program]:
    """Run the fault lab in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("upstream.py"))]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as process:  # noqa: ASYNC220 - as above
        assert process.stdout is not None
        try:
            yield Program(process, int(process.stdout.readline()), Path())
        finally:
            end(process)
