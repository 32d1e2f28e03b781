"""The common parts of the Python clients: slots that send requests, a record of every read, a blocked loop."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

PATH = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "bench", "messages": [{"role": "user", "content": "Count."}], "stream": True}
_GRACE = 10.0
_LEAD = 0.5
SETTLE = 0.5
"""Seconds before the records are stored, which is not part of the client's work."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a client is asked to do: `streams` slots that start within `spread` seconds ask `rounds` times.

    Two requests of a slot are `interval` seconds apart.

    The answer has `chunks` events of `event` bytes each, in `event_on_wire` bytes of HTTP. The loop is held up for
    `block` seconds every `block_every`. `http` is the version that is spoken.
    """

    origin: str
    query: dict[str, int]
    streams: int
    spread: float
    interval: float
    rounds: int
    event: int
    event_on_wire: int
    out: str
    ca_file: str | None = None
    block: float = 0.0
    block_every: float = 0.2
    http: str = "1.1"

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"{self.origin}{PATH}?{self.query_text}"

    @property
    def query_text(self) -> str:
        """The schedule, in the form that the server reads."""
        return "&".join(f"{name}={value}" for name, value in self.query.items())

    @property
    def starts(self) -> list[float]:
        """When each slot starts, in seconds from the first possible time; the same in each run.

        The times are random, as the phases of the daemon's targets are. Evenly spaced ones put the chunks in step: of
        200 streams over 5 s with a chunk each 40 ms, 25 chunks come at once, and a client wakes once for all of them.
        """
        random = Random(1)  # noqa: S311 - nothing is secret
        return [self.spread * random.random() for _ in range(self.streams)]

    def dump(self) -> str:
        """Return it as an argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls) -> Load:
        """Return the load from the command's argument."""
        return cls(**json.loads(sys.argv[1]))


class Reads:
    """A client's record of one stream: the time of the request, and after each read the clock and the payload."""

    __slots__ = ("offsets", "times", "total", "zero")

    def __init__(self) -> None:
        self.zero = 0
        self.total = 0
        self.times = array("q")
        self.offsets = array("q")

    def start(self) -> None:
        """Note that the request is issued now."""
        self.zero = time.monotonic_ns()

    def read(self, size: int) -> None:
        """Note that `size` bytes of payload were read by now."""
        self.times.append(time.monotonic_ns())
        self.total += size
        self.offsets.append(self.total)


Ask = Callable[[str, Reads], Awaitable[None]]
"""Send one request with the request id, and record the reads."""


class Slots:
    """Runs the load with one kind of client."""

    def __init__(self, load: Load, ask: Ask) -> None:
        self._load, self._ask = load, ask
        self._all: list[Reads] = []
        self._failures: Counter[str] = Counter()

    async def run(self) -> None:
        """Run it to its end, or to a deadline; store the records."""
        load = self._load
        began = time.monotonic() + _LEAD
        holding = asyncio.create_task(hold_up(load.block, load.block_every)) if load.block else None
        limit = _LEAD + load.spread + load.rounds * load.interval + _GRACE
        try:
            async with asyncio.timeout(limit):
                await asyncio.gather(*(self._slot(began + start) for start in load.starts))
        except TimeoutError:
            self._failures["unfinished"] += 1
        if holding is not None:
            holding.cancel()
        time.sleep(SETTLE)  # noqa: ASYNC251 - the loop has no more to do
        self._store()

    async def _slot(self, began: float) -> None:
        for number in range(self._load.rounds):
            await asyncio.sleep(began + number * self._load.interval - time.monotonic())
            reads = Reads()
            self._all.append(reads)
            try:
                await self._ask(str(len(self._all) - 1), reads)
            except Exception as error:  # noqa: BLE001 - a client that fails under load is a finding, not a crash
                self._failures[type(error).__name__] += 1

    def _store(self) -> None:
        records = array("q")
        for number, reads in enumerate(self._all):
            records.extend((number, 0, reads.zero, number, 0))
            for at, offset in zip(reads.times, reads.offsets, strict=True):
                records.extend((number, 1, offset, at, 0))
        Path(self._load.out).write_bytes(records.tobytes())
        Path(f"{self._load.out}.failures").write_text(json.dumps(self._failures))


async def hold_up(seconds: float, every: float) -> None:
    """Block the event loop repeatedly, as a slow callback does."""
    while True:
        await asyncio.sleep(every - seconds)
        time.sleep(seconds)  # noqa: ASYNC251 - that is the point


def run(ask: Ask, load: Load) -> None:
    """Run the load with `ask` in a loop of its own."""
    allow_files()
    asyncio.run(Slots(load, ask).run())


def allow_files() -> None:
    """Allow as many descriptors as the system does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def body() -> bytes:
    """Return the request's body."""
    return json.dumps(BODY).encode()


def say(*words: object) -> None:
    """Print a message to standard error; standard output is read by the benchmark."""
    os.write(2, (" ".join(map(str, words)) + "\n").encode())
