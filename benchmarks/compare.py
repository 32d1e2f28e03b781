"""Compare a client's times with the server's: errors, merged and discarded samples, intervals that miss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.server import Record, Truth, records

WIDE = 200_000
"""Nanoseconds: if the server took longer for a write it was delayed itself, and the true time is unknown."""
LOOPBACK = 50_000
"""Nanoseconds that a segment may take: the kernel may deliver it after the write has returned."""
_SURE, _SURE_SHARE = 1_000_000, 0.1
"""A sample is kept when its uncertainty is at most this, or this part of its value (docs/metrics.md)."""
_WHERE = (0.5, 0.95, 0.99, 1.0)


class Event(NamedTuple):
    """An output event by a client: its number from 1, its arrival, and how much earlier it may have arrived."""

    number: int
    time: int
    uncertainty: int


class Gap(NamedTuple):
    """A gap by a client, between the last event of one read and the first of a later one."""

    last: int
    first: int
    value: int
    uncertainty: int


@dataclass(slots=True)
class Reported:
    """A client's times of one stream, in ns of the monotonic clock."""

    request_id: str
    zero: int
    events: list[Event] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    first: Event | None = None
    stood: int | None = None
    """When the connection, TLS included, was established by the client's own figures, without its delay."""


def reported(out: Path, event: int, chunks: int) -> list[Reported]:
    """Return what a client stored; `chunks` events of `event` bytes are in a stream."""
    ids_file = Path(f"{out}.ids")
    ids = ids_file.read_text().splitlines() if ids_file.exists() else None
    streams: dict[int, list[Record]] = {}
    for record in records(out):
        streams.setdefault(record.stream, []).append(record)
    found = {number: _stream(rows, ids, event, chunks) for number, rows in streams.items()}
    gaps_file = Path(f"{out}.gaps")
    for stream, last, first, value, uncertainty in records(gaps_file) if gaps_file.exists() else ():
        found[stream].gaps.append(Gap(last, first, value, uncertainty))
    return list(found.values())


def _stream(rows: Sequence[Record], ids: Sequence[str] | None, event: int, chunks: int) -> Reported:
    zero = rows[0]
    one = Reported(ids[zero.b] if ids else str(zero.b), zero.a)
    if ids is None:
        reads = _reads(rows[1:], event, chunks)
        one.events = [Event(number, at, 0) for numbers, at in reads for number in numbers]
        one.gaps = [Gap(before[-1], after[0], then - at, 0) for (before, at), (after, then) in pairwise(reads)]
    else:
        one.events = [Event(row.a, row.b, row.c) for row in rows if row.number == 2]
    one.first = next((Event(row.a, row.b, row.c) for row in rows if row.number == 3), None)
    one.stood = next((row.b for row in rows if row.number == 4), None)
    if one.first is None and one.events:
        one.first = one.events[0]
    return one


