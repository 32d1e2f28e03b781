"""The two programs of a soak, the lab and the daemon, as real processes, with their limits and signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.soak.attackers import users
from tests.soak.clients import HOST, Response, fetch
from tests.soak.fleet import Endpoints
from tests.soak.ledger import parsed
from tests.soak.report import Held

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"fault lab on (http://\S+)/ ")


@asynccontextmanager
async def lab(log: Path) -> AsyncIterator[tuple[Endpoints, int]]:
    """Run the lab; yield its endpoints and its process id."""
    command = (sys.executable, "-m", "monitor", "lab", "--listen", f"{HOST}:0")
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=out, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        found = ADDRESS.search((await process.stderr.readline()).decode())
        assert found is not None, "the lab prints its address"
        yield await _endpoints(found[1]), process.pid
    finally:
        process.terminate()
        await process.communicate()


async def _endpoints(url: str) -> Endpoints:
    port = urlsplit(url).port or 0
    report = json.loads((await fetch(port, "/", more="Accept: application/json\r\n")).body)["tls"]
    place = Path(report["ca_file"]).parent
    files = {"ca_file": report["ca_file"], "cert_file": str(place / "client.pem"), "key_file": str(place / "key.pem")}
    return Endpoints(url, {fault["name"]: fault["url"] for fault in report["faults"]}, files)


@dataclass(slots=True)
class Daemon:
    """One running process of the daemon."""

    process: asyncio.subprocess.Process
    port: int
    log: Path
    stdout: asyncio.StreamReader

    async def fetch(self, path: str, method: str = "GET", more: str = "") -> Response:
        """Request one of its pages."""
        return await fetch(self.port, path, method, more)

    async def scrape(self) -> dict[str, float]:
        """Return the samples of its metrics by series."""
        return parsed((await self.fetch("/metrics")).body.decode())

    async def ready(self, within: float) -> bool:
        """Wait until it is ready; whether it was in time."""
        for _ in range(int(within / 0.1)):
            if self.process.returncode is not None:
                return False
            if (await self.fetch("/-/ready")).status == 200:
                return True
            await asyncio.sleep(0.1)
        return False

    @property
    def complaints(self) -> list[str]:
        """Return its lines on standard error, except warnings about its config."""
        lines = self.log.with_suffix(".err").read_text(errors="replace").splitlines()
        return [line for line in lines if "warning" not in line]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def descriptors(self) -> int:
        """Return the number of its open descriptors."""
        return len(tuple(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    async def held(self) -> Held:
        """Return its descriptors, tasks and threads."""
        self.signal(signal.SIGUSR2)
        report = json.loads(await self.stdout.readline())
        return Held(self.descriptors(), tuple(report["tasks"]), report["threads"])

    @contextmanager
    def limited(self, what: int, soft: int) -> Iterator[None]:
        """Lower one of its limits for a while."""
        before = resource.prlimit(self.process.pid, what)
        resource.prlimit(self.process.pid, what, (soft, before[1]))
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                resource.prlimit(self.process.pid, what, before)

    def disk_full(self) -> AbstractContextManager[None]:
        """Let its log grow by only 300 bytes: the next write stores a part of a line, and every later one fails."""
        return self.limited(resource.RLIMIT_FSIZE, self.log.stat().st_size + 300)

    def no_descriptors(self) -> AbstractContextManager[None]:
        """Let it open only two more descriptors."""
        return self.limited(resource.RLIMIT_NOFILE, self.descriptors() + 2)

    async def ended(self, within: float) -> int | None:
        """Wait for its end and return its status; None if it did not end."""
        try:
            async with asyncio.timeout(within):
                return await self.process.wait()
        except TimeoutError:
            return None


@asynccontextmanager
async def daemon(config: Path, port: int, log: Path) -> AsyncIterator[Daemon]:
    """Run the daemon with its log in a file; kill it at the end if it still runs."""
    read_end, write_end = os.pipe()
    options = ("--config", str(config), "--web.config.file", str(users(config.parent)))
    command = (sys.executable, "-m", "tests.soak.hosted", str(write_end), "run", *options)
    reader = asyncio.StreamReader()
    with (
        os.fdopen(read_end, "rb") as source,
        os.fdopen(write_end, "wb"),
        log.open("ab") as out,
        log.with_suffix(".err").open("ab") as err,
    ):
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), source
        )
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=out, stderr=err, pass_fds=(write_end,)
        )
        try:
            yield Daemon(process, port, log, reader)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            transport.close()


def runqueue_wait(pid: int) -> float:
    """Return for how many seconds so far the main thread of a process was runnable and waited for a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
