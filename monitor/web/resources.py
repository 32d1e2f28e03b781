"""The API's bodies: what the pages show, as JSON-ready values; a key that does not apply is absent, never null."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation, shown_url
from monitor.record.parts import given
from monitor.record.probe_event import plain
from monitor.record.target_summary import BriefProbe, FirstChunkSummary, TargetSummary
from monitor.web.listing import ProbeQuery
from monitor.web.rows import Row, first_chunk
from monitor.web.words import iso

BRIEF = 30
"""How many recent probes the list of targets tells of."""


def targets(rows: Sequence[Row], now: datetime) -> dict[str, object]:
    """Return every target with its last probe and, in brief, those before."""
    return {"targets": [_resource(row, now) for row in rows]}


def target(row: Row, now: datetime) -> dict[str, object]:
    """Return one target with all recent probes, newest first, as the records of the contract."""
    return _resource(row, now) | {"recent": [plain(event_of(seen)) for seen in row.recent]}


def probe(seen: Observation) -> dict[str, object]:
    """Return the record of one probe with its timeline."""
    return plain(event_of(seen, timeline=True))


def probes(recent: Iterable[Observation], query: ProbeQuery) -> dict[str, object]:
    """Return the newest of these probes that a query selects, newest first, as the records of the contract."""
    wanted = (seen for seen in recent if seen.failed or not query.failed)
    newest = sorted(wanted, key=lambda seen: seen.timestamp.timestamp() + seen.duration, reverse=True)
    return {"probes": [plain(event_of(seen)) for seen in newest[: query.limit]]}


def _resource(row: Row, now: datetime) -> dict[str, object]:
    return dict(msgspec.to_builtins(_summary(row, now)))


def _summary(row: Row, now: datetime) -> TargetSummary:
    it, counts = row.target, row.counts
    return TargetSummary(
        name=it.name,
        protocol=it.protocol,
        url=shown_url(it),
        model=given(it.model),
        labels=dict(it.labels) or UNSET,
        upstream=given(it.upstream),
        interval=it.interval,
        paused=it.paused,
        probes=counts.probes,
        accepted=counts.accepted,
        truncated=counts.truncated,
        truncation_ratio=counts.truncated / counts.accepted if counts.accepted else UNSET,
        consecutive_failures=row.failures_in_a_row,
        stale=row.stale(now),
        first_chunk=_first_chunk(row),
        last=event_of(row.last) if row.last else UNSET,
        recent=tuple(_brief(seen) for seen in row.recent[:BRIEF]),
    )


def _first_chunk(row: Row) -> FirstChunkSummary | UnsetType:
    if (p50 := row.first_chunk_quantile(0.5)) is None:
        return UNSET
    last = first_chunk(row.last) if row.last else None
    return FirstChunkSummary(last=given(last), p50=p50, p95=given(row.first_chunk_quantile(0.95)))


def _brief(seen: Observation) -> BriefProbe:
    return BriefProbe(
        outcome=seen.verdict.outcome.value,
        cause=given(seen.verdict.cause),
        probe_id=seen.probe_id,
        timestamp=iso(seen.timestamp),
        trigger=seen.trigger,
    )
