"""Our own daemon, all of it, with three hooks of the benchmark's: a probe's absolute zero, a held-up loop, the spread.

daemon.py OPTIONS run --config FILE ...: OPTIONS are those of `Hooks`, as JSON; the rest is `chat-monitor`'s own command
line. Nothing of this is in the product. When it stops, what every timeline holds is stored for the comparison.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.load import SETTLE, allow_files, hold_up
from monitor import schedule
from monitor.cli import main as cli
from monitor.daemon import app as daemon
from monitor.http.exchange import Exchange
from monitor.stream.endings import Mark
from monitor.stream.recorder import Recorder
from monitor.stream.recording import Arrival, Kind, Recording
from monitor.stream.statistics import first_chunk, gaps

_BILLION = 1_000_000_000
Probe = tuple[str, float, Recorder]
"""The request's id, the monotonic time of its zero, and its recorder."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where to store what was seen; how long the loop is held up, and how often; over how long the first probes go."""

    out: str
    block: float = 0.0
    block_every: float = 0.2
    spread: float | None = None


def keep_zeros(probes: list[Probe]) -> None:
    """Note the zero and the timeline of every request; that costs the daemon one entry of a list a probe."""
    plain = Exchange.run

    async def run(exchange: Exchange, session: Any) -> Any:  # noqa: ANN401 - as the method has it
        try:
            return await plain(exchange, session)
        finally:
            probes.append((exchange.request.headers["X-Request-ID"], exchange.clock.zero, exchange.recorder))

    Exchange.run = run  # type: ignore[assignment,method-assign]


def hold_loop_up(hooks: Hooks) -> None:
    """Block the daemon's loop as configured."""
    plain = daemon.watch

    async def watch(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the function has it
        task = asyncio.create_task(hold_up(hooks.block, hooks.block_every))
        try:
            await plain(*args, **kwargs)
        finally:
            task.cancel()

    daemon.watch = watch


def store(out: str, probes: Iterable[Probe]) -> None:
    """Write every output event with its time and uncertainty, and every gap as the product derives it."""
    records, found, ids = array("q"), array("q"), []
    for stream, (request_id, zero, recorder) in enumerate(probes):
        recording = recorder.finish()
        ids.append(request_id)
        records.extend((stream, 0, _ns(zero), stream, 0))
        outputs = list(enumerate(_outputs(recording), 1))
        for number, at in outputs:
            records.extend((stream, 2, number, _ns(zero + at.time), _ns(at.uncertainty)))
        if (first := first_chunk(recording)) is not None:
            records.extend((stream, 3, 1, _ns(zero + first.time), _ns(first.uncertainty)))
        reads = [[number for number, _ in read] for _, read in groupby(outputs, key=lambda one: one[1].offset)]
        stood = max(recording.marks.get(Mark.CONNECT, 0.0), recording.marks.get(Mark.TLS, 0.0))
        records.extend((stream, 4, 0, _ns(zero + stood), 0))
        for before, after, (gap, uncertainty) in zip(reads, reads[1:], gaps(recording), strict=False):
            found.extend((stream, before[-1], after[0], _ns(gap), _ns(uncertainty)))
    Path(out).write_bytes(records.tobytes())
    Path(f"{out}.gaps").write_bytes(found.tobytes())
    Path(f"{out}.ids").write_text("".join(f"{one}\n" for one in ids))


def _outputs(recording: Recording) -> Iterator[Arrival]:
    return (at for at, kind, _ in recording.events if kind is Kind.OUTPUT)


def _ns(seconds: float) -> int:
    return round(seconds * _BILLION)


def main() -> None:
    """Run the daemon with the hooks."""
    hooks = Hooks(**json.loads(sys.argv.pop(1)))
    probes: list[Probe] = []
    allow_files()
    keep_zeros(probes)
    if hooks.block:
        hold_loop_up(hooks)
    if hooks.spread is not None:
        assert schedule.SPREAD  # an assignment alone would make a new name of one that is gone
        schedule.SPREAD = hooks.spread
    try:
        cli.main()
    finally:
        time.sleep(SETTLE)
        store(hooks.out, probes)


if __name__ == "__main__":
    main()
