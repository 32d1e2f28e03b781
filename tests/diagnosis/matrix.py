"""Scores a diagnosis against what was really done: right, wrong and unknown, during an incident and after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from monitor.diagnosis.diagnosis import Diagnosis
from monitor.record.observation import Observation
from monitor.record.parts import Suspect
from tests.diagnosis.incidents import EPOCH, Scenario, Watched, probes

UNKNOWN, RIGHT = "not known", "right"
_THIRD = 3
_ROUNDED = 0.001
"""Seconds by which the times of an observation are rounded."""
_GRACE = 2
"""Probes after the end of an incident in which its suspects may still be named."""


@dataclass(slots=True)
class Matrix:
    """The confusion matrix: a row for each injected cause, a column for each suspect."""

    named: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Of every failed probe, by what was done, whom it pointed at."""
    accusations: int = 0
    wrong: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    """Those more than two probes after the end."""
    innocents: list[str] = field(default_factory=list)
    from_third: int = 0
    missed: list[str] = field(default_factory=list)
    right: int = 0
    """Of the probes from the third failed one on, of which somebody is to blame, those that named one and no other."""

    @property
    def wrong_share(self) -> float:
        """Wrong accusations of all."""
        return len(self.wrong) / max(self.accusations, 1)

    @property
    def right_share(self) -> float:
        """Right ones from the third failed probe on."""
        return self.right / max(self.from_third, 1)

    def lines(self) -> Iterator[str]:
        """Write it as a Markdown table."""
        columns = [*(suspect.value for suspect in Suspect), UNKNOWN]
        columns = [one for one in columns if any(row[one] for row in self.named.values())]
        yield "| what was done | " + " | ".join(f"`{one}`" if one != UNKNOWN else one for one in columns) + " |"
        yield "|---|" + "---:|" * len(columns)
        for kind, row in sorted(self.named.items()):
            yield f"| {kind} | " + " | ".join(str(row[one] or "") for one in columns) + " |"


@dataclass(slots=True)
class Run:
    """How far a target is in its incident."""

    failed: int = 0
    since: int = 10_000
    """Probes since the last that an incident touched."""
    allowed: frozenset[Suspect] = frozenset()


def score(matrix: Matrix, scenario: Scenario, seed: int) -> None:
    """Feed a scenario to a new diagnosis, and count the suspects."""
    diagnosis, runs = Diagnosis(), defaultdict[str, Run](Run)
    for watched, observation in probes(scenario, seed):
        diagnosis.take(observation)
        found = diagnosis.now(observation.target.name)
        count(matrix, watched, observation, [Suspect(one.suspect) for one in found], runs[observation.target.name])


def count(matrix: Matrix, watched: Watched, observation: Observation, found: Sequence[Suspect], run: Run) -> None:
    """Count one probe."""
    begin, bad = observation.timestamp.timestamp() - EPOCH, observation.failed
    now = [
        who for first, last, who in watched.blames if first <= begin + observation.duration + _ROUNDED and begin <= last
    ]
    run.since = 0 if now else run.since + 1
    if now:
        run.allowed = frozenset().union(*now)
    run.failed = run.failed + 1 if bad and now else 0
    verdict = f"{observation.verdict.outcome}/{observation.verdict.cause}"
    where = f"{watched.kind}: {observation.probe_id} {verdict} {found} not {sorted(run.allowed)}"
    side = "gateway" if watched.server.behind is not None else "server"
    for one in found:
        matrix.accusations += 1
        if not watched.blames:
            matrix.innocents.append(where)
        if run.since > _GRACE:
            matrix.late.append(where)
        elif one not in run.allowed:
            matrix.wrong.append(where)
    if bad and now:
        matrix.named[f"{watched.kind} ({side})"].update([one.value for one in found] or [UNKNOWN])
    if run.failed >= _THIRD and run.allowed:
        matrix.from_third += 1
        right = bool(found) and set(found) <= run.allowed
        matrix.right += right
        if not right:
            matrix.missed.append(where)
