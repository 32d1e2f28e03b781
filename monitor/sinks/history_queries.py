"""Queries of the history's file for pages, API and commands: each opens the file for reading and closes it again.

Each raises StoreError if the file cannot be read. All of them wait for the disk: call them in a thread.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from monitor.record.rollup import Rollup
from monitor.record.target_state import TargetState
from monitor.sinks import history_rollups
from monitor.sinks.history_store import (
    LARGEST,
    StoreError,
    connect,
    is_empty,
    log_of,
    reason,
    see_version,
    targets,
)

Event = dict[str, Any]
_BEFORE = "SELECT probe_id FROM probes WHERE target = :target AND seq < :seq ORDER BY seq DESC LIMIT 1"
_AFTER = "SELECT probe_id FROM probes WHERE target = :target AND seq > :seq ORDER BY seq LIMIT 1"
_LOOKED_AT = 100
"""The number of unfailed probes to search for a good one: the others are faults of the monitor."""
_BEGINS = "probe_id BETWEEN :begins AND :begins || '~'"
"""`~` comes after every character of an id; unlike `LIKE`, this uses the index and knows no wildcards."""
_FAILURES = """SELECT event FROM probes WHERE failed = 1 AND timestamp BETWEEN :start AND :end
               AND :cause IN ('', outcome, cause, outcome || '/' || cause) ORDER BY timestamp DESC LIMIT :limit"""
_BETWEEN = """SELECT event FROM probes WHERE target = :target AND timestamp BETWEEN :start AND :end
              ORDER BY timestamp DESC LIMIT :limit"""


def newest(path: Path, limit: int, *, target: str | None = None, failed: bool = False, begins: str = "") -> list[Event]:
    """Return the events of the probes that began last, newest first, without their timelines.

    They are optionally of one target, only failed ones, or those whose id begins with a text.
    """
    asked = {"target = :target": target is not None, "failed = 1": failed, _BEGINS: bool(begins)}
    conditions = " AND ".join(condition for condition, holds in asked.items() if holds) or "1"
    order = "ORDER BY timestamp DESC, seq DESC LIMIT :limit"
    question = f"SELECT event FROM probes WHERE {conditions} {order}"  # noqa: S608 - ours alone
    with reading(path) as connection:
        rows = connection.execute(question, {"target": target, "limit": limit, "begins": begins}).fetchall()
    return [_loaded(path, event) for (event,) in rows]


def of_each(path: Path, limit: int) -> dict[str, list[Event]]:
    """Return the newest events of every target, newest first, without their timelines."""
    question = "SELECT event FROM probes WHERE target = ? ORDER BY seq DESC LIMIT ?"
    with reading(path) as connection:
        rows = {name: connection.execute(question, (name, limit)).fetchall() for name in targets(connection)}
    return {name: [_loaded(path, event) for (event,) in found] for name, found in rows.items() if found}


def find(path: Path, probe_id: str) -> Event | None:
    """Return the event of a probe, with its timeline if that is stored."""
    with reading(path) as connection:
        question = "SELECT event, timeline FROM probes WHERE probe_id = ?"
        row = connection.execute(question, (probe_id,)).fetchone()
    if row is None:
        return None
    event, timeline = row
    return _loaded(path, event) | ({} if timeline is None else {"timeline": _loaded(path, timeline)})


def neighbours(path: Path, probe_id: str) -> tuple[str | None, str | None, str | None]:
    """Return the ids of the probes of the same target before and after one, and of the last good one before it.

    "Good" is not failed, by the availability SLO, and not a fault of the monitor.
    """
    question = """SELECT probe_id, event FROM probes WHERE target = :target AND failed = 0 AND seq < :seq
                  ORDER BY seq DESC LIMIT :most"""
    with reading(path) as connection:
        found = connection.execute("SELECT seq, target FROM probes WHERE probe_id = ?", (probe_id,)).fetchone()
        if found is None:
            return None, None, None
        key = {"seq": found[0], "target": found[1], "most": _LOOKED_AT}
        sides = [connection.execute(side, key).fetchone() for side in (_BEFORE, _AFTER)]
        unfailed = connection.execute(question, key).fetchall()
    good = (it for it, event in unfailed if (_loaded(path, event).get("slo") or {}).get("availability"))
    previous, following = (side[0] if side else None for side in sides)
    return previous, following, next(good, None)


def failures(path: Path, start: float, end: float, cause: str, limit: int) -> list[Event]:
    """Return the newest failures that began from `start` to `end` (Unix time), newest first.

    `cause` is an outcome, a cause or both as `outcome/cause`; empty for all.
    """
    with _rolled(path) as connection:
        asked = {"start": start, "end": end, "cause": cause, "limit": limit}
        rows = connection.execute(_FAILURES, asked).fetchall()
    return [_loaded(path, event) for (event,) in rows]


def between(path: Path, target: str, start: float, end: float, limit: int) -> list[Event]:
    """Return the newest probes of a target that began from `start` to `end` (Unix time), newest first."""
    with _rolled(path) as connection:
        asked = {"target": target, "start": start, "end": end, "limit": limit}
        rows = connection.execute(_BETWEEN, asked).fetchall()
    return [_loaded(path, event) for (event,) in rows]


def sums(path: Path, names: Sequence[str], since: Mapping[str, float]) -> dict[str, dict[str, Rollup]]:
    """Return by target, for each key of `since`, the rollup since that Unix time, in whole hours."""
    found: dict[str, dict[str, Rollup]] = {}
    with _rolled(path) as connection:
        for key, start in since.items():
            for name, rollup in history_rollups.sums(connection, names, start).items():
                found.setdefault(name, {})[key] = rollup
    return found


def series(path: Path, target: str, span: int, start: float, end: float) -> list[tuple[int, Rollup]]:
    """Return a target's rollups of `span` seconds that begin from `start` to `end`, with their Unix time."""
    with _rolled(path) as connection:
        return list(history_rollups.series(connection, target, span, start, end))


def states(path: Path) -> dict[str, TargetState]:
    """Return the state of every target; empty for a file of an older version."""
    with reading(path) as connection:
        if not history_rollups.known(connection):
            return {}
        return history_rollups.states(connection)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file read-only, so that no file is created next to it; a file without a log has no writer."""
    try:
        path.open("rb").close()  # its errors say more than SQLite's
        how = "mode=ro" if log_of(path).exists() else "mode=ro&immutable=1"
        with closing(connect(path, how)) as connection:
            if is_empty(connection):
                raise StoreError(f"{path}: is still empty")
            see_version(connection, path)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {reason(error)}") from error


@contextmanager
def _rolled(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file with rollups."""
    with reading(path) as connection:
        if not history_rollups.known(connection):
            raise StoreError(f"{path}: was written by an older chat-monitor; the daemon migrates it when it starts")
        yield connection


def _loaded(path: Path, blob: bytes) -> Event:
    try:
        text = zlib.decompressobj().decompress(blob, LARGEST)
        return dict(msgspec.json.decode(text))
    except (zlib.error, ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{path}: the event of a probe is damaged") from error
