"""The cost of a probe for the event loop with a history, and the time of pages that read a large one.

Run as `python -m benchmarks.history [CHUNKS ...]`. For each size of a stream 500 probes end 10 ms apart, without a
history and with one: `call` is the loop's time for one of them, `late` how much later than asked for the loop comes
back from a millisecond's sleep, `thread` what the writing thread takes of a core for record, compression and SQLite.

Run as `python -m benchmarks.history --pages [PROBES]`. A file of a million probes of a hundred targets is made, and
each page is fetched over HTTP; ten times; the processor's time
has the client's in it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from aiohttp import ClientSession

from benchmarks.exposition import observation
from monitor.daemon.web import history_reader
from monitor.record.observation import Observation
from monitor.record.probe_event import read
from monitor.settings import HistorySettings
from monitor.sinks.history import HistoryCallbacks, HistorySink, row
from monitor.sinks.history_queries import of_each, states
from monitor.sinks.history_store import Store
from monitor.sinks.memory import RecentProbes
from monitor.target import Record, Target
from monitor.web.app import application
from monitor.web.server import serve
from monitor.web.source import Source

PROBES, APART, NAP = 500, 0.01, 0.001
AGES = 1e12


def probe(chunks: int) -> Observation:
    """Return a chat with this number of chunks."""
    return observation(Target("gateway", "openai-chat", "http://127.0.0.1/", model="m"), cut=True, chunks=chunks)


async def ended(seen: Observation, sink: Callable[[Observation], None]) -> tuple[list[float], list[float]]:
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
        one = replace(seen, probe_id=str(number))
        before = time.perf_counter()
        sink(one)
        calls.append(time.perf_counter() - before)
        await asyncio.sleep(APART)
    nap.cancel()
    return calls, late


def told(name: str, calls: list[float], late: list[float], thread: float = 0.0) -> None:
    """Print one row."""
    call, lag = quantiles(calls, n=100), quantiles(late, n=1000)
    print(
        f"{name:<24} call p50 {call[49] * 1e6:5.1f} us  p99 {call[98] * 1e6:5.1f} us   "
        f"late p50 {lag[499] * 1e3:.2f} ms  p99 {lag[989] * 1e3:.2f} ms   thread {thread / PROBES * 1e3:.2f} ms"
    )


def main(sizes: list[int]) -> None:
    """Measure each size."""
    for chunks in sizes:
        seen = probe(chunks)
        told(f"{chunks} chunks", *asyncio.run(ended(seen, lambda _: None)))
        with TemporaryDirectory() as place:
            nothing = HistoryCallbacks(*[lambda _: None] * 5)
            sink = HistorySink(Path(place) / "history.db", HistorySettings(max_age=AGES), nothing)
            (writer,) = (one for one in threading.enumerate() if one.name == "history-writer")
            clock = time.pthread_getcpuclockid(writer.ident or 0)
            calls, late = asyncio.run(ended(seen, sink))
            told(f"{chunks} chunks, history", calls, late, time.clock_gettime(clock))
            sink.close(60.0)


# -- pages over a large file -------------------------------------------------------------------------------------------

TARGETS, EVERY, MOST = 100, 60.0, 1 << 40
PAGES = (
    "/", "/?group=host", "/targets/t7", "/targets/t7?from=now-1h",
    "/targets/t7?from=now-7d", "/targets/t7?from=now-90d",
    "/probes/{probe}", "/failures", "/failures?cause=reset", "/api/v1/targets", "/api/v1/targets/t7", "/api/v1/probes",
    "/api/v1/probes?failed=true", "/api/v1/probes/{probe}",
)  # fmt: skip


def watched() -> list[Target]:
    """Return the targets."""
    return [Target(f"t{number}", "openai-chat", "http://127.0.0.1/", model="m") for number in range(TARGETS)]


def fill(path: Path, number: int) -> str:
    """Make a file of this many probes, every twentieth of them cut; return the id of one in its middle."""
    made = [row(observation(watched()[0], cut=cut, chunks=40), Record.FULL, 1 << 20) for cut in (False, True)]
    each, now = number // TARGETS, time.time()
    settings = HistorySettings(max_bytes=MOST, max_age=AGES, probes_per_target=number, failures_per_target=0)
    with closing(Store(path, settings)) as store:
        for place in range(0, each, 100):
            rows = [
                replace(
                    made[(at + target) % 20 == 0],
                    probe_id=f"{target}-{at}",
                    target=f"t{target}",
                    timestamp=now - (each - at) * EVERY,
                )
                for at in range(place, min(place + 100, each))
                for target in range(TARGETS)
            ]
            store.keep(rows, now)
    return f"7-{each // 2}"


async def fetched(path: Path, probe_id: str) -> dict[str, tuple[float, float]]:
    """Return for each page the seconds of ten answers: the slowest by the clock, the median CPU time."""
    recent, targets = RecentProbes(TARGETS), watched()
    events = of_each(path, recent.each)
    recent.restore(targets, {name: [read(event) for event in found] for name, found in events.items()}, states(path))
    source = Source(
        targets=lambda: targets,
        recent=recent.of,
        find=recent.find,
        memory=recent.memory,
        ready=lambda: True,
        metrics=lambda _: ([], ""),
        counted=lambda *_: None,
        started=datetime.now(UTC),
        history=history_reader(str(path)),
    )
    server, found = await serve(application(source), [("127.0.0.1", 0)]), dict[str, tuple[float, float]]()
    async with ClientSession(f"http://127.0.0.1:{server.port}") as session:
        for page in PAGES:
            times = list[tuple[float, float]]()
            for _ in range(10):
                clock, processor = time.perf_counter(), time.process_time()
                async with session.get(page.format(probe=probe_id)) as answer:
                    await answer.read()
                    assert answer.status == HTTPStatus.OK, page
                times.append((time.perf_counter() - clock, time.process_time() - processor))
            found[page] = max(one for one, _ in times), median(one for _, one in times)
    await server.close()
    return found


def pages(number: int) -> None:
    """Measure every page."""
    with TemporaryDirectory() as place:
        path = Path(place) / "history.db"
        before = time.perf_counter()
        probe_id = fill(path, number)
        print(f"{number:,} probes, {path.stat().st_size / 1e6:,.0f} MB, made in {time.perf_counter() - before:.0f} s")
        for page, (slowest, processor) in asyncio.run(fetched(path, probe_id)).items():
            print(f"{page:<32} slowest {slowest * 1e3:7.1f} ms, processor {processor * 1e3:6.1f} ms")


if __name__ == "__main__":
    if "--pages" in sys.argv:
        pages(int((sys.argv[2:] or ["1000000"])[0]))
    else:
        main([int(size) for size in sys.argv[1:]] or [40, 400])
