"""A running daemon and its targets, for the tests of the daemon, of reload and of systemd."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from monitor.config import Config, load
from monitor.daemon.app import watch
from monitor.daemon.parts import Load
from monitor.daemon.signals import Signals
from monitor.settings import Settings, Web
from monitor.target import Target
from monitor.web.access import Access
from tests.conftest import target

QUICK_OK = "/openai-chat/ok?gap=1ms&ttfc=1ms"
QUICK_CUT = "/openai-chat/cut?gap=1ms&ttfc=1ms"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


@dataclass
class Running:
    """A running daemon: its address, its signals, and its log lines."""

    base: str
    signals: Signals
    task: asyncio.Task[None]
    stdout: asyncio.StreamReader

    async def line(self, **wanted: str) -> dict[str, Any]:
        """Return the next line that has these values."""
        while line := await self.stdout.readline():
            event: dict[str, Any] = json.loads(line)
            if wanted.items() <= event.items():
                return event
        raise AssertionError(f"the log ended without {wanted}")

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page."""
        return await self._fetched("GET", path)

    async def post(self, path: str) -> tuple[int, str]:
        """Send a POST, and return status and body of the response."""
        return await self._fetched("POST", path)

    async def _fetched(self, method: str, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.request(method, self.base + path) as response:
            return response.status, await response.text()

    async def metric(self, series: str) -> float | None:
        """Return the value of a series in a scrape; None if it is absent."""
        _, text = await self.get("/metrics")
        values = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{series} ")]
        return float(values[0]) if values else None

    async def until(self, series: str, value: float) -> None:
        """Scrape until a series has this value."""
        while await self.metric(series) != value:
            continue


@asynccontextmanager
async def running(
    *targets: Target,
    settings: Settings | None = None,
    load: Load | None = None,
    config: Config | None = None,
    access: Access | None = None,
) -> AsyncIterator[Running]:
    """Yield a daemon that probes these targets, or those of a config; it is stopped at once if it has not ended."""
    loop = asyncio.get_running_loop()
    signals, port, reader = Signals(), loop.create_future(), asyncio.StreamReader()
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "w") as stdout:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        config = config or Config(settings or Settings(web=Web(("127.0.0.1:0",))), targets)
        task = asyncio.create_task(
            watch(config, signals, stdout=stdout, load=load, access=access, listening=port.set_result)
        )
        try:
            await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            yield Running(f"http://127.0.0.1:{port.result()}", signals, task, reader)
        finally:
            signals.stop.set()
            signals.hurry.set()
            await asyncio.wait({task})
            transport.close()


def named(name: str, url: str, **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target that is probed once, at the start."""
    return target(url, name=name, interval=3600.0, **more)


class ConfigFile:
    """A config that a test writes, and that a daemon reloads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = 0

    def write(self, *targets: str, rest: str = "") -> None:
        """Write it with these targets and the other tables."""
        self.path.write_text("\n".join(('[web]\nlisten = "127.0.0.1:0"', rest, *targets)))

    def __call__(self) -> Config:
        """Read it."""
        self.reads += 1
        return load(self.path, os.environ)

    async def first(self) -> Config:
        """Read it as the command does before the daemon runs."""
        return await asyncio.to_thread(self)


def watched(name: str, url: str, *more: str) -> str:
    """Return the table of a target that is probed once, at the start."""
    keys = (f'name = "{name}"', f'url = "{url}"', 'protocol = "openai-chat"', 'model = "lab"', 'interval = "1h"')
    return "\n".join(("[[targets]]", *keys, *(more or ('check = "none"',))))


async def reloaded(daemon: Running) -> None:
    """Reload the daemon, and check that it succeeded."""
    assert await daemon.post("/-/reload") == (200, "reloaded.\n")
