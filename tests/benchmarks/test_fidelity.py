"""The order of the benchmark's cells, and which of an earlier run's cells are kept."""

from __future__ import annotations

from benchmarks import cells
from benchmarks.fidelity import merged, oldest_first


def test_cells_measured_longest_ago_come_first() -> None:
    """A run that is out of time leaves out those that were measured last; other clients do not count."""
    streams, own = (next(one for one in cells.CELLS if one.name == name) for name in ("streams-1", "own-300"))
    grown = cells.GROWTHS[0]
    results = [
        {"cell": "streams-1", "client": cells.DAEMON, "run": "2026-11-30 00:35"},
        {"cell": "streams-1", "client": cells.AIOHTTP, "run": "2026-11-25"},
        {"cell": grown.name, "client": cells.DAEMON, "run": "2026-11-25"},
    ]
    assert oldest_first([streams, grown, own], results) == [own, grown, streams]
    left = merged(results, [{"cell": "own-300", "client": cells.DAEMON, "run": "2026-12-01"}])
    assert [one["cell"] for one in left] == ["streams-1", "streams-1", "own-300", grown.name]
