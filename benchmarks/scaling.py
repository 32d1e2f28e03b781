"""Measure a process's resources by targets, probes and chunks, fit the model of `check --plan`, and predict a size.

    .venv/bin/python -m benchmarks.scaling

It needs twenty minutes and the lab on loopback: a process takes the memory that it keeps only after each of its targets
has been probed as often as probes are kept. CPU is the process's own time, so that other work on the machine only makes
it somewhat slower. The rows that are named `predicted` were not fitted to.
"""

from __future__ import annotations

import gzip
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from monitor.config import capacity
from monitor.settings import MIB, probes_kept
from tests.alerts.stack import Monitor
from tests.scale.fleet import lab

SECONDS = 15.0
"""How long a cell is measured, and how often a large one is scraped."""
RATE = 100.0
"""Probes a second while a process fills its memory."""
CONFIG = """\
[metrics]
detail = "lean"
[history]
path = "history.db"
[limits]
concurrency = 500
per_host = 500
[defaults]
protocol = "openai-chat"
model = "lab"
interval = "{interval:g}s"
check = "none"
timeouts = {{ total = "{total:g}s", first_chunk = "1s", headers = "1s", idle = "1s", connect = "1s" }}
paused = {paused}
"""
TARGET = '[[targets]]\nname = "t{number:05}"\nurl = "http://127.0.0.1:{lab}/openai-chat/ok?n={chunks}&gap=20ms"\n'


@dataclass(frozen=True)
class Cell:
    """A number of targets, each probed every `interval` seconds for an answer of `chunks` chunks; never if it is 0."""

    targets: int
    interval: float
    chunks: int
    rounds: int = 0
    """How often each target is probed before the measurement ends; 0 is a measurement of `SECONDS`."""

    @property
    def kept(self) -> int:
        """How many probes are kept in the end."""
        return self.targets * self.rounds


def filled(targets: int) -> Cell:
    """Return a cell that ends when every target has as many recent probes as are kept."""
    return Cell(targets, max(targets / RATE, 1.0), 8, probes_kept(targets))


@dataclass(frozen=True)
class Taken:
    """What was measured: cores without scrapes, probes and chunks a second, resident bytes, and what a scrape takes."""

    cores: float
    probes: float
    chunks: float
    resident: float
    scrape_bytes: int
    scrape_seconds: float

    @property
    def scraped_cores(self) -> float:
        """Cores with a scrape every `SECONDS`."""
        return self.cores + self.scrape_seconds / SECONDS


@contextmanager
def running(cell: Cell, port: int) -> Iterator[Monitor]:
    """Run a daemon with the targets of a cell."""
    interval = cell.interval or 3600.0
    text = CONFIG.format(interval=interval, total=interval, paused=str(not cell.interval).lower())
    text += "".join(TARGET.format(number=number, lab=port, chunks=cell.chunks) for number in range(cell.targets))
    with tempfile.TemporaryDirectory() as place:
        one = Monitor("m", Path(place), text)
        try:
            one.start()
            yield one
        finally:
            one.stop()


