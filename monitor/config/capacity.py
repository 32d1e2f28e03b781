"""The resources of the processes that share the targets: cores, memory and scrapes, by a model with measured figures.

docs/scaling.md has the measurement (benchmarks/scaling.py); the figures are for its machine, and a core of another
one may be twice as fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from monitor.config.plan import DAY, Plan, memory_bound
from monitor.settings import KEPT_BYTES, KEPT_BYTES_PER_TARGET, MIB, Limits, probes_kept
from monitor.target import CountCheck, Target, WordsCheck

IDLE_CORES = 0.002
"""The share of a core of a process without targets: the clock, the lag of the loop, its own metrics."""
PROBE_SECONDS = 0.0031
"""Core seconds of a probe: connection, request, head, verdict, metrics, log and history."""
CHUNK_SECONDS = 0.000035
"""Core seconds of a chunk: read, decoded, recorded, written to the event."""
SCRAPE_SECONDS = 0.005
"""Core seconds of a MiB of metrics."""
PROGRAM_BYTES = 83 * MIB
TARGET_BYTES = 32 * 1024
"""Memory of a target: its series as text and its place in the schedule, without its recent probes."""
KEPT_PROBE_BYTES, KEPT_CHUNK_BYTES = 3600, 50
"""Memory of a recent probe, and of a chunk of its answer."""
SERIES_BYTES = 90
"""Memory of a series beyond those of the `lean` detail."""
SERIES_SECONDS = 2e-6
"""Prometheus' time for a series of a scrape, with the monitor's; 1.1e-6 of it are Prometheus' own."""
FULL_CORES = 0.5
"""The share of a core that a process may use: above it, bursts delay the schedule."""
_LEAN_SERIES = 120
_CHUNKS_PER_NUMBER, _CHUNKS_PER_WORD = 2, 2


@dataclass(frozen=True, slots=True)
class Process:
    """The resources of one process; `most_memory` is a bound, everything else an estimate."""

    targets: int
    cores: float
    memory: int
    most_memory: int
    series: int
    scrape_bytes: int

    @property
    def scrape_seconds(self) -> float:
        """How long a scrape takes, as Prometheus measures it."""
        return self.series * SERIES_SECONDS


def of_each(plan: Plan, processes: int, limits: Limits, scrape_every: float = 15.0) -> Process:
    """Return the average resources of each process if the targets are shared by this many in all locations."""
    watched = sum(one.monitors for one in plan.targets)
    per_second = plan.requests_per_day / DAY / processes
    chunks = sum(one.requests_per_day / DAY * chunks_of(one.target) for one in plan.targets) / processes
    targets, total = -(-watched // processes), plan.footprint
    series, size = total.series // processes, total.bytes // processes
    cores = (
        IDLE_CORES + per_second * PROBE_SECONDS + chunks * CHUNK_SECONDS + size / MIB * SCRAPE_SECONDS / scrape_every
    )
    more = max(series - targets * _LEAN_SERIES, 0) * SERIES_BYTES
    each = sum(chunks_of(one.target) for one in plan.targets) / max(len(plan.targets), 1)
    memory = memory_of(targets, each) + more
    return Process(targets, cores, memory, max(memory_bound(targets, limits), memory), series, size)


def memory_of(targets: int, chunks: float) -> int:
    """Return the memory of a process at `lean` detail whose targets' recent probes have this many chunks each."""
    kept = targets * probes_kept(targets) * (KEPT_PROBE_BYTES + chunks * KEPT_CHUNK_BYTES)
    most = max(KEPT_BYTES, KEPT_BYTES_PER_TARGET * targets)
    return round(PROGRAM_BYTES + targets * TARGET_BYTES + min(kept, most))


def chunks_of(target: Target) -> int:
    """Return the estimated number of chunks of an answer: a token is a chunk, and a list has its requested length."""
    match target.check:
        case CountCheck(to=to):
            return to * _CHUNKS_PER_NUMBER
        case WordsCheck(to=to):
            return to * _CHUNKS_PER_WORD
        case _:
            return target.max_tokens


def enough(plan: Plan, limits: Limits, places: int = 1) -> int:
    """Return how many processes are enough, the same number in each location: each uses half a core."""
    work = of_each(plan, 1, limits).cores - IDLE_CORES
    return places * max(ceil(work / (FULL_CORES - IDLE_CORES) / places), 1)
