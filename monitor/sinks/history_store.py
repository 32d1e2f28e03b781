"""The history's file: opened, checked, put aside if it is not ours, migrated, written, pruned and read.

It is an SQLite file with a write-ahead log: committed data survives a crash at any moment, and a reader does not block
the writer. All functions wait for the disk: call them in a thread.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from monitor import files
from monitor.record.probe_event import ProbeEvent
from monitor.record.rollup import Rollup, rollup_of
from monitor.record.target_summary import CONFIRMING, brief_of
from monitor.settings import HistorySettings
from monitor.sinks import history_rollups
from monitor.sinks.history_rollups import PINNED, Step
from monitor.target import Target

VERSION = 2
"""The version of the tables; a file with a later one is not changed."""
_OURS = 0x63686D6F
"""SQLite's `application_id` of our files: "chmo"."""
PATIENCE = 5.0
"""Seconds to wait for another writer of the same file."""
_PAGE = 4096
_WITH_LOG = ("", "-wal", "-shm")
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""SQLite's primary error codes of a damaged file, which a retry does not fix."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS probes (
         seq INTEGER PRIMARY KEY, probe_id TEXT NOT NULL UNIQUE, target TEXT NOT NULL, timestamp REAL NOT NULL,
         failed INTEGER NOT NULL, event BLOB NOT NULL, timeline BLOB)""",
    "CREATE INDEX IF NOT EXISTS probes_target ON probes (target)",
    "CREATE INDEX IF NOT EXISTS probes_failed ON probes (target, failed)",
    "CREATE INDEX IF NOT EXISTS probes_timestamp ON probes (timestamp)",
    f"PRAGMA application_id = {_OURS}",
)
_SECOND = (
    "ALTER TABLE probes ADD COLUMN outcome TEXT",
    "ALTER TABLE probes ADD COLUMN cause TEXT",
    "CREATE INDEX probes_failures ON probes (timestamp, outcome, cause) WHERE failed = 1",
    "CREATE INDEX probes_span ON probes (target, timestamp)",
    *history_rollups.TABLES,
)
"""What version 2 of the tables adds: rollups, states, and failures by their cause."""
_INSERT = """INSERT OR IGNORE INTO probes (probe_id, target, timestamp, failed, event, timeline, outcome, cause)
             VALUES (:probe_id, :target, :timestamp, :failed, :event, :timeline, :outcome, :cause)"""
# Of a target's probes the newest :probes are kept, and of the older ones the newest :failures that failed.
_BEYOND = "SELECT seq FROM probes WHERE target = :target ORDER BY seq DESC LIMIT 1 OFFSET :probes"
_BEYOND_FAILED = """SELECT seq FROM probes WHERE target = :target AND failed = 1 AND seq <= :beyond
                    ORDER BY seq DESC LIMIT 1 OFFSET :failures"""
_FORGET = f"""DELETE FROM probes
              WHERE target = :target AND failed = :failed AND seq <= :seq AND probe_id NOT IN {PINNED}"""  # noqa: S608 - ours
_OLDEST = f"""SELECT seq, length(event) + ifnull(length(timeline), 0) FROM probes
              WHERE probe_id NOT IN {PINNED} ORDER BY seq"""  # noqa: S608 - ours


_FORGET_OLD = f"DELETE FROM probes WHERE timestamp < ? AND probe_id NOT IN {PINNED}"  # noqa: S608 - ours
_FORGET_UNTIL = f"DELETE FROM probes WHERE seq <= ? AND probe_id NOT IN {PINNED}"  # noqa: S608 - ours
LARGEST = 256 * 1024 * 1024
"""The largest valid event or timeline in bytes: that of the longest stream has a tenth."""


_COLUMNS = {"seq", "probe_id", "target", "timestamp", "failed", "event", "timeline"}
_USUAL = Target("-", "-", "-")
"""The defaults of `confirm` and `recover`, with which the state is migrated: older files do not have them."""
_COLUMNS_OF = {1: _COLUMNS, 2: _COLUMNS | {"outcome", "cause"}}
"""The columns of the probes in each version of the tables."""


class StoreError(Exception):
    """The file cannot be used now; the text names it, the reason, and what was done about it."""


@dataclass(frozen=True, slots=True)
class StoredProbe:
    """The row of one probe: `event` and `timeline` are compressed JSON, `timestamp` is Unix time."""

    probe_id: str
    target: str
    timestamp: float
    failed: bool
    event: bytes
    timeline: bytes | None
    outcome: str = ""
    cause: str = ""
    rollup: Rollup = field(default_factory=Rollup)
    """Its counts."""
    step: Step | None = None
    """Its effect on the target's state; None if it has none."""

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return len(self.event) + len(self.timeline or b"")


def tables_of(max_bytes: int) -> int:
    """Return the share of the file's limit for its tables, in bytes."""
    return max_bytes * 11 // 16


