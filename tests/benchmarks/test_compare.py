"""The comparison of a client's times with the server's, on literal values."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from benchmarks.compare import Event, Gap, Reported, Tally, busiest, compare, percentiles, reported
from benchmarks.server import Truth, Write, truths

MS = 1_000_000


def truth(*befores: int, wide: int = 10_000) -> Truth:
    """Return a stream whose writes, from the head's to the end's, began at these times, in ms."""
    writes = {number: Write(at * MS, at * MS, at * MS + wide) for number, at in enumerate(befores)}
    return Truth(accepted=0, requested=1, writes=writes, chunks=len(befores) - 2)


def test_an_exact_client_has_no_error() -> None:
    """A client that reports the clock before each write has no error, and misses nothing."""
    one = Reported("a", 0, [Event(1, 200 * MS, 0), Event(2, 240 * MS, 0)], [Gap(1, 2, 40 * MS, 0)])
    one.first = one.events[0]
    found = compare({"a": truth(1, 200, 240, 280)}, [one])
    assert found["first_chunk"] == {
        "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0, "kept": 1, "discarded": 0, "unknown": 0, "samples": 1,
        "missed": 0, "missed_far": 0, "missed_by": 0.0,
    }  # fmt: skip
    assert found["events"] == {"samples": 2, "missed": 0, "missed_far": 0, "missed_by": 0.0}
    assert (found["chunks_sent"], found["chunks_seen"]) == (2, 2)


def test_a_late_client_is_as_wrong_as_it_is_late() -> None:
    """An event that is seen 3 ms after its write is an error of 3 ms, of the gap before it, too."""
    one = Reported("a", 0, [Event(1, 200 * MS, 0), Event(2, 243 * MS, 0)], [Gap(1, 2, 43 * MS, 0)])
    one.first = one.events[0]
    found = compare({"a": truth(1, 200, 240, 280)}, [one])
    assert found["gap"]["max"] == 3000.0  # type: ignore[index]
    assert found["events"]["missed"] == 1  # type: ignore[index]


def test_an_interval_that_reaches_back_far_enough_misses_nothing() -> None:
    """A late time whose uncertainty covers the write is correct, and is left out if it is too uncertain."""
    tally = Tally()
    tally.add(43 * MS, 40 * MS, 3 * MS, wide=False)
    tally.add(43 * MS, 40 * MS, 5 * MS, wide=False)
    tally.meets((40 * MS, 43 * MS), (40 * MS, 40 * MS + 1))
    tally.meets((42 * MS, 43 * MS), (40 * MS, 40 * MS + 1))
    assert (len(tally.errors), tally.discarded) == (1, 1)
    assert (tally.missed, tally.missed_far, tally.missed_by) == (1, 1, 2 * MS - 1)


def test_where_the_server_was_held_up_nothing_is_known() -> None:
    """A sample with a wide bracket counts for no client, and its interval is still compared."""
    one = Reported("a", 0, [Event(1, 200 * MS, 0)])
    one.first = one.events[0]
    found = compare({"a": truth(1, 200, 240, wide=MS)}, [one])
    assert (found["first_chunk"]["unknown"], found["first_chunk"]["kept"]) == (1, 0)  # type: ignore[index]


@pytest.mark.parametrize(("values", "expected"), [([], {}), ([1000], {"p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0})])
def test_percentiles(values: list[int], expected: dict[str, float]) -> None:
    """Percentiles are of the values themselves, in us; of nothing there are none."""
    assert percentiles(values) == expected


def test_as_many_ran_as_had_begun_and_not_ended() -> None:
    """Streams that overlap count together."""
    early, late = truth(0, 1, 2), truth(4, 5, 6)
    late.requested = 4 * MS
    assert (busiest([early, truth(0, 1, 3)]), busiest([early, late])) == (2, 1)


def test_reads_of_bytes_become_events(tmp_path: Path) -> None:
    """A client that only counts payload bytes has seen an event when its last byte is there; one read may hold two."""
    rows = [(0, 0, 5, 7, 0), (0, 1, 100, 10, 0), (0, 1, 150, 20, 0), (0, 1, 300, 30, 0), (0, 1, 320, 40, 0)]
    (tmp_path / "client").write_bytes(array("q", [value for row in rows for value in row]).tobytes())
    (one,) = reported(tmp_path / "client", event=100, chunks=3)
    assert (one.request_id, one.zero) == ("7", 5)
    assert one.events == [Event(1, 10, 0), Event(2, 30, 0), Event(3, 30, 0)]
    assert one.gaps == [Gap(1, 2, 20, 0)]


def test_the_servers_log_is_read_by_request_id(tmp_path: Path) -> None:
    """Connections without a request id, a port scan's, count for nothing; a peer that left early is known."""
    rows = [(0, -2, 1, 0, 0), (1, -2, 2, 0, 0), (1, -1, 3, 4, 0), (1, 0, 5, 6, 7), (1, 1, 8, 9, 10), (1, -3, 11, 0, 0)]
    (tmp_path / "log").write_bytes(array("q", [value for row in rows for value in row]).tobytes())
    (tmp_path / "log.ids").write_text("\nx\n")
    expected = Truth(2, 3, 4, {0: Write(5, 6, 7), 1: Write(8, 9, 10)}, chunks=1, gone=True)
    assert truths(tmp_path / "log") == {"x": expected}
