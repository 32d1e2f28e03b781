"""A summary of one target and its recent probes: the API's resource, which `chat-monitor top` shows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from monitor.judge.verdict import TRUNCATED
from monitor.record.parts import Count, given, prepared
from monitor.record.probe_event import ProbeEvent, Ratio, Seconds
from monitor.record.rollup import Rollup


class State(StrEnum):
    """The state of a target, the most urgent first."""

    DOWN = "down"
    """It failed several times in a row (`confirm`)."""
    AT_RISK = "at_risk"
    """It fails, but that is not confirmed yet, or the recent probes miss an SLO."""
    NOT_PROVEN = "not_proven"
    """No probe has proved a whole answer yet, or none can: the protocol has no end and there is no check."""
    OK = "ok"
    PAUSED = "paused"


class BriefProbe(msgspec.Struct, frozen=True, kw_only=True):
    """One recent probe in brief."""

    outcome: Annotated[str, Meta(description="What it came to.")]
    cause: Annotated[str, Meta(description="Why, if the outcome has causes.")] | UnsetType = UNSET
    probe_id: Annotated[str, Meta(description="Its id.")] | UnsetType = UNSET
    timestamp: Annotated[str, Meta(description="When it began, in RFC 3339.")] | UnsetType = UNSET
    trigger: Annotated[str, Meta(description="What started it.")] | UnsetType = UNSET
    available: Annotated[bool, Meta(description="Whether the target was available.")] | UnsetType = UNSET
    first_chunk: Annotated[Seconds, Meta(description="Time to the first chunk in seconds.")] | UnsetType = UNSET

    @property
    def verdict(self) -> str:
        """Outcome and cause, joined with a slash."""
        return f"{self.outcome}/{self.cause}" if self.cause else self.outcome

    @property
    def truncated(self) -> bool:
        """Whether the truncation ratio counts it."""
        return (self.outcome, self.cause or None) in TRUNCATED


CONFIRMING = frozenset({"schedule", "confirm"})
"""The triggers of the probes that change a target's state."""


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
    """Times to the first chunk in seconds: the last probe's, and the 50th and 95th percentile of the recent ones."""

    last: Annotated[Seconds, Meta(description="The last probe's.")] | UnsetType = UNSET
    p50: Annotated[Seconds, Meta(description="What half of the recent probes did not exceed.")] | UnsetType = UNSET
    p95: Annotated[Seconds, Meta(description="What 95 % of the recent probes did not exceed.")] | UnsetType = UNSET


class WindowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the scheduled probes in a span of whole hours; tokens are those of all probes."""

    probes: Annotated[Count, Meta(description="Scheduled probes, without aborted and inconclusive ones.")] = 0
    accepted: Annotated[Count, Meta(description="Those whose response was a readable stream.")] = 0
    truncated: Annotated[Count, Meta(description="Those of the accepted whose end never came.")] = 0
    available: Annotated[Count, Meta(description="Those that found the target available.")] = 0
    in_time: Annotated[Count, Meta(description="Those whose first chunk came within its SLO's threshold.")] = 0
    input_tokens: Annotated[Count, Meta(description="Tokens of the prompts of all probes.")] = 0
    output_tokens: Annotated[Count, Meta(description="Tokens of the answers of all probes.")] = 0
    truncation_ratio: Annotated[Ratio, Meta(description="Truncated divided by accepted probes.")] | UnsetType = UNSET
    availability: Annotated[Ratio, Meta(description="Available divided by all scheduled probes.")] | UnsetType = UNSET


def window_of(rollup: Rollup) -> WindowSummary:
    """Return the summary of a rollup."""
    return WindowSummary(
        probes=rollup.probes,
        accepted=rollup.accepted,
        truncated=rollup.truncated,
        available=rollup.available,
        in_time=rollup.in_time,
        input_tokens=rollup.input_tokens,
        output_tokens=rollup.output_tokens,
        truncation_ratio=given(rollup.truncation_ratio),
        availability=given(rollup.availability),
    )


@prepared
class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One target: its config, its counts since the start, and its recent probes, newest first.

    As in a probe's event, UNSET keys may be absent; a reader assumes the other defaults.
    """

    name: Annotated[str, Meta(description="Its name.")]
    protocol: Annotated[str, Meta(description="The protocol of its requests.")] | UnsetType = UNSET
    url: Annotated[str, Meta(description="Its URL, without user-info and query values.")] | UnsetType = UNSET
    model: Annotated[str, Meta(description="The model that is requested.")] | UnsetType = UNSET
    labels: Annotated[dict[str, str], Meta(description="Its labels.")] | UnsetType = UNSET
    upstream: Annotated[str, Meta(description="The name of the target that it forwards to.")] | UnsetType = UNSET
    interval: Annotated[float, Meta(description="Seconds between scheduled probes.")] | UnsetType = UNSET
    paused: Annotated[bool, Meta(description="Whether it is not probed.")] = False
    maintenance_until: (
        Annotated[str, Meta(description="When the maintenance window ends, in RFC 3339, if it is in one.")] | UnsetType
    ) = UNSET
    probes: Annotated[Count, Meta(description="Scheduled probes since the start.")] | UnsetType = UNSET
    accepted: Annotated[Count, Meta(description="Those whose response was a readable stream.")] | UnsetType = UNSET
    truncated: Annotated[Count, Meta(description="Those of the accepted whose end never came.")] | UnsetType = UNSET
    truncation_ratio: Annotated[Ratio, Meta(description="Truncated divided by accepted probes.")] | UnsetType = UNSET
    state: (
        Annotated[str, Meta(description="The confirmed state.", extra_json_schema={"enum": [it.value for it in State]})]
        | UnsetType
    ) = UNSET
    failing_since: (
        Annotated[str, Meta(description="When the first probe of the current failures began.")] | UnsetType
    ) = UNSET
    last_good: (
        Annotated[
            BriefProbe,
            Meta(description="The last probe that found the target available."),
        ]
        | UnsetType
    ) = UNSET
    availability: Annotated[Ratio, Meta(description="Of the recent scheduled probes.")] | UnsetType = UNSET
    windows: (
        Annotated[
            dict[str, WindowSummary],
            Meta(
                description="If a history is configured: the counts of its probes in the last `24h`; "
                "of one target alone also in the last `7d` and `30d`."
            ),
        ]
        | UnsetType
    ) = UNSET
    consecutive_failures: Annotated[Count, Meta(description="Current failures in a row.")] = 0
    stale: Annotated[bool, Meta(description="Whether the newest probe is older than the schedule explains.")] = False
    first_chunk: Annotated[FirstChunkSummary, Meta(description="Times to the first chunk.")] | UnsetType = UNSET
    last: (
        Annotated[
            ProbeEvent,
            Meta(description="The last probe that is neither aborted nor inconclusive; another only if there is none."),
        ]
        | UnsetType
    ) = UNSET
    recent: Annotated[tuple[BriefProbe, ...], Meta(description="The recent probes in brief, newest first.")] = ()


def summarize(name: str, events: Sequence[ProbeEvent]) -> TargetSummary:
    """Return the summary of the events of one target, newest first, without its config."""
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