def read(one: Monitor) -> tuple[str, float]:
    """Return the metrics of a daemon as Prometheus asks for them, and when they were read."""
    headers = {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"}
    with urlopen(Request(f"http://{one.address}/metrics", headers=headers), timeout=60) as response:
        return gzip.decompress(response.read()).decode(), time.monotonic()


def total(text: str, name: str) -> float:
    """Return the sum of a metric over its series."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def measured(cell: Cell, port: int) -> Taken:
    """Run a cell for some seconds, or until all probes that it keeps are made, after a warm-up."""
    cpu, counted = "process_cpu_seconds_total", "chat_stream_probes_total"
    with running(cell, port) as one:
        time.sleep(8.0 if cell.interval else 3.0)  # the first probes and the start are not what is measured
        before, began = read(one)
        scrapes = 0
        while True:
            time.sleep(SECONDS)  # the time that is measured
            after, ended = read(one)
            scrapes += 1
            if total(after, counted) >= cell.kept:
                break
        scraping = read(one)[0]
        scraped = [read(one)[0] for _ in range(4)][-1]
    wall = ended - began
    each = (total(scraped, cpu) - total(scraping, cpu)) / 4
    probes = (total(after, counted) - total(before, counted)) / wall
    return Taken(
        cores=(total(after, cpu) - total(before, cpu) - each * scrapes) / wall,
        probes=probes,
        chunks=probes * cell.chunks,
        resident=total(after, "process_resident_memory_bytes"),
        scrape_bytes=len(after),
        scrape_seconds=each,
    )


def main() -> None:
    """Measure, fit, predict, print."""
    cells = {
        "idle": Cell(50, 0.0, 8),
        "short": Cell(600, 6.0, 8),
        "long": Cell(240, 6.0, 100),
        "predicted chunks": Cell(300, 6.0, 60),
        **{name: filled(number) for name, number in (("few", 100), ("many", 2000), ("more", 5000))},
        "predicted targets": filled(10_000),
    }
    with lab() as port:
        found = {}
        for name, cell in cells.items():
            found[name] = measured(cell, port)
            print(name, cell, found[name], flush=True)
    base, short, long, few, many, more = (found[name] for name in cells if not name.startswith("predicted"))
    # two unknowns, two rows: short answers and long ones, beyond the idle process
    determinant = short.probes * long.chunks - long.probes * short.chunks
    short_cores, long_cores = short.cores - base.cores, long.cores - base.cores
    probe = (short_cores * long.chunks - long_cores * short.chunks) / determinant
    chunk = (long_cores * short.probes - short_cores * long.probes) / determinant
    # three unknowns: the program, a target, and a recent probe, of which many and more keep equally many a target
    both = (more.resident - many.resident) / (cells["more"].targets - cells["many"].targets)
    program = many.resident - both * cells["many"].targets
    rounds = cells["many"].rounds
    kept = (few.resident - program - both * cells["few"].targets) / (cells["few"].kept - rounds * cells["few"].targets)
    target = both - rounds * kept
    print(f"IDLE_CORES = {base.cores:.4f}\nPROBE_SECONDS = {probe:.6f}\nCHUNK_SECONDS = {chunk:.8f}")
    print(f"SCRAPE_SECONDS = {more.scrape_seconds / (more.scrape_bytes / MIB):.4f}")
    print(f"PROGRAM_BYTES = {program / MIB:.1f} MiB\nTARGET_BYTES = {target / 1024:.1f} KiB")
    print(f"PROBE_BYTES = {kept / 1024:.1f} KiB, with its 8 chunks")
    within = True
    for name in ("predicted chunks", "predicted targets"):
        new, cell = found[name], cells[name]
        cores = base.cores + new.probes * probe + new.chunks * chunk
        cores += more.scrape_seconds / more.scrape_bytes * new.scrape_bytes / SECONDS
        shipped = capacity.IDLE_CORES + new.probes * capacity.PROBE_SECONDS + new.chunks * capacity.CHUNK_SECONDS
        shipped += new.scrape_bytes / MIB * capacity.SCRAPE_SECONDS / SECONDS
        within &= abs(shipped / new.scraped_cores - 1) <= 0.2
        print(f"{name}: cores fitted {cores:.4f}, as shipped {shipped:.4f}, measured {new.scraped_cores:.4f}")
        if cell.rounds:
            memory = program + target * cell.targets + kept * cell.kept
            held = capacity.memory_of(cell.targets, cell.chunks)
            within &= abs(held / new.resident - 1) <= 0.2
            sizes = (memory / MIB, held / MIB, new.resident / MIB)
            print("{}: MiB fitted {:.1f}, as shipped {:.1f}, measured {:.1f}".format(name, *sizes))
    sys.exit(not within)


if __name__ == "__main__":
    main()
