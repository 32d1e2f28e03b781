"""A real daemon with few descriptors, to whose pages many clients connect without a request."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

from monitor.lab.peer import peer
from monitor.lab.steps import Send
from tests.daemons import HEAD, HI, STOP

CLIENTS = 300
DESCRIPTORS = 256
_SCRAPES = _PROBES = 20
_TARGETS = 5
_MOST_LINES = 30
"""Lines of the log besides those of probes: how it starts, and a kind of message that repeats."""


async def test_idle_clients_cost_no_probe_no_scrape_and_few_lines(tmp_path: Path) -> None:
    """300 clients that come back whenever they are closed, at 256 descriptors: scrapes and probes go on as before."""
    async with peer((Send(HEAD + HI + STOP + b"data: [DONE]\n\n"),)) as server:
        config = tmp_path / "config.toml"
        config.write_text(
            '[web]\nlisten = "127.0.0.1:0"\n'
            + "".join(
                f'[[targets]]\nname = "t{number}"\nprotocol = "openai-chat"\nmodel = "m"\n'
                f'url = "{server.url}/v1/chat/completions"\ninterval = "1s"\ncheck = "none"\n'
                for number in range(_TARGETS)
            )
        )
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "monitor", "run", "--config", str(config)),
            stdout=PIPE,
            limit=1 << 20,
            preexec_fn=_few_descriptors,  # nothing else knows the process before it listens
        )
        assert run.stdout is not None
        lines: list[dict[str, str]] = []
        clients: list[asyncio.Task[None]] = []
        try:
            while not lines or lines[-1]["event"] != "started":
                lines.append(json.loads(await run.stdout.readline()))
            port = int(lines[-1]["address"].rpartition(":")[2])
            clients = [asyncio.create_task(_come_back(port)) for _ in range(CLIENTS)]
            scraping = asyncio.create_task(_scrapes(port))
            outcomes: list[str] = []
            while len(outcomes) < _PROBES or not scraping.done():
                lines.append(json.loads(await run.stdout.readline()))
                outcomes += [lines[-1]["outcome"]] if lines[-1]["event"] == "probe" else []
            assert await scraping == [b"HTTP/1.1 200 OK\r\n"] * _SCRAPES
        finally:
            for one in clients:
                one.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
            run.kill()
            await run.communicate()  # a pipe that is not read to its end stays open
    assert set(outcomes) == {"ok"}
    others = [line for line in lines if line["event"] != "probe"]
    assert others[0]["event"] == "too few file descriptors"
    assert len(others) < _MOST_LINES


def _few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


async def _come_back(port: int) -> None:
    """Connect, ask nothing, and connect again when that is closed."""
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as client, suppress(OSError):
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_recv(client, 1)


async def _scrapes(port: int) -> list[bytes]:
    """Scrape again and again; return the status lines."""
    return [await _scrape(port) for _ in range(_SCRAPES)]


async def _scrape(port: int) -> bytes:
    """Scrape once, as Prometheus does over a connection of its own; return the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status = await reader.readline()
    await reader.read()
    writer.close()
    return status
