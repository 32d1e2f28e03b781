"""The API's bodies: what the pages show, as JSON-ready values; a key that does not apply is absent, never null."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from monitor.record.observation import Observation, public_url, record
from monitor.web.listing import Asked
from monitor.web.rows import Row, first_chunk
from monitor.web.words import iso

BRIEF = 30
"""How many recent probes the list of targets tells of."""


def targets(rows: Sequence[Row], now: datetime) -> dict[str, object]:
    """Return every target with its last probe and, in brief, those before."""
    return {"targets": [_resource(row, now) | {"recent": [_brief(it) for it in row.recent[:BRIEF]]} for row in rows]}


def target(row: Row, now: datetime) -> dict[str, object]:
    """Return one target with all recent probes, newest first, as the records of the contract."""
    return _resource(row, now) | {"recent": [record(seen) for seen in row.recent]}


def probe(seen: Observation) -> dict[str, object]:
    """Return the record of one probe with its timeline."""
    return record(seen, timeline=True)


def probes(recent: Iterable[Observation], asked: Asked) -> dict[str, object]:
    """Return the newest of these probes that are asked for, newest first, as the records of the contract."""
    wanted = (seen for seen in recent if seen.failed or not asked.failed)
    newest = sorted(wanted, key=lambda seen: seen.timestamp.timestamp() + seen.duration, reverse=True)
    return {"probes": [record(seen) for seen in newest[: asked.limit]]}


def _resource(row: Row, now: datetime) -> dict[str, object]:
    return _present(
        {
            **_configured(row),
            "probes": row.tally.probes,
            "accepted": row.tally.accepted,
            "truncated": row.tally.truncated,
            "truncation_ratio": row.tally.truncated / row.tally.accepted if row.tally.accepted else None,
            "consecutive_failures": row.failures_in_a_row,
            "stale": row.stale(now),
            "first_chunk": _first_chunk(row) or None,
            "last": record(row.last) if row.last else None,
        }
    )


def _configured(row: Row) -> dict[str, object]:
    it = row.target
    return {
        "name": it.name,
        "protocol": it.protocol,
        "url": public_url(it.url),
        "model": it.model,
        "labels": dict(it.labels) or None,
        "upstream": it.upstream,
        "interval": it.interval,
        "paused": it.paused,
    }


def _first_chunk(row: Row) -> dict[str, object]:
    return _present(
        {
            "last": first_chunk(row.last) if row.last else None,
            "p50": row.first_chunk_quantile(0.5),
            "p95": row.first_chunk_quantile(0.95),
        }
    )


def _brief(seen: Observation) -> dict[str, object]:
    return _present(
        {
            "probe_id": seen.probe_id,
            "timestamp": iso(seen.timestamp),
            "trigger": seen.trigger,
            "outcome": seen.verdict.outcome.value,
            "cause": seen.verdict.cause,
        }
    )


def _present(values: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
