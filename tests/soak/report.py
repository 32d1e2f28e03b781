"""The report of a soak, as promises that were kept or broken: Markdown for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean

from tests.soak.ledger import Judgement

MOST_GROWTH = 5.0
"""MB an hour."""
LEAST = 180.0
"""Seconds of samples that a statement about growth needs, because caches fill first."""
BLOCK = 20.0
"""Seconds of samples of memory that are one point of the fit: their mean."""
LISTED = 20
"""Problems of one kind that the report shows."""
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Fit:
    """A line through points: its slope and how sure that is, as one standard error."""

    slope: float
    error: float


def fit(points: Sequence[tuple[float, float]]) -> Fit:
    """Return the least-squares line's slope; fewer than three points say nothing."""
    if len(points) < 3:
        return Fit(0.0, float("inf"))
    middle_x, middle_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
    left = sum((y - middle_y - slope * (x - middle_x)) ** 2 for x, y in points)
    return Fit(slope, (left / (len(points) - 2) / spread) ** 0.5)


def growth(samples: Sequence[tuple[float, int]], after: float) -> Fit:
    """Return how memory grows, in MB an hour, from samples of seconds and bytes, those from `after` on."""
    warm = [sample for sample in samples if sample[0] >= after]
    if not warm or warm[-1][0] - after < LEAST:
        return Fit(0.0, float("inf"))
    blocks = [list(block) for _, block in groupby(warm, key=lambda sample: sample[0] // BLOCK)]
    points = [(fmean(x for x, _ in block) / HOUR, fmean(y for _, y in block) / 1e6) for block in blocks]
    return fit(points)


@dataclass(frozen=True, slots=True)
class Held:
    """The resources of an idle process."""

    descriptors: int
    tasks: tuple[str, ...]
    """What each of them runs."""
    threads: int


@dataclass(slots=True)
class Findings:
    """All that a soak measured."""

    seconds: float
    targets: int
    judgement: Judgement
    before: Held
    after: Held
    growth: Fit
    warm_after: float
    memory: tuple[int, int, int]
    """Bytes of the daemon at the start of the long run, when warm, and at its end."""
    still: Sequence[str]
    """Targets that were no longer probed."""
    unanswered: Sequence[str]
    """Scrapes and reloads that went wrong, in words."""
    unhandled: int
    leaked: Sequence[str] = ()
    """Files of output that hold a secret."""
    acts: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[str, str] = field(default_factory=dict)
    """The result of each run, by how it was ended."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    scrapes: tuple[int, float, int] = (0, 0.0, 0)
    """How many were answered, the slowest in seconds, and how many were not because the daemon got no processor."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """The share of a core that each process took."""
    sink_errors: int = 0
    dropped: int = 0
    """Lines that the long run dropped and counted."""
    machine: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promise:
    """A requirement, what was found, and whether it was met."""

    what: str
    found: str
    kept: bool


def promises(found: Findings) -> tuple[Promise, ...]:
    """Return every promise with what was found."""
    judgement, before, after = found.judgement, found.before, found.after
    grown = found.growth
    total = sum(judgement.right.values())
    return (
        Promise("no wrong verdict", f"{len(judgement.wrong)} of {total}", not judgement.wrong and total > 0),
        Promise("no lost event", f"{len(judgement.lost)}", not judgement.lost),
        Promise(
            "descriptors back at the start",
            f"{before.descriptors} before, {after.descriptors} after",
            after.descriptors <= before.descriptors,
        ),
        Promise(
            "tasks back at the start",
            ", ".join([f"{len(before.tasks)} before, {len(after.tasks)} after", *_more(before, after)]),
            len(after.tasks) <= len(before.tasks),
        ),
        Promise(
            f"memory grows by less than {MOST_GROWTH:g} MB an hour",
            f"{grown.slope:.1f} ± {2 * grown.error:.1f} MB/h" if grown.error < float("inf") else "too short to say",
            # the slope of a short run is uncertain: only one that is surely too large breaks the promise
            grown.slope - 2 * grown.error < MOST_GROWTH,
        ),
        Promise("every target is still probed", f"{len(found.still)} are not", not found.still),
        Promise(
            "no unexpected answer to a scrape or reload",
            f"{len(found.unanswered)}",
            not found.unanswered,
        ),
        Promise("no secret in log and history", f"in {', '.join(found.leaked) or 'none'}", not found.leaked),
        Promise("no unhandled exception", f"{found.unhandled}", not found.unhandled),
    )


def _more(before: Held, after: Held) -> Iterator[str]:
    """Return which tasks there are more of."""
    yield from (f"{times} more {name}" for name, times in (Counter(after.tasks) - Counter(before.tasks)).items())


def as_json(found: Findings) -> dict[str, object]:
    """Return the report for programs."""
    judgement = found.judgement
    return {
        "seconds": round(found.seconds),
        "targets": found.targets,
        "kept": all(promise.kept for promise in promises(found)),
        "promises": [{"promise": one.what, "found": one.found, "kept": one.kept} for one in promises(found)],
        "verdicts": dict(sorted(judgement.right.items())),
        "ours": [{"verdict": verdict, "why": why, "times": n} for (verdict, why), n in judgement.ours.items()],
        "faults": sorted(judgement.faults),
        "killed_in_flight": judgement.killed,
        "wrong": list(judgement.wrong),
        "lost": list(judgement.lost),
        "still": list(found.still),
        "unanswered": list(found.unanswered),
        "leaked": list(found.leaked),
        "growth_mb_an_hour": round(found.growth.slope, 2),
        "growth_error": round(found.growth.error, 2) if found.growth.error < float("inf") else None,
        "memory_mb": [round(size / 1e6, 1) for size in found.memory],
        "acts": dict(found.acts),
        "ends": dict(found.ends),
        "skipped": dict(found.skipped),
        "scrapes": {
            "answered": found.scrapes[0],
            "slowest_seconds": round(found.scrapes[1], 3),
            "starved": found.scrapes[2],
        },
        "cpu": {name: round(share, 3) for name, share in found.cpu.items()},
        "sink_errors": found.sink_errors,
        "dropped": found.dropped,
        "machine": dict(found.machine),
    }


def as_markdown(found: Findings) -> str:
    """Return the report for people."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Findings) -> Iterator[str]:
    judgement = found.judgement
    total = sum(judgement.right.values())
    yield "<!-- Written by `make soak MINUTES=... REPORT=...`; tests/soak says how. -->"
    yield "# A chaos soak"
    yield ""
    yield (
        f"The daemon as a real process probed {found.targets} targets of the fault lab for "
        f"{found.seconds / 60:g} minutes {total} times, while it was reloaded, scraped, starved and "
        "killed. Each verdict is compared with what the lab itself logged for the same `X-Request-ID`."
    )
    yield ""
    yield from _table(
        ("promise", "found", ""),
        [(one.what, one.found, "kept" if one.kept else "**broken**") for one in promises(found)],
    )
    problems = [*judgement.wrong, *judgement.lost, *found.still, *found.unanswered]
    if problems:
        yield "## What broke the promises"
        yield ""
        yield from (f"- {problem}" for problem in problems[:LISTED])
        yield ""
    yield "## What was done to the daemon"
    yield ""
    yield from _table(("act", "times"), [(what, str(times)) for what, times in found.acts.items()])
    yield from _table(("end of a run", "result"), list(found.ends.items()))
    yield "## Verdicts"
    yield ""
    yield from _table(("verdict", "probes"), [(name, str(n)) for name, n in sorted(judgement.right.items())])
    yield "Of the monitor's own fault, each with the disturbance that explains it; these count in no ratio:"
    yield ""
    yield from _table(
        ("verdict", "because of", "probes"), [(name, why, str(n)) for (name, why), n in sorted(judgement.ours.items())]
    )
    yield from _facts(found)


def _facts(found: Findings) -> Iterator[str]:
    start, warm, end = (f"{size / 1e6:.0f}" for size in found.memory)
    yield (
        f"- {len(found.judgement.faults)} kinds of fault were detected; {found.judgement.killed} probes were in "
        "flight, or their lines in the queue, when the process was killed."
    )
    answered, slowest, starved = found.scrapes
    yield f"- {answered} scrapes were answered, the slowest in {slowest:.2f} s."
    if starved:
        yield f"- {starved} scrapes had no answer in 30 s, for most of which the daemon waited for a processor."
    yield f"- Memory: {start} MB at the start of the long run, {warm} MB when warm, {end} MB at its end."
    yield (
        f"- The fit of its growth leaves out the first {found.warm_after:.0f} s, in which the memory of recent probes "
        "of the targets that stayed was filled."
    )
    yield f"- Skipped ticks: {', '.join(f'{reason} {n}' for reason, n in found.skipped.items()) or 'none'}."
    yield f"- Writes of the log that failed: {found.sink_errors}; lines dropped, each counted: {found.dropped}."
    yield f"- Shares of a core: {', '.join(f'{name} {share:.2f}' for name, share in found.cpu.items())}."
    yield f"- Machine: {', '.join(f'{name} {value}' for name, value in found.machine.items())}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
