"""One target and its recent probes in brief: the API's resource, which `chat-monitor top` reads and shows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from monitor.judge.verdict import TRUNCATED
from monitor.record.parts import Count
from monitor.record.probe_event import ProbeEvent, Ratio, Seconds


class State(StrEnum):
    """How a target stands; what needs somebody first."""

    DOWN = "down"
    """Failures in a row have confirmed it."""
    AT_RISK = "at_risk"
    """It fails now, not yet confirmed, or an SLO is not kept by the recent probes."""
    NOT_PROVEN = "not_proven"
    """No probe has shown a whole answer yet, or nothing can: the protocol has no end and there is no check."""
    OK = "ok"
    PAUSED = "paused"


class BriefProbe(msgspec.Struct, frozen=True, kw_only=True):
    """One recent probe in a few words."""

    outcome: str
    cause: str | UnsetType = UNSET
    probe_id: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    trigger: str | UnsetType = UNSET
    available: bool | UnsetType = UNSET
    first_chunk: Seconds | UnsetType = UNSET
    """Time to the first chunk in seconds."""

    @property
    def verdict(self) -> str:
        """Outcome and cause as one word."""
        return f"{self.outcome}/{self.cause}" if self.cause else self.outcome

    @property
    def truncated(self) -> bool:
        """Whether it is one of the failures that the truncation ratio counts."""
        return (self.outcome, self.cause or None) in TRUNCATED


CONFIRMING = frozenset({"schedule", "confirm"})
"""The triggers of the probes that a target's state is made of."""


def brief_of(event: ProbeEvent) -> BriefProbe:
    """Return a probe in brief."""
    return BriefProbe(
        outcome=event.outcome,
        cause=event.cause,
        probe_id=event.probe_id,
        timestamp=event.timestamp,
        trigger=event.trigger,
        available=event.available,
        first_chunk=event.timings.first_chunk,
    )


class FirstChunkSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Times to the first chunk in seconds: the last probe's, and those that 50 % and 95 % of the recent ones kept."""

    last: Seconds | UnsetType = UNSET
    p50: Seconds | UnsetType = UNSET
    p95: Seconds | UnsetType = UNSET


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One target: what is configured, what was counted since the start, and its recent probes, newest first.

    As in a probe's event, UNSET keys may be absent; a reader assumes the other defaults.
    """

    name: str
    protocol: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    upstream: str | UnsetType = UNSET
    interval: float | UnsetType = UNSET
    paused: bool = False
    probes: Count | UnsetType = UNSET
    accepted: Count | UnsetType = UNSET
    truncated: Count | UnsetType = UNSET
    truncation_ratio: Ratio | UnsetType = UNSET
    state: Annotated[str, Meta(extra_json_schema={"enum": [it.value for it in State]})] | UnsetType = UNSET
    """The confirmed state."""
    failing_since: str | UnsetType = UNSET
    """When the first probe of the failures that are not over began."""
    last_good: BriefProbe | UnsetType = UNSET
    """The last probe before those, or the last of all, that found the target available."""
    availability: Ratio | UnsetType = UNSET
    """Of the recent scheduled probes."""
    consecutive_failures: Count = 0
    stale: bool = False
    """Whether the newest probe is older than the interval explains."""
    first_chunk: FirstChunkSummary | UnsetType = UNSET
    last: ProbeEvent | UnsetType = UNSET
    """The last probe that says something of the target; another only if there is none."""
    recent: tuple[BriefProbe, ...] = ()


def summarize(name: str, events: Sequence[ProbeEvent]) -> TargetSummary:
    """Return what the events of one target, newest first, come to; nothing of its config is known."""
    judged = [event for event in events if not event.ours]
    counted = [event for event in judged if event.accepted and event.trigger == "schedule"]
    firsts = sorted(event.timings.first_chunk for event in events if event.timings.first_chunk is not UNSET)
    return TargetSummary(
        name=name,
        truncation_ratio=sum(event.truncated for event in counted) / len(counted) if counted else UNSET,
        consecutive_failures=len(list(takewhile(lambda event: not event.available, judged))),
        first_chunk=FirstChunkSummary(p50=firsts[(len(firsts) - 1) // 2]) if firsts else UNSET,
        last=(judged or list(events))[0] if events else UNSET,
        recent=tuple(BriefProbe(outcome=event.outcome, cause=event.cause) for event in events),
    )
