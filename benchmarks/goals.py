"""What the monitor is to reach, and what it reached: each goal is a row with its limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.cells import AIOHTTP, DAEMON

Result = Mapping[str, Any]
_MANY = ("streams-50", "streams-200", "streams-500", "streams-1000")


class Goal(NamedTuple):
    """One goal: reached where `value` is at most `limit`, or at least, where more is better."""

    name: str
    value: float
    limit: float
    unit: str = ""
    more: bool = False

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.value >= self.limit if self.more else self.value <= self.limit


def goals(results: Sequence[Result]) -> Iterator[Goal]:
    """Return the goals on which these results say something."""
    found = {(one["cell"], one["client"]): one for one in results}
    for group in (_errors, _intervals, _costs, _daemon):
        yield from group(found)


Found = Mapping[tuple[str, str], Result]


def _errors(found: Found) -> Iterator[Goal]:
    ours = {cell: found[cell, DAEMON] for cell in _MANY if (cell, DAEMON) in found}
    for cell, one in ours.items():
        yield Goal(f"first chunk, error p99, {cell}", one["first_chunk"].get("p99", 0.0), 60, "us")
    for cell, one in ours.items():
        yield Goal(f"gaps, error p99, {cell}", one["gap"].get("p99", 0.0), 15, "us")
    yield from _times_better(found, "streams-200", 20)
    if (blocked := found.get(("blocked-100", DAEMON))) is not None:
        yield Goal("first chunk, error p99, loop held up", blocked["first_chunk"].get("p99", 0.0), 150, "us")
    yield from _times_better(found, "blocked-100", 200)


def _times_better(found: Found, cell: str, least: float) -> Iterator[Goal]:
    ours, plain = found.get((cell, DAEMON)), found.get((cell, AIOHTTP))
    if ours and plain and "p99" in ours["first_chunk"] and "p99" in plain["first_chunk"]:
        times = plain["first_chunk"]["p99"] / max(ours["first_chunk"]["p99"], 0.1)
        yield Goal(f"first chunk, p99, times better than the aiohttp loop, {cell}", round(times, 1), least, more=True)


def _intervals(found: Found) -> Iterator[Goal]:
    ours = [one for (_, client), one in found.items() if client == DAEMON and "events" in one]
    parts = [one[part] for one in ours for part in ("events", "first_chunk", "gap")]
    if parts:
        samples = sum(part["samples"] for part in parts)
        yield Goal(f"stated intervals that miss, of {samples}", sum(part["missed_far"] for part in parts), 0)


def _costs(found: Found) -> Iterator[Goal]:
    for cell in ("streams-200", "streams-1000"):
        ours, plain = found.get((cell, DAEMON)), found.get((cell, AIOHTTP))
        if ours and plain:
            times = ours["cpu_per_chunk"] / plain["cpu_per_chunk"]
            yield Goal(f"CPU a chunk, times the aiohttp loop's, {cell}", round(times, 2), 1.35)
    for cell, limit in (("streams-1000", 25), ("tls-1000", 90)):
        if (measured := found.get((cell, DAEMON))) is not None:
            yield Goal(f"memory a stream, {cell}", measured["memory_per_stream"], limit, "kB")
    if (one := found.get(("streams-1000", DAEMON))) is not None:
        yield Goal("chunks lost, streams-1000", one["chunks_sent"] - one["chunks_seen"], 0)


def _daemon(found: Found) -> Iterator[Goal]:
    for number, limit in ((10, 70), (1000, 220)):
        if (daemon := found.get((f"targets-{number}", DAEMON))) is not None:
            yield Goal(f"memory of the daemon, {number} targets", daemon["memory_mb"], limit, "MB")
            yield Goal(f"first probe after the start, {number} targets", daemon["first_probe_s"], 1.5, "s")