def _reads(rows: Iterable[Record], event: int, chunks: int) -> list[tuple[range, int]]:
    """Return the numbers of the events that each read completed, with its time."""
    done, found = 0, []
    for row in rows:
        whole = min(row.a // event, chunks)
        if whole > done:
            found.append((range(done + 1, whole + 1), row.b))
            done = whole
    return found


@dataclass(slots=True)
class Tally:
    """The results of one kind of sample, in ns."""

    errors: list[int] = field(default_factory=list)
    discarded: int = 0
    unknown: int = 0
    """Samples for which the server was delayed: left out for every client."""
    missed: int = 0
    """Samples whose stated interval does not meet the true one, kept or not, wide or not."""
    missed_by: int = 0
    missed_far: int = 0
    """Samples that miss it by more than a segment may take."""
    samples: int = 0

    def add(self, value: int, true: int, uncertainty: int, *, wide: bool) -> None:
        """Add one sample."""
        if wide:
            self.unknown += 1
        elif uncertainty > max(_SURE, _SURE_SHARE * value):
            self.discarded += 1
        else:
            self.errors.append(abs(value - true))

    def meets(self, stated: tuple[int, int], true: tuple[int, int]) -> None:
        """Compare a stated interval with the true one."""
        self.samples += 1
        apart = max(true[0] - stated[1], stated[0] - true[1])
        self.missed_far += apart > LOOPBACK
        if apart > 0:
            self.missed += 1
            self.missed_by = max(self.missed_by, apart)

    def figures(self) -> dict[str, float]:
        """Return them for a report: times in us."""
        return {
            **percentiles(self.errors),
            "kept": len(self.errors),
            "discarded": self.discarded,
            "unknown": self.unknown,
            **self.truth(),
        }

    def truth(self) -> dict[str, float]:
        """Return how many of the stated intervals are true."""
        return {
            "samples": self.samples,
            "missed": self.missed,
            "missed_far": self.missed_far,
            "missed_by": self.missed_by / 1000,
        }


def percentiles(values: Iterable[int]) -> dict[str, float]:
    """Return p50, p95, p99 and the largest of nanoseconds, in us."""
    ordered = sorted(values)
    if not ordered:
        return {}
    ranks = (min(int(len(ordered) * part), len(ordered) - 1) for part in _WHERE)
    return dict(zip(("p50", "p95", "p99", "max"), (round(ordered[at] / 1000, 1) for at in ranks), strict=True))


def compare(truths: Mapping[str, Truth], streams: Iterable[Reported]) -> dict[str, object]:
    """Return the figures of one client in one cell."""
    first, gaps, events, request, received = Tally(), Tally(), Tally(), Tally(), 0
    for one in streams:
        truth = truths.get(one.request_id)
        if truth is None or not one.events:
            continue
        received += len(one.events)
        _first(first, one, truth)
        _request(request, one, truth)
        for gap in one.gaps:
            _gap(gaps, gap, truth)
        for event in one.events:
            write = truth.writes[event.number]
            events.meets((event.time - event.uncertainty, event.time), (write.before, write.after))
    return {
        "first_chunk": first.figures(),
        "request": request.figures(),
        "gap": gaps.figures(),
        "events": events.truth(),
        "server": served(truths.values()),
        "streams": sum(1 for truth in truths.values() if truth.requested),
        "chunks_sent": sum(truth.chunks for truth in truths.values()),
        "chunks_seen": received,
    }


def _first(tally: Tally, one: Reported, truth: Truth) -> None:
    if one.first is None:
        return
    write, reported = truth.writes[1], one.first
    wide = write.after - write.before > WIDE
    tally.add(reported.time - one.zero, write.before - one.zero, reported.uncertainty, wide=wide)
    tally.meets((reported.time - reported.uncertainty, reported.time), (write.before, write.after))


def _request(tally: Tally, one: Reported, truth: Truth) -> None:
    """Compare the time from the connection to the first chunk with the server's, from the request to its write."""
    if one.first is None or one.stood is None:
        return
    write, asked = truth.writes[1], truth.arrived or truth.requested
    value, wide = one.first.time - one.stood, write.after - write.before > WIDE
    tally.add(value, write.before - asked, one.first.uncertainty, wide=wide)
    tally.meets((value - one.first.uncertainty, value), (write.before - asked, write.after - asked))


def _gap(tally: Tally, gap: Gap, truth: Truth) -> None:
    begin, end = truth.writes[gap.last], truth.writes[gap.first]
    wide = max(begin.after - begin.before, end.after - end.before) > WIDE
    tally.add(gap.value, end.before - begin.before, gap.uncertainty, wide=wide)
    stated = (gap.value - gap.uncertainty, gap.value + gap.uncertainty)
    tally.meets(stated, (end.before - begin.after, end.after - begin.before))


def served(truths: Iterable[Truth]) -> dict[str, object]:
    """Return how well the server kept its schedule, and how exactly its writes are known."""
    writes = [write for truth in truths for number, write in truth.writes.items() if 0 < number <= truth.chunks]
    return {
        "lateness": percentiles(write.before - write.due for write in writes),
        "bracket": percentiles(write.after - write.before for write in writes),
    }


def busiest(truths: Iterable[Truth]) -> int:
    """Return how many streams ran at once, at most."""
    steps = [step for truth in truths if truth.requested for step in ((truth.requested, 1), (ended(truth), -1))]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


def ended(truth: Truth) -> int:
    """Return when the server had written the last of a stream."""
    return max((write.after for write in truth.writes.values()), default=truth.requested)
