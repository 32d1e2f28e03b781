"""What a probe costs the loop if a history is kept.

Run as `python -m benchmarks.history [CHUNKS ...]`. For each size of a stream 500 probes end 10 ms apart, without a
history and with one: `call` is the loop's time for one of them, `late` how much later than asked for the loop comes
back from a millisecond's sleep, `thread` what the writing thread takes of a core for record, compression and SQLite.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from benchmarks.exposition import observation
from monitor.record.observation import Observation
from monitor.settings import HistorySettings
from monitor.sinks.history import HistoryCallbacks, HistorySink
from monitor.target import Target

PROBES, APART, NAP = 500, 0.01, 0.001
AGES = 1e12


def probe(chunks: int) -> Observation:
    """Return a chat of so many chunks."""
    return observation(Target("gateway", "openai-chat", "http://127.0.0.1/", model="m"), cut=True, chunks=chunks)


async def ended(observation: Observation, sink: Callable[[Observation], None]) -> tuple[list[float], list[float]]:
    """Have probes end one after the other; return the time of each call and how late the loop was, in seconds."""
    calls: list[float] = []
    late: list[float] = []

    async def napping() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(NAP)
            late.append(time.perf_counter() - before - NAP)

    nap = asyncio.create_task(napping())
    for number in range(PROBES):
        one = replace(observation, probe_id=str(number))
        before = time.perf_counter()
        sink(one)
        calls.append(time.perf_counter() - before)
        await asyncio.sleep(APART)
    nap.cancel()
    return calls, late


def report(name: str, calls: list[float], late: list[float], thread: float = 0.0) -> None:
    """Print one row."""
    call, lag = quantiles(calls, n=100), quantiles(late, n=1000)
    print(
        f"{name:<24} call p50 {call[49] * 1e6:5.1f} us  p99 {call[98] * 1e6:5.1f} us   "
        f"late p50 {lag[499] * 1e3:.2f} ms  p99 {lag[989] * 1e3:.2f} ms   thread {thread / PROBES * 1e3:.2f} ms"
    )


def main(sizes: list[int]) -> None:
    """Measure each size."""
    for chunks in sizes:
        observation = probe(chunks)
        report(f"{chunks} chunks", *asyncio.run(ended(observation, lambda _: None)))
        with TemporaryDirectory() as place:
            nothing = HistoryCallbacks(*[lambda _: None] * 5)
            sink = HistorySink(Path(place) / "history.db", HistorySettings(max_age=AGES), nothing)
            (writer,) = (one for one in threading.enumerate() if one.name == "history-writer")
            clock = time.pthread_getcpuclockid(writer.ident or 0)
            calls, late = asyncio.run(ended(observation, sink))
            report(f"{chunks} chunks, history", calls, late, time.clock_gettime(clock))
            sink.close(60.0)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [40, 400])