class Store:
    """The file of one writer, opened when it is needed and again after any failure.

    Of `max_bytes` the tables may take eleven sixteenths and the log two; the rest is for the growth by one transaction.
    """

    def __init__(self, path: Path, settings: HistorySettings) -> None:
        self._path, self._settings = path, settings
        self._tables = tables_of(settings.max_bytes)
        self._log = settings.max_bytes // 8
        self.most = settings.max_bytes // 16
        """Bytes that one call of `keep` may get."""
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        """The file's identity: if another file has replaced it, that one is opened."""
        self._checked: tuple[int, int] | None = None

    def keep(self, rows: Sequence[StoredProbe], now: float) -> int:
        """Write rows, all or none, delete what exceeds the limits, and return the file's size with its log."""
        try:
            self._keep(self._opened(), rows, now)
            return sum(map(_size, _parts(self._path)[:2]))
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    # -- the file --------------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None or self._file != _identity(self._path):
            self.close()
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        with suppress(FileExistsError):  # SQLite gives the log the same mode
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._file = _identity(self._path)
        connection = self._connection = connect(self._path, "mode=rw")
        _be_ours(connection, self._path, check=self._checked != self._file)
        _migrate(connection, self._settings.probes_per_target)
        self._checked = self._file
        pages = min(self._log // 2 // _PAGE, 1000)
        for pragma in (
            "synchronous = NORMAL",
            "secure_delete = FAST",
            f"wal_autocheckpoint = {pages}",
            f"journal_size_limit = {self._log}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _failure(self, error: sqlite3.Error | OSError) -> StoreError:
        """Close the file, put it aside if it is damaged, and return the error."""
        mine = self._file == _identity(self._path)  # otherwise another process has put it aside already
        self.close()
        if mine and _is_damage(error):
            return StoreError(f"{self._path}: {reason(error)}; {files.put_aside(self._path, _WITH_LOG)}")
        return StoreError(f"{self._path}: {reason(error)}")

    # -- what is in it ---------------------------------------------------------------------------------------------

    def _keep(self, connection: sqlite3.Connection, rows: Sequence[StoredProbe], now: float) -> None:
        if _size(self._path.with_name(f"{self._path.name}-wal")) > self._log:
            self._fold(connection)
        connection.execute("BEGIN IMMEDIATE")
        _insert(connection, rows)
        for target in sorted({row.target for row in rows}) if rows else history_rollups.names(connection):
            self._prune(connection, target)
            history_rollups.forget(connection, target, now, self._tables)
            if not rows and not _has_probes(connection, target):
                history_rollups.forget_name(connection, target)
        connection.execute(_FORGET_OLD, (now - self._settings.max_age,))
        self._make_room(connection)
        connection.execute("COMMIT")
        self._shrink(connection)

    def _fold(self, connection: sqlite3.Connection) -> None:
        """Checkpoint the log into the tables, or raise if a reader prevents it."""
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(f"{self._path}: its log is full: another program has been reading it for a long time")

    def _prune(self, connection: sqlite3.Connection, target: str) -> None:
        kept = {
            "target": target,
            "probes": self._settings.probes_per_target,
            "failures": self._settings.failures_per_target,
        }
        if (beyond := _first(connection, _BEYOND, kept)) is None:
            return
        connection.execute(_FORGET, {"target": target, "failed": 0, "seq": beyond})
        if (failed := _first(connection, _BEYOND_FAILED, kept | {"beyond": beyond})) is not None:
            connection.execute(_FORGET, {"target": target, "failed": 1, "seq": failed})

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Delete the oldest probes of all targets, and then rollups, until the tables are within their limit."""
        while (over := _used(connection) - self._tables) > 0:
            seq = None
            with closing(connection.execute(_OLDEST)) as oldest:
                for seq, size in oldest:  # noqa: B007 - the last one that has to go
                    over -= size
                    if over <= 0:
                        break
            if seq is not None:
                connection.execute(_FORGET_UNTIL, (seq,))
            elif not history_rollups.forget_oldest(connection):
                return

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Free pages above the tables' limit: `max_bytes` was larger before."""
        step, before = self._log // 2 // _PAGE, None
        while (pages := _pragma(connection, "page_count")) > self._tables // _PAGE + step and pages != before:
            before = pages
            connection.execute(f"PRAGMA incremental_vacuum({step})").fetchall()
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _insert(connection: sqlite3.Connection, rows: Sequence[StoredProbe]) -> None:
    """Write the rows that are not stored yet, and count them: a retried batch counts once."""
    new = [row for row in rows if connection.execute(_INSERT, _values(row)).rowcount == 1]
    history_rollups.count(connection, ((row.target, row.timestamp, row.rollup) for row in new))
    for target, group in groupby(sorted(new, key=lambda row: row.target), key=lambda row: row.target):
        if steps := [row.step for row in group if row.step is not None]:
            history_rollups.take(connection, target, steps)


# -- opening it --------------------------------------------------------------------------------------------------------


def connect(path: Path, how: str) -> sqlite3.Connection:
    """Open the file; `how` is the query of an SQLite URI."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=PATIENCE)


def _be_ours(connection: sqlite3.Connection, path: Path, *, check: bool) -> None:
    """Create the tables in an empty file; check that any other file is ours and, with `check`, intact."""
    if is_empty(connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*_TABLES, *_SECOND, f"PRAGMA user_version = {VERSION}"):
            connection.execute(statement)
        connection.execute("COMMIT")
    see_version(connection, path)
    if check and (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise damage(str(found).splitlines()[-1])


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever written to the file."""
    values = [_pragma(connection, name) for name in ("application_id", "user_version", "schema_version")]
    return not any(values)


def see_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError if the file has a later version, or the error of `damage` if it is not a history."""
    if _pragma(connection, "application_id") != _OURS:
        raise damage("another program's file")
    if (version := _pragma(connection, "user_version")) > VERSION:
        raise StoreError(
            f"{path}: was written by a newer chat-monitor (version {version} of the tables, this one knows {VERSION}): "
            "update, or give another path"
        )
    if _columns(connection) != _COLUMNS_OF.get(version):
        raise damage("its tables are not ours")


def _migrate(connection: sqlite3.Connection, contiguous: int) -> None:
    """Migrate the tables of an older version, and count their probes; all or nothing.

    Of each target the newest `contiguous` probes are counted: of the older ones only the failures are stored.
    """
    if _pragma(connection, "user_version") == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SECOND:
        connection.execute(statement)
    for (target,) in connection.execute("SELECT DISTINCT target FROM probes").fetchall():
        history_rollups.target_id(connection, target)
        _recount(connection, target, contiguous)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _recount(connection: sqlite3.Connection, target: str, contiguous: int) -> None:
    """Count a target's probes of the first version, and set the outcomes of its failures."""
    rows = connection.execute(
        "SELECT seq, timestamp, failed, event FROM probes WHERE target = ? ORDER BY seq DESC", (target,)
    )
    counted, steps, oldest_good = list[tuple[str, float, Rollup]](), list[Step](), 0
    for place, (seq, timestamp, failed, blob) in enumerate(rows.fetchall()):
        if (event := _event(blob)) is None:
            continue
        if failed:
            connection.execute(
                "UPDATE probes SET outcome = ?, cause = ? WHERE seq = ?", (event.outcome, event.cause or "", seq)
            )
        elif place < contiguous:
            oldest_good = len(counted) + 1
        if place < contiguous:
            counted.append((target, timestamp, rollup_of(event)))
            if event.trigger in CONFIRMING and not event.ours:
                steps.append(Step(brief_of(event), _USUAL.confirm, _USUAL.recover))
    history_rollups.count(connection, counted[: oldest_good or None])
    history_rollups.take(connection, target, steps[::-1])


def _event(blob: bytes) -> ProbeEvent | None:
    """Return a stored event; None if it cannot be read."""
    try:
        return msgspec.json.decode(zlib.decompressobj().decompress(blob, LARGEST), type=ProbeEvent)
    except (zlib.error, msgspec.DecodeError):
        return None


def damage(what: str) -> sqlite3.Error:
    """Return the error of a damaged file, which is then put aside."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def _is_damage(error: sqlite3.Error | OSError) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def reason(error: sqlite3.Error | OSError) -> str:
    """Return why the file cannot be used."""
    if isinstance(error, OSError):
        return files.reason(error)
    return f"is not a history of chat-monitor, or is damaged ({error})" if _is_damage(error) else str(error)


def _parts(path: Path) -> list[Path]:
    """Return the file, its log, and the log's index."""
    return [path.with_name(path.name + ending) for ending in _WITH_LOG]


def log_of(path: Path) -> Path:
    """Return the write-ahead log of the file."""
    return _parts(path)[1]


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the identity of the file at the path."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# -- small queries ---------------------------------------------------------------------------------------------------


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _first(connection: sqlite3.Connection, question: str, values: dict[str, Any]) -> int | None:
    found = connection.execute(question, values).fetchone()
    return None if found is None else int(found[0])


def _used(connection: sqlite3.Connection) -> int:
    pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return pages * _pragma(connection, "page_size")


def _columns(connection: sqlite3.Connection) -> set[str]:
    return {str(name) for _, name, *_ in connection.execute("PRAGMA table_info(probes)").fetchall()}


def targets(connection: sqlite3.Connection) -> list[str]:
    """Return the targets in a file of any version."""
    if history_rollups.known(connection):
        return history_rollups.names(connection)
    return [str(name) for (name,) in connection.execute("SELECT DISTINCT target FROM probes").fetchall()]


def _has_probes(connection: sqlite3.Connection, target: str) -> bool:
    return connection.execute("SELECT 1 FROM probes WHERE target = ? LIMIT 1", (target,)).fetchone() is not None


def _values(row: StoredProbe) -> dict[str, object]:
    return {name: getattr(row, name) for name in _COLUMNS_OF[VERSION] - {"seq"}}
