"""The history's rollups and states: counted, stored and read in their own tables, on the owner's connection.

A rollup is written in the transaction of the probes that it counts, so that both are stored or neither is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from monitor.record.rollup import COUNTED, HOUR, KEPT, MINUTE, Rollup
from monitor.record.target_state import TargetState
from monitor.record.target_summary import BriefProbe

NUMBERS = tuple(name for name in Rollup.__struct_fields__ if name not in COUNTED)
TABLES = (
    "CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    f"""CREATE TABLE IF NOT EXISTS rollups (
          target INTEGER NOT NULL, span INTEGER NOT NULL, start INTEGER NOT NULL,
          {" ".join(f"{name} INTEGER NOT NULL," for name in NUMBERS)} counted BLOB NOT NULL,
          PRIMARY KEY (target, span, start)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS states (
         target INTEGER PRIMARY KEY, began TEXT, last_good TEXT, state BLOB NOT NULL)""",
)
PINNED = """(SELECT began FROM states WHERE began IS NOT NULL
            UNION SELECT last_good FROM states WHERE began IS NOT NULL AND last_good IS NOT NULL)"""
"""The ids of the probes that are not deleted during an incident: the first failure and the last good probe."""
BYTES = {MINUTE: 64, HOUR: 128}
"""The approximate size of one rollup of each length in the file: 55 and 80 bytes were measured, with few outcomes."""
SHARE = 0.5
"""The share of the tables' space for rollups."""
_FIELDS = ", ".join((*NUMBERS, "counted"))
_PUT = f"""INSERT OR REPLACE INTO rollups (target, span, start, {_FIELDS})
           VALUES (?, ?, ?, {", ".join("?" * (len(NUMBERS) + 1))})"""  # noqa: S608 - names of ours alone
_GET = f"SELECT {_FIELDS} FROM rollups WHERE target = ? AND span = ? AND start = ?"  # noqa: S608 - likewise
_SERIES = f"""SELECT start, {_FIELDS} FROM rollups
              WHERE target = ? AND span = ? AND start >= ? AND start < ? ORDER BY start"""  # noqa: S608 - likewise
# Grouped in the order of the primary key: no row is sorted.
_SUMS = f"""SELECT (SELECT name FROM names WHERE id = target), {", ".join(f"sum({name})" for name in NUMBERS)}
            FROM rollups WHERE span = ? AND start >= ? AND target IN
            (SELECT id FROM names WHERE name IN (SELECT value FROM json_each(?)))
            GROUP BY target"""  # noqa: S608 - likewise
_OLDEST_TENTH = """DELETE FROM rollups WHERE start <=
                   (SELECT start FROM rollups ORDER BY start LIMIT 1 OFFSET (SELECT count(*) / 10 FROM rollups))"""


class Step(NamedTuple):
    """A probe's effect on its target's state, and after how many in a row that is confirmed."""

    probe: BriefProbe
    confirm: int
    recover: int


def target_id(connection: sqlite3.Connection, name: str) -> int:
    """Return the id of a target; an unknown name gets a new one."""
    connection.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
    return int(connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()[0])


def known(connection: sqlite3.Connection) -> bool:
    """Whether the file has rollups; older versions wrote none."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rollups'").fetchone() is not None


def names(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all targets in the file."""
    return [str(name) for (name,) in connection.execute("SELECT name FROM names").fetchall()]


# -- writing -----------------------------------------------------------------------------------------------------------


def count(connection: sqlite3.Connection, probes: Iterable[tuple[str, float, Rollup]]) -> None:
    """Count probes, each with its target's name and Unix time, in the rollups of every length."""
    ids: dict[str, int] = {}
    found: dict[tuple[int, int, int], Rollup] = {}
    for name, timestamp, one in probes:
        target = ids.get(name) or ids.setdefault(name, target_id(connection, name))
        for span in KEPT:
            key = (target, span, int(timestamp // span) * span)
            found.setdefault(key, Rollup()).add(one)
    for key, total in found.items():
        before = connection.execute(_GET, key).fetchone()
        if before is not None:
            total.add(_rollup(before))
        connection.execute(_PUT, (*key, *_cells(total)))


def take(connection: sqlite3.Connection, name: str, steps: Sequence[Step]) -> None:
    """Take the probes of one target, oldest first, into its state."""
    target = target_id(connection, name)
    found = state_of(connection, name) or TargetState()
    for step in steps:
        found.take(step.probe, confirm=step.confirm, recover=step.recover)
    connection.execute(
        "INSERT OR REPLACE INTO states (target, began, last_good, state) VALUES (?, ?, ?, ?)",
        (target, _id(found.began), _id(found.last_good), msgspec.json.encode(found)),
    )


def _id(probe: BriefProbe | None) -> str | None:
    return None if probe is None else probe.probe_id or None


def forget(connection: sqlite3.Connection, name: str, now: float, room: int) -> None:
    """Delete the rollups of one target that do not fit into `room` bytes for all targets."""
    target = target_id(connection, name)
    number = int(connection.execute("SELECT count(*) FROM names").fetchone()[0])
    for span, seconds in retention(number, room).items():
        connection.execute(
            "DELETE FROM rollups WHERE target = ? AND span = ? AND start < ?", (target, span, now - seconds)
        )


def forget_name(connection: sqlite3.Connection, name: str) -> None:
    """Delete the name of a target without rollups."""
    target = target_id(connection, name)
    if connection.execute("SELECT 1 FROM rollups WHERE target = ? LIMIT 1", (target,)).fetchone() is None:
        connection.execute("DELETE FROM states WHERE target = ?", (target,))
        connection.execute("DELETE FROM names WHERE id = ?", (target,))


def forget_oldest(connection: sqlite3.Connection) -> bool:
    """Delete the oldest tenth of all rollups; return whether there was one."""
    return connection.execute(_OLDEST_TENTH).rowcount > 0


def retention(targets: int, room: int) -> dict[int, int]:
    """Return for how many seconds rollups of each length are kept if this many targets share `room` bytes of tables."""
    whole = rollup_bytes() * max(targets, 1)
    share = min(1.0, room * SHARE / whole)
    return {span: int(seconds * share) for span, seconds in KEPT.items()}


def rollup_bytes() -> int:
    """Return the approximate size in bytes of all rollups of one target."""
    return sum(KEPT[span] // span * size for span, size in BYTES.items())


def _cells(rollup: Rollup) -> tuple[int | bytes, ...]:
    counted = [getattr(rollup, name) for name in COUNTED]
    return (*(getattr(rollup, name) for name in NUMBERS), msgspec.msgpack.encode(counted))


def _rollup(cells: Sequence[Any]) -> Rollup:
    *numbers, counted = cells
    values = dict(zip(NUMBERS, numbers, strict=True)) | dict(zip(COUNTED, msgspec.msgpack.decode(counted), strict=True))
    return msgspec.convert(values, Rollup)


# -- reading -----------------------------------------------------------------------------------------------------------


def state_of(connection: sqlite3.Connection, name: str) -> TargetState | None:
    """Return the state of a target; None if it has had no probe."""
    found = connection.execute(
        "SELECT state FROM states JOIN names ON names.id = states.target WHERE name = ?", (name,)
    ).fetchone()
    return None if found is None else msgspec.json.decode(found[0], type=TargetState)


def states(connection: sqlite3.Connection) -> dict[str, TargetState]:
    """Return the state of every target."""
    question = "SELECT name, state FROM states JOIN names ON names.id = states.target"
    return {str(name): msgspec.json.decode(blob, type=TargetState) for name, blob in connection.execute(question)}


def series(
    connection: sqlite3.Connection, name: str, span: int, start: float, end: float
) -> Iterator[tuple[int, Rollup]]:
    """Yield a target's rollups of one length that begin from `start` to `end`, with their Unix time, oldest first."""
    found = connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
    if found is not None:
        for at, *cells in connection.execute(_SERIES, (found[0], span, start, end)):
            yield int(at), _rollup(cells)


def sums(connection: sqlite3.Connection, targets: Sequence[str], since: float) -> dict[str, Rollup]:
    """Return the integer counts of each target since a Unix time, in whole hours, without the counts by key."""
    asked = (HOUR, int(since // HOUR) * HOUR, msgspec.json.encode(list(targets)).decode())
    rows = connection.execute(_SUMS, asked).fetchall()
    return {str(name): Rollup(**dict(zip(NUMBERS, numbers, strict=True))) for name, *numbers in rows}
