"""Run one client under one load, against its own server, and sample its resources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import cells, machine
from benchmarks.cells import Cell
from benchmarks.compare import Event, Gap, Reported, busiest, compare, ended, reported
from benchmarks.load import Load
from benchmarks.server import Certificate, Server, Tools, Truth, serving, truths

ROOT = Path(__file__).parent.parent
BILLION = 1_000_000_000
_LOOK_EVERY = 0.02
_MORE_ROUNDS = 2
"""The daemon's targets move from their first start to that of their phases; until then the load is lower."""
_PATIENCE = 60.0
_MODULES = {
    cells.AIOHTTP: ("plain_aiohttp", "aiohttp"),
    cells.HTTPX: ("httpx_bytes", "httpx"),
    cells.OPENAI: ("openai_sdk", "openai"),
    cells.BARE: ("bare_asyncio", "asyncio"),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """The common settings of all runs."""

    tools: Tools
    certificate: Certificate | None
    directory: Path
    realtime: bool = False
    """Server and clients have real-time priority, for a machine with other work."""


def missing(client: str) -> str | None:
    """Return the packages that `client` needs and that are not installed, or None."""
    package = _MODULES.get(client, ("", ""))[1]
    return package if package and find_spec(package) is None else None


def measure(bench: Bench, cell: Cell, client: str) -> list[dict[str, object]]:
    """Run `client` under the load of `cell`; return its figures, those of the floor twice: by stamps, by the clock."""
    out = bench.directory / "client"
    for old in bench.directory.glob("client*"):
        old.unlink()
    before, log = machine.load(), bench.directory / "served"
    with serving(bench.tools, log, bench.certificate if cell.tls else None) as server:
        _place(server.process.pid, machine.cores()[0], bench.realtime)
        run = {cells.FLOOR: _floor, cells.DAEMON: _daemon, cells.DAEMON_JSON: _daemon}.get(client, _in_python)
        samples, more = run(bench, cell, client, server, out)
    true = truths(log)
    shared = {"cell": cell.name, "load": before, **_cost(samples, true, cell.interval), **more}
    return [
        {**shared, "client": name, **compare(true, _reported(path, true, server.event, cell, client))}
        for name, path in ([*_both(out)] if client == cells.FLOOR else [(client, out)])
    ]


def _both(out: Path) -> Iterator[tuple[str, Path]]:
    yield f"{cells.FLOOR}, kernel's stamps", Path(f"{out}.kernel")
    yield f"{cells.FLOOR}, clock at the read", Path(f"{out}.clock")


def _reported(path: Path, true: Mapping[str, Truth], event: int, cell: Cell, client: str) -> list[Reported]:
    if client == cells.DAEMON_JSON:
        return from_json(Path(f"{path}.log"), true)
    return reported(path, event, cell.chunks)


# -- the clients -------------------------------------------------------------------------------------------------------

Watched = tuple[list[machine.Sample], dict[str, object]]


def _floor(bench: Bench, cell: Cell, _client: str, server: Server, out: Path) -> Watched:
    numbers = (cell.streams, round(cell.spread * 1e6), round(cell.interval * 1e6), cell.rounds)
    path = f"/v1/chat/completions?{'&'.join(f'{name}={value}' for name, value in cell.query.items())}"
    version = [cell.http] if cell.http == "2" else []
    command = [str(bench.tools.floor), str(server.port), path, *map(str, numbers), str(out), *version]
    return _watch(bench, command, cell), {}


def _in_python(bench: Bench, cell: Cell, client: str, server: Server, out: Path) -> Watched:
    load = Load(
        origin=server.origin,
        query=cell.query,
        streams=cell.streams,
        spread=cell.spread,
        interval=cell.interval,
        rounds=cell.rounds,
        event=server.event,
        event_on_wire=server.event_on_wire,
        out=str(out),
        ca_file=str(bench.certificate.chain) if cell.tls and bench.certificate else None,
        block=cell.block,
        http=cell.http,
    )
    samples = _watch(bench, [sys.executable, "-m", f"benchmarks.clients.{_MODULES[client][0]}", load.dump()], cell)
    return samples, {"failures": json.loads(Path(f"{out}.failures").read_text())}


def _daemon(bench: Bench, cell: Cell, client: str, server: Server, out: Path) -> Watched:
    """Run the whole daemon, its log to a file; it is asked to stop after the last round and drains."""
    config = bench.directory / "client.toml"
    ca_file = bench.certificate.chain if cell.tls and bench.certificate else None
    config.write_text(daemon_config(cell, server.origin, ca_file=ca_file, timeline=client == cells.DAEMON_JSON))
    hooks = {"out": str(out), "block": cell.block, "spread": cell.spread}
    command = [sys.executable, "-m", "benchmarks.clients.daemon", json.dumps(hooks)]
    log = Path(f"{out}.log")
    with (
        _busy(cell.busy),
        _process(bench, [*command, *daemon_command(config)], log, shared=bool(cell.busy)) as process,
        scraping(log, cell.scraped) as scrapes,
    ):
        samples = _looks(process, _PATIENCE, until=lambda: started(log) is not None)
        samples += _looks(process, cell.spread + (cell.rounds + _MORE_ROUNDS) * cell.interval)
        process.terminate()
        samples += _looks(process, _PATIENCE)
    return samples, {"scrapes": scrapes} if cell.scraped else {}


def daemon_command(config: Path) -> list[str]:
    """Return the command line of `chat-monitor` for a benchmark."""
    return ["run", "--config", str(config), "--web.listen-address", "127.0.0.1:0"]


def daemon_config(cell: Cell, origin: str, *, ca_file: Path | None = None, timeline: bool = False) -> str:
    """Return a config with a target for each of the cell's streams."""
    query = "&".join(f"{name}={value}" for name, value in cell.query.items())
    tables = [
        f'[log]\nformat = "json"\ntimeline = {"true" if timeline else "false"}',
        "[limits]\nconcurrency = 10000\nper_host = 10000",
        f'[defaults]\ncheck = "none"\nmodel = "bench"\ninterval = "{round(cell.interval * 1000)}ms"',
        f'http = "{cell.http}"',
        f'[defaults.tls]\nca_file = "{ca_file}"' if ca_file else "",
        *(
            f'[[targets]]\nname = "target-{at}"\nprotocol = "openai-chat"\nurl = "{origin}/v1/chat/completions?{query}"'
            for at in range(cell.streams)
        ),
    ]
    return "\n".join(tables) + "\n"


def events(log: Path) -> Iterator[dict[str, Any]]:
    """Return what the daemon logged."""
    with log.open() as lines:
        for line in lines:
            if line.endswith("\n") and line.startswith("{"):
                yield json.loads(line)


def started(log: Path) -> str | None:
    """Return the daemon's address after it has logged its start."""
    return next((str(event["address"]) for event in events(log) if event["event"] == "started"), None)


def from_json(log: Path, true: Mapping[str, Truth]) -> list[Reported]:
    """Return the times in the daemon's log lines.

    Their zero is on no clock that we know: it is worked out from `request_sent`, and from when the kernel had the
    request for the server, which is some 10 us later. Errors of the first chunk hold that, too.
    """
    return [_line(event, true) for event in events(log) if event["event"] == "probe" and event["probe_id"] in true]


def _line(event: Mapping[str, Any], true: Mapping[str, Truth]) -> Reported:
    zero = true[event["probe_id"]].arrived - round(event["timings"]["request_sent"] * BILLION)
    one = Reported(event["probe_id"], zero)
    outputs = (row for row in event["timeline"]["events"] if row[2] == "output")
    one.events = [
        Event(number, zero + round(at * BILLION), round(uncertainty * BILLION))
        for number, (at, uncertainty, *_) in enumerate(outputs, 1)
    ]
    one.gaps = [
        Gap(before.number, after.number, after.time - before.time, before.uncertainty + after.uncertainty)
        for before, after in pairwise(one.events)
        if after.time > before.time
    ]
    one.first = one.events[0] if one.events else None
    return one


# -- watching them -----------------------------------------------------------------------------------------------------


def _watch(bench: Bench, command: Sequence[str], cell: Cell) -> list[machine.Sample]:
    with _process(bench, command, None) as process:
        return _looks(process, cell.lasts + _PATIENCE)


@contextmanager
def _process(
    bench: Bench, command: Sequence[str], output: Path | None, *, shared: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a client on its core, which it may have to share; it is always ended on exit."""
    file = output.open("wb") if output else None
    process = subprocess.Popen(command, cwd=ROOT, stdout=file)
    _place(process.pid, machine.cores()[1], bench.realtime and not shared)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if file:
            file.close()


@contextmanager
def _busy(loops: int) -> Iterator[None]:
    """Run this many endless loops on the client's core."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    for one in running:
        os.sched_setaffinity(one.pid, {machine.cores()[1]})
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def _place(pid: int, core: int, realtime: bool) -> None:  # noqa: FBT001 - one of two ways to run all
    os.sched_setaffinity(pid, {core})
    if realtime:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(10))


def _looks(
    process: subprocess.Popen[bytes], seconds: float, until: Callable[[], bool] = lambda: False
) -> list[machine.Sample]:
    """Sample the process until it ends, `seconds` have passed, or the condition holds."""
    found, latest = [], time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < latest and not until():
        if (one := machine.sample(process.pid)) is not None:
            found.append(one)
        time.sleep(_LOOK_EVERY)
    return found


@contextmanager
def scraping(log: Path, every: float) -> Iterator[dict[str, float]]:
    """Scrape the daemon that logs to `log` repeatedly; the results are complete on exit."""
    result: dict[str, float] = {}
    done = threading.Event()
    thread = threading.Thread(target=_scrape, args=(log, every, done, result), daemon=True)
    if every:
        thread.start()
    yield result
    done.set()
    if every:
        thread.join()


def _scrape(log: Path, every: float, done: threading.Event, result: dict[str, float]) -> None:
    request = urllib.request.Request(f"http://{_address(log, done)}/metrics")
    took, size = [], 0
    while not done.wait(every):
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own daemon
                size = len(answer.read())
        except OSError:
            continue
        took.append(time.monotonic() - began)
    took.sort()
    result.update(count=len(took), bytes=size)
    if took:
        result.update(p50_ms=round(took[len(took) // 2] * 1000, 1), max_ms=round(took[-1] * 1000, 1))


def _address(log: Path, done: threading.Event) -> str:
    while (address := started(log)) is None and not done.wait(0.05):
        continue
    return address or "127.0.0.1:0"


# -- what it took ------------------------------------------------------------------------------------------------------


def _cost(samples: Sequence[machine.Sample], true: Mapping[str, Truth], interval: float) -> dict[str, object]:
    """Return CPU a chunk in the busiest interval, and memory a stream: what it grew by until the first stream ended."""
    served = [truth for truth in true.values() if truth.requested]
    if not served or not samples:
        return {}
    began, first_end = min(truth.accepted for truth in served), min(ended(truth) for truth in served)
    before = _at(samples, began)
    grown = max((one.rss for one in samples if began <= one.at < first_end), default=before.rss) - before.rss
    active = busiest(truth for truth in served if truth.requested < first_end)
    since, chunks = _busiest_stretch(served, round(interval * BILLION))
    one, two = _at(samples, since), _at(samples, since + round(interval * BILLION))
    used = two.cpu - one.cpu
    return {
        "cpu_per_chunk": round(used / chunks / 1000, 2) if chunks else None,
        "cpu_share": round(used / max(two.at - one.at, 1), 3),
        "chunks_per_second": round(chunks / interval),
        "memory_per_stream": round(grown / active / 1000, 1) if active else None,
        "busiest": busiest(served),
    }


def _busiest_stretch(served: Sequence[Truth], length: int) -> tuple[int, int]:
    """Return when the stretch of that many ns begins in which most chunks were written, and how many they are.

    All clients are under the same load there: the daemon's targets ask in their phases, the others' slots at random.
    """
    times = sorted(write.before for truth in served for number, write in truth.writes.items() if number > 0)
    starts = range(times[0], max(times[-1] - length, times[0] + 1), BILLION // 10)
    return max(((at, bisect(times, at + length) - bisect(times, at)) for at in starts), key=lambda row: row[1])


def _at(samples: Sequence[machine.Sample], at: int) -> machine.Sample:
    """Return the last sample before then."""
    return samples[max(bisect(samples, at, key=lambda one: one.at) - 1, 0)]
