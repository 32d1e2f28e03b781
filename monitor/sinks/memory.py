"""The sink that remembers: the newest observations of each target, and what was counted since the start."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, replace
from itertools import islice
from sys import getsizeof

from monitor.judge.verdict import OUR_OWN
from monitor.record.observation import Observation
from monitor.settings import KEPT_BYTES, KEPT_BYTES_PER_TARGET
from monitor.stream.thinning import thinned

_ALL = 4000
_MOST, _LEAST = 50, 5
_EACH = 4096
"""About the bytes of an observation beside its recording and its last words."""
_CHARACTER = 4
"""Bytes of a character at most."""


@dataclass(slots=True)
class Counts:
    """Probes of one target since the start, those that were accepted, and those of them that were truncated."""

    probes: int = 0
    accepted: int = 0
    truncated: int = 0


def _each(targets: int) -> int:
    return max(_LEAST, min(_MOST, _ALL // max(targets, 1)))


def _share(targets: int) -> int:
    """Return how many bytes the observations of one target may take."""
    return max(KEPT_BYTES // max(targets, 1), KEPT_BYTES_PER_TARGET)


def _weight(seen: Observation) -> int:
    return seen.recording.weight + getsizeof(seen.last_words) + _EACH


class RecentProbes:
    """Keeps up to 50 observations a target, fewer if there are many targets or the streams are large.

    The newest of each is always kept; its timeline is thinned, and its last words are cut, to the target's share.
    """

    def __init__(self, targets: int) -> None:
        self._each = _each(targets)
        self._bytes = _share(targets)
        self._kept: defaultdict[str, deque[Observation]] = defaultdict(lambda: deque(maxlen=self._each))
        self._counts: defaultdict[str, Counts] = defaultdict(Counts)

    def share(self, targets: int) -> None:
        """Share the room among another number of targets; of each the newest stay."""
        before = self._each, self._bytes
        self._each, self._bytes = _each(targets), _share(targets)
        if (self._each, self._bytes) != before:
            for name, kept in self._kept.items():
                self._kept[name] = deque((self._small(one) for one in islice(kept, self._each)), self._each)
                self._drop_oldest(self._kept[name])

    def __call__(self, seen: Observation) -> None:
        """Remember one probe; those of our own making and those out of schedule are kept and not counted."""
        kept = self._kept[seen.target.name]
        kept.appendleft(self._small(seen))
        self._drop_oldest(kept)
        if seen.trigger != "schedule" or seen.verdict.outcome in OUR_OWN:
            return
        counts = self._counts[seen.target.name]
        counts.probes += 1
        counts.accepted += seen.verdict.accepted
        counts.truncated += seen.verdict.truncated

    def _small(self, seen: Observation) -> Observation:
        """Return an observation that fits into its target's share."""
        room = self._bytes - _EACH
        words = seen.last_words
        if words is not None and getsizeof(words) > room // 2:
            words = words[-(room // 2 // _CHARACTER) :]
        recording = thinned(seen.recording, room - getsizeof(words))
        return replace(seen, recording=recording, last_words=words)

    def _drop_oldest(self, kept: deque[Observation]) -> None:
        while len(kept) > 1 and sum(map(_weight, kept)) > self._bytes:
            kept.pop()

    def of(self, name: str) -> tuple[Observation, ...]:
        """Return the observations of a target, newest first."""
        return tuple(self._kept.get(name, ()))

    def find(self, probe_id: str) -> Observation | None:
        """Return the observation of that id; None if it is not kept any more."""
        return next((seen for kept in self._kept.values() for seen in kept if seen.probe_id == probe_id), None)

    def forget(self, name: str) -> None:
        """Forget a target that is no longer watched."""
        self._kept.pop(name, None)
        self._counts.pop(name, None)

    def counts(self, name: str) -> Counts:
        """Return what was counted of a target."""
        return self._counts.get(name) or Counts()
