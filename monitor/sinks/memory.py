"""The sink that remembers: the newest observations of each target, and what was counted since the start."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from itertools import islice

from monitor.judge.verdict import OUR_OWN
from monitor.record.observation import Observation
from monitor.settings import MIB

_ALL = 4000
_MOST, _LEAST = 50, 5
_BYTES = 128 * MIB
"""What the timelines of all targets together may take: an answer to 400 tokens takes some 30 kB, an endless one MBs."""


@dataclass(slots=True)
class Counts:
    """Probes of one target since the start, those that were accepted, and those of them that were truncated."""

    probes: int = 0
    accepted: int = 0
    truncated: int = 0


def _each(targets: int) -> int:
    return max(_LEAST, min(_MOST, _ALL // max(targets, 1)))


class RecentProbes:
    """Keeps up to 50 observations a target, fewer where there are many targets or the streams are large."""

    def __init__(self, targets: int) -> None:
        self._each = _each(targets)
        self._bytes = _BYTES // max(targets, 1)
        self._kept: defaultdict[str, deque[Observation]] = defaultdict(lambda: deque(maxlen=self._each))
        self._counts: defaultdict[str, Counts] = defaultdict(Counts)

    def share(self, targets: int) -> None:
        """Share the room among another number of targets; of each the newest stay."""
        self._bytes = _BYTES // max(targets, 1)
        if _each(targets) != self._each:
            self._each = _each(targets)
            for name, kept in self._kept.items():
                self._kept[name] = deque(islice(kept, self._each), self._each)

    def __call__(self, seen: Observation) -> None:
        """Remember one probe; those of our own making and those out of schedule are kept and not counted."""
        kept = self._kept[seen.target.name]
        kept.appendleft(seen)
        while len(kept) > 1 and sum(one.recording.weight for one in kept) > self._bytes:
            kept.pop()
        if seen.trigger != "schedule" or seen.verdict.outcome in OUR_OWN:
            return
        counts = self._counts[seen.target.name]
        counts.probes += 1
        counts.accepted += seen.verdict.accepted
        counts.truncated += seen.verdict.truncated

    def of(self, name: str) -> tuple[Observation, ...]:
        """Return the observations of a target, newest first."""
        return tuple(self._kept.get(name, ()))

    def find(self, probe_id: str) -> Observation | None:
        """Return the observation of that id; None where it is not kept any more."""
        return next((seen for kept in self._kept.values() for seen in kept if seen.probe_id == probe_id), None)

    def forget(self, name: str) -> None:
        """Let go of a target that is watched no more."""
        self._kept.pop(name, None)
        self._counts.pop(name, None)

    def counts(self, name: str) -> Counts:
        """Return what was counted of a target."""
        return self._counts.get(name) or Counts()
