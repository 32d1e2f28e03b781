"""Counts of one target's probes in a span of time: integers that can be added, so that spans can be merged.

A rollup depends only on the events: it can be computed again from a log. It counts as the metrics do: scheduled
probes that are neither aborted nor inconclusive, tokens and money of all probes, and no timing that is too uncertain.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import msgspec
from msgspec import UNSET, UnsetType

from monitor.record.parts import prepared
from monitor.record.probe_event import ProbeEvent
from monitor.settings import CUT_AFTER_BUCKETS, GAP_BUCKETS, LATENCY_BUCKETS

MINUTE, HOUR = 60, 3600
DAY = 24 * HOUR
KEPT = {MINUTE: 48 * HOUR, HOUR: 90 * DAY}
"""The length in seconds of each kind of rollup, and for how many seconds they are kept."""
BOUNDS: dict[str, tuple[float, ...]] = {
    "first_chunk": LATENCY_BUCKETS,
    "gap_p50": GAP_BUCKETS,
    "gap_max": GAP_BUCKETS,
    "cut_after": CUT_AFTER_BUCKETS,
}
"""The upper bounds in seconds of each distribution, independent of the buckets of the metrics."""
_CERTAIN, _CERTAIN_SHARE = 0.001, 0.1
_MICRO, _NANO = 1_000_000, 1_000_000_000
Buckets = dict[int, int]
"""The number of values in each bucket, by its index; the last one is for values above every bound."""


def certain(value: float, uncertainty: float) -> bool:
    """Whether a timing is certain enough for a histogram: to a millisecond, or to a tenth of itself."""
    return uncertainty <= max(_CERTAIN, value * _CERTAIN_SHARE)


@prepared
class Rollup(msgspec.Struct, kw_only=True):
    """Counts of one target in one span of time."""

    probes: int = 0
    accepted: int = 0
    truncated: int = 0
    available: int = 0
    in_time: int = 0
    """Probes whose first chunk came within the threshold of its SLO."""
    input_tokens: int = 0
    output_tokens: int = 0
    first_chunk_us: int = 0
    """The sum of all times to the first chunk, in microseconds."""
    outcomes: dict[str, int] = {}
    """By `outcome/cause`."""
    first_chunk: Buckets = {}
    gap_p50: Buckets = {}
    """The median gap of each stream."""
    gap_max: Buckets = {}
    """The longest gap of each stream."""
    cut_after: Buckets = {}
    """The ages at which truncated streams ended."""
    price: dict[str, int] = {}
    """Money by currency, in billionths."""

    @property
    def truncation_ratio(self) -> float | None:
        """Truncated streams among those that were accepted; None if none was."""
        return self.truncated / self.accepted if self.accepted else None

    @property
    def availability(self) -> float | None:
        """Probes that found the target available among all; None if there is none."""
        return self.available / self.probes if self.probes else None

    @property
    def first_chunk_mean(self) -> float | None:
        """The mean time to the first chunk in seconds; None if no probe reached it."""
        number = sum(self.first_chunk.values())
        return self.first_chunk_us / number / _MICRO if number else None

    def add(self, other: Rollup) -> None:
        """Add the counts of another span."""
        for name in _WHOLE:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in COUNTED:
            mine, theirs = getattr(self, name), getattr(other, name)
            for key, number in theirs.items():
                mine[key] = mine.get(key, 0) + number


COUNTED = ("outcomes", "first_chunk", "gap_p50", "gap_max", "cut_after", "price")
"""The fields with counts by key."""
_WHOLE = tuple(name for name in Rollup.__struct_fields__ if name not in COUNTED)


def merged(rollups: Iterable[Rollup]) -> Rollup:
    """Return the sum of rollups."""
    total = Rollup()
    for one in rollups:
        total.add(one)
    return total


def rollup_of(event: ProbeEvent) -> Rollup:
    """Return the rollup of one probe."""
    found = Rollup()
    if event.tokens:
        found.input_tokens, found.output_tokens = event.tokens.input, event.tokens.output
    if event.price:
        found.price[event.price.currency] = round(event.price.amount * _NANO)
    if event.ours or event.trigger != "schedule":
        return found
    found.probes = 1
    found.accepted, found.truncated, found.available = int(event.accepted), int(event.truncated), int(event.available)
    found.in_time = int(bool(event.slo and event.slo.first_chunk))
    found.outcomes[event.verdict] = 1
    unsure = event.uncertainties or None
    first = event.timings.first_chunk
    if first is not UNSET and _observe(found.first_chunk, "first_chunk", first, unsure.first_chunk if unsure else 0.0):
        found.first_chunk_us = round(first * _MICRO)
    if event.gap:
        _observe(found.gap_p50, "gap_p50", event.gap.p50, unsure.gap if unsure else 0.0)
        _observe(found.gap_max, "gap_max", event.gap.max, unsure.gap if unsure else 0.0)
    if event.truncated:
        _observe(found.cut_after, "cut_after", event.duration, unsure.duration if unsure else 0.0)
    return found


def _observe(buckets: Buckets, name: str, value: float, uncertainty: float | UnsetType) -> bool:
    """Put a timing into its bucket; return whether it was certain enough."""
    sure = certain(value, uncertainty or 0.0)
    if sure:
        buckets[bisect_left(BOUNDS[name], value)] = 1
    return sure


def quantile(buckets: Buckets, bounds: tuple[float, ...], part: float) -> float | None:
    """Return the upper bound of the bucket that `part` of the values do not exceed; None if there is no value.

    Values over every bound give the highest bound.
    """
    left = part * sum(buckets.values())
    for index in sorted(buckets):
        left -= buckets[index]
        if left <= 0:
            return bounds[min(index, len(bounds) - 1)]
    return None
