"""The monitor's goals and its results: each goal is a row with its limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.cells import AIOHTTP, CELLS, DAEMON

Result = Mapping[str, Any]
Found = Mapping[tuple[str, str], Result]
_ALL = ("streams-1", "streams-50", "streams-200", "streams-500", "streams-1000")
_MANY = _ALL[1:]
_HTTP2 = ("h2-200", "h2-500")
OWN = (*(cell.name for cell in CELLS if cell.name.startswith("own-")), "streams-1000", "tls-1000")
_MILLION = 1_000_000


class Goal(NamedTuple):
    """One goal: met if `value` is at most `limit`, or at least `limit` if more is better; None was not measured."""

    name: str
    value: float | None
    limit: float
    unit: str = ""
    more: bool = False

    @property
    def word(self) -> str:
        """The result as text."""
        if self.value is None:
            return "not measured"
        return "met" if (self.value >= self.limit if self.more else self.value <= self.limit) else "missed"


def goals(results: Sequence[Result]) -> Iterator[Goal]:
    """Return every goal with its value in these results."""
    found = {(one["cell"], one["client"]): one for one in results}
    for group in (_errors, _intervals, _own, _costs, _daemon):
        yield from group(found)


def costs_apart(results: Iterable[Result]) -> dict[str, tuple[float, float]]:
    """Return by client what a further chunk and what a probe besides cost, in us of CPU.

    The cells `chunks-*` differ in their chunks alone: the one with the fewest is held against the one with the most.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for one in results:
        if one["cell"].startswith("chunks-"):
            number = int(one["cell"].removeprefix("chunks-"))
            found.setdefault(one["client"], []).append((number, one["cpu_per_chunk"] * number))
    costs = {}
    for client, points in found.items():
        (few, cheap), (many, dear) = min(points), max(points)
        if many > few:
            chunk = (dear - cheap) / (many - few)
            costs[client] = chunk, cheap - few * chunk
    return costs


def _figure(found: Found, cell: str, *path: str, client: str = DAEMON) -> float | None:
    """Return one figure of one client in one cell; None if it is missing."""
    value: Any = found.get((cell, client))
    for key in path:
        value = value.get(key) if value is not None else None
    figure: float | None = value
    return figure


def _times(more: float | None, less: float | None) -> float | None:
    return round(more / max(less, 0.1), 2) if more is not None and less is not None else None


def _errors(found: Found) -> Iterator[Goal]:
    first, gap = ("first_chunk", "p99"), ("gap", "p99")
    for cell in (*_MANY, *_HTTP2):
        yield Goal(f"first chunk, error p99, {cell}", _figure(found, cell, *first), 60, "us")
    yield _better(found, "streams-200", 20)
    yield Goal("first chunk, error p99, loop blocked", _figure(found, "blocked-100", *first), 150, "us")
    yield _better(found, "blocked-100", 200)
    for cell in (*_ALL, "h2-1", *_HTTP2):
        yield Goal(f"gaps kept, error p99, {cell}", _figure(found, cell, *gap), 15, "us")


def _better(found: Found, cell: str, least: float) -> Goal:
    ours, plain = (_figure(found, cell, "first_chunk", "p99", client=client) for client in (DAEMON, AIOHTTP))
    return Goal(
        f"first chunk, p99, times smaller than the aiohttp loop's, {cell}", _times(plain, ours), least, more=True
    )


def _intervals(found: Found) -> Iterator[Goal]:
    ours = [one for (_, client), one in found.items() if client == DAEMON and "events" in one]
    parts = [one[part] for one in ours for part in ("events", "first_chunk", "gap", "request") if part in one]
    yield Goal("stated intervals held against true ones", sum(part["samples"] for part in parts), _MILLION, more=True)
    yield Goal("of them, those that miss", sum(part["missed_far"] for part in parts) if parts else None, 0)


def _own(found: Found) -> Iterator[Goal]:
    """Of what is kept, the time from the request to the first chunk by the server's clock: without our own delay."""
    for cell in OWN:
        yield Goal(f"request to first chunk, error p99, {cell}", _figure(found, cell, "request", "p99"), 1000, "us")


def _costs(found: Found) -> Iterator[Goal]:
    for cell, limit in (("streams-200", 1.3), ("streams-500", 1.3), ("streams-1000", 1.0)):
        ours, plain = (_figure(found, cell, "cpu_per_chunk", client=client) for client in (DAEMON, AIOHTTP))
        yield Goal(f"CPU a chunk, times the aiohttp loop's, {cell}", _times(ours, plain), limit)
    _, probe = costs_apart(found.values()).get(DAEMON, (None, None))
    yield Goal("CPU a probe besides its chunks", probe and round(probe), 1000, "us")
    rate = _figure(found, "streams-1000", "chunks_per_second")
    sent, received = (_figure(found, "streams-1000", key) for key in ("chunks_sent", "chunks_seen"))
    yield Goal("chunks a second on one core, streams-1000", rate, 22_000, more=True)
    yield Goal("chunks lost of them", None if sent is None or received is None else sent - received, 0)
    for cell, limit in (("streams-1000", 25), ("tls-1000", 90)):
        yield Goal(f"memory a stream, {cell}", _figure(found, cell, "memory_per_stream"), limit, "kB")


def _daemon(found: Found) -> Iterator[Goal]:
    for number, limit in ((10, 70), (1000, 220)):
        yield Goal(
            f"memory of the daemon, {number} targets", _figure(found, f"targets-{number}", "memory_mb"), limit, "MB"
        )
        first = _figure(found, f"targets-{number}", "first_probe_s")
        yield Goal(f"first probe after the start, {number} targets", first, 1.5, "s")
