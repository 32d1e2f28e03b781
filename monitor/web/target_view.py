"""One target for pages and API, computed from its recent probes, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import takewhile
from math import ceil

from msgspec import UNSET, UnsetType

from monitor.judge.verdict import Outcome
from monitor.record.observation import shown_url
from monitor.record.parts import Suspicion, given
from monitor.record.rollup import Rollup
from monitor.record.target_summary import BriefProbe, FirstChunkSummary, State, TargetSummary, window_of
from monitor.sinks.memory import RecentProbe, TargetMemory
from monitor.target import Target
from monitor.web.formatting import iso, parsed

BRIEF = 30
"""The most recent probes in a summary."""
_INTERVALS_TO_STALE = 3


@dataclass(frozen=True)
class TargetView:
    """One target with its probes, newest first, and values derived from them."""

    target: Target
    recent: Sequence[RecentProbe] = ()
    memory: TargetMemory = field(default_factory=TargetMemory)
    resting_until: datetime | None = None
    """When the maintenance window ends that it is in; None if it is in none."""

    @cached_property
    def last(self) -> RecentProbe | None:
        """The last probe that is neither aborted nor inconclusive; another only if there is none."""
        judged = (probe for probe in self.recent if not probe.ours)
        return self.memory.last or next(judged, self.recent[0] if self.recent else None)

    @cached_property
    def state(self) -> State:
        """The confirmed state."""
        last, confirmed = self.memory.last, self.memory.state.confirmed
        if self.target.paused:
            return State.PAUSED
        if last is None:
            return State.NOT_PROVEN
        if not confirmed.up:
            return State.DOWN
        if confirmed.failures or not self.slos_kept:
            return State.AT_RISK
        return State.OK if last.brief.outcome == Outcome.OK else State.NOT_PROVEN

    @property
    def failing(self) -> bool:
        """Whether it is down, or its last probes failed."""
        confirmed = self.memory.state.confirmed
        return not confirmed.up or confirmed.failures > 0

    @cached_property
    def suspected(self) -> Sequence[Suspicion]:
        """Who is suspected of the last probe.

        If nobody is, of the newest one before the monitor's start that belongs to the same failures and has the same
        verdict: the evidence of the time before a restart is not in memory.
        """
        last = self.last
        if last is None or last.suspected or not self.failing:
            return last.suspected if last else ()
        failures = takewhile(lambda probe: probe.failed or probe.ours, self.recent)
        restored = (it for it in failures if it.observation is None and it.brief.verdict == last.brief.verdict)
        return next((it.suspected for it in restored if it.suspected), ())

    @property
    def slos_kept(self) -> bool:
        """Whether the recent scheduled probes meet both objectives."""
        number, slo = len(self.memory.samples), self.target.slo
        in_time = self.memory.in_time >= slo.first_chunk.objective * number
        return in_time and self.memory.available >= slo.availability * number

    @cached_property
    def first_chunks(self) -> list[float]:
        """The times to the first chunk of the recent scheduled probes, in ascending order."""
        times = (probe.brief.first_chunk for probe in self.recent if probe.brief.trigger == "schedule")
        return sorted(time for time in times if time is not UNSET)

    def first_chunk_quantile(self, part: float) -> float | None:
        """Return the quantile `part` of the recent times to the first chunk."""
        ranked = self.first_chunks
        return ranked[max(ceil(part * len(ranked)) - 1, 0)] if ranked else None

    def stale(self, now: datetime) -> bool:
        """Whether the newest probe is older than the schedule explains."""
        if self.target.paused or self.resting_until or not self.recent:
            return False
        began = parsed(self.recent[0].brief.timestamp or "")
        age = (now - began).total_seconds() if began else 0.0
        return age > _INTERVALS_TO_STALE * self.target.interval + self.target.timeouts.total

    def summary(
        self, now: datetime, *, last: bool = True, windows: Mapping[str, Rollup] | None = None
    ) -> TargetSummary:
        """Return the API's resource; `last` says whether to include the last probe's event."""
        it, counts = self.target, self.memory.counts
        number = len(self.memory.samples)
        return TargetSummary(
            name=it.name,
            protocol=it.protocol,
            url=shown_url(it),
            model=given(it.model),
            labels=dict(it.labels) or UNSET,
            upstream=given(it.upstream),
            interval=it.interval,
            paused=it.paused,
            maintenance_until=iso(self.resting_until) if self.resting_until else UNSET,
            probes=counts.probes,
            accepted=counts.accepted,
            truncated=counts.truncated,
            truncation_ratio=counts.truncated / counts.accepted if counts.accepted else UNSET,
            state=self.state.value,
            failing_since=given(self.memory.failing_since),
            last_good=given(self.memory.state.last_good),
            availability=self.memory.available / number if number else UNSET,
            windows=UNSET if windows is None else {name: window_of(rollup) for name, rollup in windows.items()},
            consecutive_failures=self.memory.state.confirmed.failures,
            stale=self.stale(now),
            first_chunk=self._first_chunk(),
            last=self.last.event if last and self.last else UNSET,
            recent=tuple(self.brief()),
        )

    def brief(self) -> Sequence[BriefProbe]:
        """Return the recent probes in brief, newest first."""
        return [probe.brief for probe in self.recent[:BRIEF]]

    def _first_chunk(self) -> FirstChunkSummary | UnsetType:
        if (p50 := self.first_chunk_quantile(0.5)) is None:
            return UNSET
        last = self.last.brief.first_chunk if self.last else UNSET
        return FirstChunkSummary(last=last, p50=p50, p95=given(self.first_chunk_quantile(0.95)))
