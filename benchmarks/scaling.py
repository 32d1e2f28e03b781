"""Measure a process's resources by targets, probes and chunks, fit the model of `check --plan`, and predict a size.

    .venv/bin/python -m benchmarks.scaling

It needs three minutes and the lab on loopback. CPU is the process's own time, so that other work on the machine only
makes it somewhat slower. The last row was not fitted to.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from monitor.config import capacity
from monitor.settings import MIB
from tests.alerts.stack import Monitor
from tests.scale.fleet import lab

SECONDS = 15.0
CONFIG = """\
[metrics]
detail = "lean"
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


@dataclass(frozen=True)
class Taken:
    """What was measured: cores, probes and chunks a second, resident bytes, bytes of a scrape and its CPU seconds."""

    cores: float
    probes: float
    chunks: float
    resident: float
    scrape_bytes: int
    scrape_seconds: float


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
    """Return the metrics of a daemon, and when they were read."""
    with urlopen(f"http://{one.address}/metrics", timeout=60) as response:
        return response.read().decode(), time.monotonic()


def total(text: str, name: str) -> float:
    """Return the sum of a metric over its series."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def measured(cell: Cell, port: int) -> Taken:
    """Run a cell for some seconds, after a warm-up."""
    with running(cell, port) as one:
        time.sleep(8.0 if cell.interval else 3.0)  # the first probes and the start are not what is measured
        before, began = read(one)
        time.sleep(SECONDS)
        after, ended = read(one)
        scraping = read(one)[0]
        for _ in range(4):
            scraped = read(one)[0]
    wall = ended - began
    cpu = "process_cpu_seconds_total"
    each = (total(scraped, cpu) - total(scraping, cpu)) / 4
    probes = (total(after, "chat_stream_probes_total") - total(before, "chat_stream_probes_total")) / wall
    return Taken(
        cores=(total(after, cpu) - total(before, cpu) - each) / wall,
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
        "short": Cell(60, 6.0, 8),
        "long": Cell(60, 6.0, 100),
        "many": Cell(2000, 0.0, 8),
        "predicted": Cell(150, 10.0, 60),
        "predicted targets": Cell(1000, 0.0, 8),
    }
    with lab() as port:
        found = {}
        for name, cell in cells.items():
            found[name] = measured(cell, port)
            print(name, cell, found[name], flush=True)
    idle, short, long, many = (found[name] for name in ("idle", "short", "long", "many"))
    base = idle.cores
    # two unknowns, two rows: short and long beyond the idle process
    determinant = short.probes * long.chunks - long.probes * short.chunks
    probe = ((short.cores - base) * long.chunks - (long.cores - base) * short.chunks) / determinant
    chunk = ((long.cores - base) * short.probes - (short.cores - base) * long.probes) / determinant
    target = (many.resident - idle.resident) / (cells["many"].targets - cells["idle"].targets)
    program = idle.resident - target * cells["idle"].targets
    print(f"IDLE_CORES = {base:.4f}\nPROBE_SECONDS = {probe:.6f}\nCHUNK_SECONDS = {chunk:.8f}")
    print(f"SCRAPE_SECONDS = {many.scrape_seconds / (many.scrape_bytes / MIB):.4f}")
    print(f"PROGRAM_BYTES = {program / MIB:.1f} MiB\nTARGET_BYTES = {target / 1024:.1f} KiB")
    new, full = found["predicted"], found["predicted targets"]
    cores = base + new.probes * probe + new.chunks * chunk
    memory = program + target * cells["predicted targets"].targets
    shipped = capacity.IDLE_CORES + new.probes * capacity.PROBE_SECONDS + new.chunks * capacity.CHUNK_SECONDS
    held = capacity.PROGRAM_BYTES + capacity.TARGET_BYTES * cells["predicted targets"].targets
    print(f"cores: fitted {cores:.4f}, as shipped {shipped:.4f}, measured {new.cores:.4f}")
    sizes = (memory / MIB, held / MIB, full.resident / MIB)
    print("memory: fitted {:.1f} MiB, as shipped {:.1f}, measured {:.1f}".format(*sizes))
    sys.exit(abs(cores / new.cores - 1) > 0.2 or abs(memory / full.resident - 1) > 0.2)


if __name__ == "__main__":
    main()
