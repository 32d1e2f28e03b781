"""Rows for the tests of the history: as the sink makes them of the events of one or more targets."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.probe_event import as_json
from monitor.record.rollup import Rollup, merged, rollup_of
from monitor.sinks.history import row
from monitor.sinks.history_store import StoredProbe
from monitor.target import Record, Target
from tests.sinks.samples import GATEWAY, cut, refused, stopped, whole

NOW = 1_800_000_000.0
_MAKE: dict[str, Callable[..., Observation]] = {".": whole, "x": refused, "t": cut, "a": stopped}
FIRST_VERSION = (
    """CREATE TABLE probes (
         seq INTEGER PRIMARY KEY, probe_id TEXT NOT NULL UNIQUE, target TEXT NOT NULL, timestamp REAL NOT NULL,
         failed INTEGER NOT NULL, event BLOB NOT NULL, timeline BLOB)""",
    "CREATE INDEX probes_target ON probes (target)",
    "CREATE INDEX probes_failed ON probes (target, failed)",
    "CREATE INDEX probes_timestamp ON probes (timestamp)",
    f"PRAGMA application_id = {0x63686D6F}",
    "PRAGMA user_version = 1",
)
"""The tables as version 1 made them."""


def probes(
    kinds: str,
    target: Target = GATEWAY,
    *,
    every: float = 60.0,
    end: float = NOW,
    **more: Any,  # noqa: ANN401 - fields of Observation
) -> list[Observation]:
    """Return a probe for each character, oldest first: `.` is good, `x` refused, `t` cut, `a` stopped by us."""
    begun = end - every * len(kinds)
    return [
        replace(
            _MAKE[kind](target=target, **more),
            probe_id=f"{target.name}-{place}",
            timestamp=datetime.fromtimestamp(begun + place * every, UTC),
        )
        for place, kind in enumerate(kinds)
    ]


def rows(*observation: Observation) -> list[StoredProbe]:
    """Return the probes as they are kept."""
    return [row(one, Record.FULL, 1 << 20) for one in observation]


def copies(number: int, targets: int, start: float, every: float = 3600.0) -> list[StoredProbe]:
    """Return as many good probes of each of so many targets, named by their numbers, from a Unix time on."""
    (made,) = rows(*probes("."))
    return [
        replace(made, probe_id=f"{target}-{start}-{place}", target=str(target), timestamp=start + place * every)
        for target in range(targets)
        for place in range(number)
    ]


def counted(observations: Iterable[Observation]) -> Rollup:
    """Return the rollup of these probes, computed from their events."""
    return merged(rollup_of(event_of(one)) for one in observations)


def old_file(path: Path, observations: Iterable[Observation]) -> None:
    """Make a file as version 1 wrote it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        for statement in FIRST_VERSION:
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO probes (probe_id, target, timestamp, failed, event) VALUES (?, ?, ?, ?, ?)",
            [
                (
                    one.probe_id,
                    one.target.name,
                    one.timestamp.timestamp(),
                    one.failed,
                    zlib.compress(as_json(event_of(one))),
                )
                for one in observations
            ],
        )
        connection.commit()
