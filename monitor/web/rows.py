"""What pages and API show of one target, worked out from its recent observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import takewhile
from math import ceil

from monitor.judge.verdict import OUR_OWN
from monitor.record.observation import Observation
from monitor.stream.endings import Mark
from monitor.target import Target
from monitor.web.tones import Tone, tone

_INTERVALS_TO_STALE = 3


@dataclass(frozen=True, slots=True)
class TargetCounts:
    """What was counted of one target since the start: the truncation ratio is `truncated` of `accepted`."""

    probes: int = 0
    accepted: int = 0
    truncated: int = 0


@dataclass(frozen=True)
class Row:
    """One target with its observations, newest first, and its counts."""

    target: Target
    recent: Sequence[Observation] = ()
    counts: TargetCounts = TargetCounts()

    @cached_property
    def last(self) -> Observation | None:
        """The last probe that says something of the target; one of our own making only where there is no other."""
        judged = (seen for seen in self.recent if seen.verdict.outcome not in OUR_OWN)
        return next(judged, self.recent[0] if self.recent else None)

    @cached_property
    def tone(self) -> Tone:
        """What kind of news the last probe is."""
        return tone(self.last.verdict) if self.last else Tone.NONE

    @property
    def failing(self) -> bool:
        """Whether the last probe found the target not available."""
        return self.last is not None and self.last.failed

    @cached_property
    def failures_in_a_row(self) -> int:
        """How many of the newest probes failed, one after the other."""
        judged = (seen for seen in self.recent if seen.verdict.outcome not in OUR_OWN)
        return sum(1 for _ in takewhile(lambda seen: not seen.available, judged))

    @cached_property
    def first_chunks(self) -> list[float]:
        """Every recent time to first chunk, wherever one was reached, in rising order."""
        return sorted(found for seen in self.recent if (found := first_chunk(seen)) is not None)

    def first_chunk_quantile(self, part: float) -> float | None:
        """Return the smallest of the recent times to first chunk that `part` of them do not pass."""
        ranked = self.first_chunks
        return ranked[max(ceil(part * len(ranked)) - 1, 0)] if ranked else None

    def stale(self, now: datetime) -> bool:
        """Whether the newest probe is older than the schedule explains."""
        if self.target.paused or not self.recent:
            return False
        age = (now - self.recent[0].timestamp).total_seconds()
        return age > _INTERVALS_TO_STALE * self.target.interval + self.target.timeouts.total


def first_chunk(seen: Observation) -> float | None:
    """Return the time to the first chunk; None where it was not reached."""
    return seen.recording.marks.get(Mark.FIRST_CHUNK)
