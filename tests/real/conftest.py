"""The chain of real servers that all of these tests share, and the daemon that is run against it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from tests.real.install import ENVIRONMENTS, GGUF, is_current, stamp_of
from tests.real.servers import INSTALLED, Server, chatchat, llama_server

Event = dict[str, Any]
"""One line of the daemon's log, read."""

STREAMS = 4
"""As many as a test has at a time; the model server has a slot for each."""
PATIENCE = 600.0
"""Seconds after which what a test waits for will never come; an idle machine takes a tenth of that."""
PATIENT = {"connect": "60s", "headers": "8m", "first_chunk": "8m", "idle": "3m", "total": "9m"}
"""Timeouts that a machine which does other things besides does not reach."""
CHECK_EVERY = 0.02
LONGEST_LINE = 1 << 24

CHECKOUT = Path(__file__).parents[2]
INSTALL = "python tests/real/install.py"


def not_installed() -> str:
    """Return which real servers are not installed, and the command that installs them; empty if all are."""
    missing = [name for name in ENVIRONMENTS if not is_current(INSTALLED / name, stamp_of(name))]
    missing += [GGUF] * (not (INSTALLED / GGUF).exists())
    return f"{', '.join(missing)} not installed (or not as required now): {INSTALL}" if missing else ""


async def look_again() -> None:
    """Let a moment pass before another look at a program that tells of nothing by itself."""
    await asyncio.sleep(CHECK_EVERY)


# -- the servers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chain:
    """A model server, and two releases of Langchain-Chatchat that ask it: 0.3.1.3 and 0.3.1.1."""

    model: Server
    new: Server
    old: Server

    async def asked(self, requests: int) -> None:
        """Wait until the model server has so many connections, also if it is frozen."""
        async with asyncio.timeout(PATIENCE):
            while self._connections() < requests:
                await look_again()

    def _connections(self) -> int:
        """Ask the kernel how many there are (proc(5): the local address, its port in hex, and state 01)."""
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{self.model.port:04X}") and row[3] == "01" for row in rows)

    async def streaming(self, streams: int, tokens: int = 10) -> None:
        """Wait until the model server is in the middle of so many answers, each of so many tokens already."""
        async with asyncio.timeout(PATIENCE), ClientSession() as session:
            while sum(length >= tokens for length in await self._lengths(session)) < streams:
                await look_again()

    async def _lengths(self, session: ClientSession) -> list[int]:
        """Ask the model server how many tokens each running answer has."""
        async with session.get(f"{self.model.base_url}/slots") as answer:
            slots = await answer.json()
        return [one["n_decoded"] for slot in slots if slot["is_processing"] for one in slot.get("next_token", ())]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    """Run the three servers, from the first test to the last."""
    scratch = tmp_path_factory.mktemp("servers")
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(llama_server(scratch=scratch, streams=STREAMS))

        def start(version: str) -> asyncio.Task[Server]:
            running = chatchat(INSTALLED, version, model.base_url, scratch=scratch)
            return group.create_task(stack.enter_async_context(running))

        async with asyncio.TaskGroup() as group:
            new, old = start("0.3.1.3"), start("0.3.1.1")
        yield Chain(model, new.result(), old.result())


@pytest_asyncio.fixture(loop_scope="session")
async def chain(servers: Chain) -> Chain:
    """Return the servers in their first state: those that an earlier test stopped or started are restored."""
    await servers.model.restart()
    return servers


# -- the daemon --------------------------------------------------------------------------------------------------------


class Scrape:
    """The numbers of one answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self._samples = [one for family in text_string_to_metric_families(text) for one in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sample with exactly these labels; None if there is none."""
        return next((one.value for one in self._samples if one.name == name and one.labels == labels), None)

    def counted(self, name: str, target: str) -> Counter[tuple[str, ...]]:
        """Return what a counter of a target says, by its other labels in the order of their names, without zeros."""
        return Counter({
            tuple(value for label, value in sorted(one.labels.items()) if label != "target"): int(one.value)
            for one in self._samples
            if one.name == name and one.labels.get("target") == target and one.value
        })  # fmt: skip


@dataclass(slots=True)
class Daemon:
    """A running `chat-monitor run`, and the lines that it has written."""

    process: asyncio.subprocess.Process
    errors: Path
    targets: tuple[str, ...]
    lines: list[Event] = field(default_factory=list)
    gone: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def probes(self) -> list[Event]:
        """Every probe's event, in their order."""
        return [line for line in self.lines if line["event"] == "probe"]

    def of(self, target: str) -> list[Event]:
        """Every event of one target, in their order."""
        return [probe for probe in self.probes if probe["target"] == target]

    async def read(self) -> None:
        """Read its lines until it has gone."""
        assert self.process.stdout is not None, "it was started with a pipe"
        try:
            async for line in self.process.stdout:
                self.lines.append(json.loads(line))
                self._changed.set()
        finally:
            self.gone = True
            self._changed.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until what it has written is enough; on giving up, say what it has written."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not enough() and not self.gone:
                    self._changed.clear()
                    await self._changed.wait()
        if not enough():
            events = [{key: line[key] for key in line if key != "timeline"} for line in self.lines]
            pytest.fail(f"waited in vain; it said {events} and {self.errors.read_text()}")

    async def first_of_each(self) -> dict[str, Event]:
        """Return the event of the first probe of every target."""
        await self.until(lambda: all(self.of(target) for target in self.targets))
        return {target: self.of(target)[0] for target in self.targets}

    async def asked(self, path: str) -> str:
        """Return one of its pages."""
        address = next(line["address"] for line in self.lines if line["event"] == "started")
        async with ClientSession() as session, session.get(f"http://{address}{path}") as answer:
            assert answer.status == 200
            return await answer.text()

    async def scrape(self) -> Scrape:
        """Read `/metrics` once."""
        return Scrape(await self.asked("/metrics"))

    async def suspects(self, event: Event) -> dict[str, str]:
        """Return the current suspects of a probe with their evidence; later evidence is included."""
        now = json.loads(await self.asked(f"/api/v1/probes/{event['probe_id']}"))
        return {one["suspect"]: one["because"] for one in now.get("diagnosis", [])}

    async def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def watching(
    folder: Path, targets: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any]
) -> AsyncIterator[Daemon]:
    """Run the daemon on these targets; it is at work once this comes back, and gone once it is left."""
    config = folder / "config.toml"
    config.write_text(_config(targets, defaults))
    errors = folder / "stderr"
    with errors.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "monitor", "run", "--config", str(config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            cwd=CHECKOUT,
            limit=LONGEST_LINE,
        )
    daemon = Daemon(process, errors, tuple(target["name"] for target in targets))
    reading = asyncio.create_task(daemon.read())
    try:
        await daemon.until(lambda: any(line["event"] == "started" for line in daemon.lines))
        yield daemon
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading


def _config(targets: Collection[Mapping[str, Any]], defaults: Mapping[str, Any]) -> str:
    parts = {
        "web": {"listen": "127.0.0.1:0"},
        "log": {"timeline": True},
        "defaults": {**defaults, "timeouts": PATIENT | defaults.get("timeouts", {})},
        "targets": targets,
    }
    return "".join(f"{name} = {_toml(part)}\n" for name, part in parts.items())


def _toml(value: object) -> str:
    """Write a value as TOML, whose strings and numbers are those of JSON."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(held)}" for key, held in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
