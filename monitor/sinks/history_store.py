"""The history's file: opened and checked, put aside where it is none of ours, written, pruned and read.

It is SQLite's, with a write-ahead log: what was committed survives the death of the process at any moment, and who
reads holds up nobody who writes. All of it waits for a disk: it belongs into a thread.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from monitor import files
from monitor.settings import HistorySettings

VERSION = 1
"""Of the tables; a file of a later one is left alone."""
_OURS = 0x63686D6F
"""SQLite's `application_id` of our files: "chmo"."""
_PATIENCE = 5.0
"""Seconds for which another writer of the same file is waited for."""
_PAGE = 4096
_WITH_LOG = ("", "-wal", "-shm")
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""What no waiting mends: SQLite's primary codes."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS probes (
         seq INTEGER PRIMARY KEY, probe_id TEXT NOT NULL UNIQUE, target TEXT NOT NULL, timestamp REAL NOT NULL,
         failed INTEGER NOT NULL, event BLOB NOT NULL, timeline BLOB)""",
    "CREATE INDEX IF NOT EXISTS probes_target ON probes (target)",
    "CREATE INDEX IF NOT EXISTS probes_failed ON probes (target, failed)",
    "CREATE INDEX IF NOT EXISTS probes_timestamp ON probes (timestamp)",
    f"PRAGMA application_id = {_OURS}",
    f"PRAGMA user_version = {VERSION}",
)
_INSERT = """INSERT OR IGNORE INTO probes (probe_id, target, timestamp, failed, event, timeline)
             VALUES (:probe_id, :target, :timestamp, :failed, :event, :timeline)"""
# Of a target's probes the newest :probes stay, and of those beyond them the newest :failures that failed.
_BEYOND = "SELECT seq FROM probes WHERE target = :target ORDER BY seq DESC LIMIT 1 OFFSET :probes"
_BEYOND_FAILED = """SELECT seq FROM probes WHERE target = :target AND failed = 1 AND seq <= :beyond
                    ORDER BY seq DESC LIMIT 1 OFFSET :failures"""
_FORGET = "DELETE FROM probes WHERE target = :target AND failed = :failed AND seq <= :seq"
_BEFORE = "SELECT probe_id FROM probes WHERE target = :target AND seq < :seq ORDER BY seq DESC LIMIT 1"
_AFTER = "SELECT probe_id FROM probes WHERE target = :target AND seq > :seq ORDER BY seq LIMIT 1"
_LOOKED_AT = 100
"""Probes that did not fail, among which a good one is looked for: the others are faults of the monitor."""
_OLDEST = "SELECT seq, length(event) + ifnull(length(timeline), 0) FROM probes ORDER BY seq"


Event = dict[str, Any]
_LARGEST = 256 * 1024 * 1024
"""Bytes of one event or timeline, beyond which it is none of ours: the longest stream that is read has a tenth."""


_COLUMNS = {"seq", "probe_id", "target", "timestamp", "failed", "event", "timeline"}


class StoreError(Exception):
    """The file cannot be used now; the text says which, why, and what was done about it."""


@dataclass(frozen=True, slots=True)
class StoredProbe:
    """One probe as it is kept: `event` and `timeline` are compressed JSON, `timestamp` is Unix time."""

    probe_id: str
    target: str
    timestamp: float
    failed: bool
    event: bytes
    timeline: bytes | None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.event) + len(self.timeline or b"")


class Store:
    """The file of one writer, opened when it is needed and again after any failure.

    Of `max_bytes` the tables may take eleven sixteenths and the log two; the rest is for what one transaction adds.
    """

    def __init__(self, path: Path, settings: HistorySettings) -> None:
        self._path, self._settings = path, settings
        self._tables = settings.max_bytes * 11 // 16
        self._log = settings.max_bytes // 8
        self.most = settings.max_bytes // 16
        """Bytes that are given to `keep` at once."""
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        """Which file it is: where another lies in its place by now, that one is opened."""
        self._checked: tuple[int, int] | None = None

    def keep(self, rows: Sequence[StoredProbe], now: float) -> int:
        """Write rows, all or none, let go of what is too much, and return the file's size with its log."""
        try:
            self._keep(self._opened(), rows, now)
            return sum(map(_size, _parts(self._path)[:2]))
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
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
        connection = self._connection = _connect(self._path, "mode=rw")
        _be_ours(connection, self._path, check=self._checked != self._file)
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
        """Close the file, put it aside where it is damaged, and return what is said."""
        mine = self._file == _identity(self._path)  # or somebody else has put it aside already
        self.close()
        if mine and _is_damage(error):
            return StoreError(f"{self._path}: {_reason(error)}; {files.put_aside(self._path, _WITH_LOG)}")
        return StoreError(f"{self._path}: {_reason(error)}")

    # -- what is in it ---------------------------------------------------------------------------------------------

    def _keep(self, connection: sqlite3.Connection, rows: Sequence[StoredProbe], now: float) -> None:
        if _size(self._path.with_name(f"{self._path.name}-wal")) > self._log:
            self._fold(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, map(_values, rows))
        for target in sorted({row.target for row in rows}) if rows else _targets(connection):
            self._prune(connection, target)
        connection.execute("DELETE FROM probes WHERE timestamp < ?", (now - self._settings.max_age,))
        self._make_room(connection)
        connection.execute("COMMIT")
        self._shrink(connection)

    def _fold(self, connection: sqlite3.Connection) -> None:
        """Have what the log holds written into the tables, or say that a reader is in the way."""
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(f"{self._path}: its log is full: another program has been reading it for long")

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
        """Let the oldest go, whosever they are, until the tables take no more than they may."""
        while (over := _used(connection) - self._tables) > 0:
            seq = None
            with closing(connection.execute(_OLDEST)) as oldest:
                for seq, size in oldest:  # noqa: B007 - the last one that has to go
                    over -= size
                    if over <= 0:
                        break
            if seq is None:
                return
            connection.execute("DELETE FROM probes WHERE seq <= ?", (seq,))

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Give pages back that are more than the tables may take: `max_bytes` was larger once."""
        step, before = self._log // 2 // _PAGE, None
        while (pages := _pragma(connection, "page_count")) > self._tables // _PAGE + step and pages != before:
            before = pages
            connection.execute(f"PRAGMA incremental_vacuum({step})").fetchall()
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


# -- opening it --------------------------------------------------------------------------------------------------------


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=_PATIENCE)


def _be_ours(connection: sqlite3.Connection, path: Path, *, check: bool) -> None:
    """Make the tables in an empty file; see that any other one is ours and, where it is asked for, sound."""
    if _is_empty(connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("COMMIT")
    _see_version(connection, path)
    if check and (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise _damage(str(found).splitlines()[-1])


def _is_empty(connection: sqlite3.Connection) -> bool:
    said = [_pragma(connection, name) for name in ("application_id", "user_version", "schema_version")]
    return not any(said)


def _see_version(connection: sqlite3.Connection, path: Path) -> None:
    """StoreError where the file is of a later version, a damage where it is no history at all."""
    if _pragma(connection, "application_id") != _OURS:
        raise _damage("another program's file")
    if (version := _pragma(connection, "user_version")) > VERSION:
        raise StoreError(
            f"{path}: was written by a newer chat-monitor (version {version} of the tables, this one knows {VERSION}): "
            "update, or give another path"
        )
    if _columns(connection) != _COLUMNS:
        raise _damage("its tables are not ours")


def _damage(what: str) -> sqlite3.Error:
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def _is_damage(error: sqlite3.Error | OSError) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return files.reason(error)
    return f"holds no history of ours, or a damaged one ({error})" if _is_damage(error) else str(error)


def _parts(path: Path) -> list[Path]:
    """Return the file, its log, and the index of that."""
    return [path.with_name(path.name + ending) for ending in _WITH_LOG]


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file lies there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# -- reading it --------------------------------------------------------------------------------------------------------


def newest(path: Path, limit: int, *, target: str | None = None, failed: bool = False) -> list[Event]:
    """Return the newest events without their timelines, newest first: of one target, and failed ones, where asked for.

    StoreError where the file cannot be read.
    """
    asked = {"target = :target": target is not None, "failed = 1": failed}
    conditions = " AND ".join(condition for condition, holds in asked.items() if holds) or "1"
    question = f"SELECT event FROM probes WHERE {conditions} ORDER BY seq DESC LIMIT :limit"  # noqa: S608 - ours alone
    with _reading(path) as connection:
        rows = connection.execute(question, {"target": target, "limit": limit}).fetchall()
    return [_loaded(path, event) for (event,) in rows]


def of_each(path: Path, limit: int) -> dict[str, list[Event]]:
    """Return the newest events of every target, newest first, without their timelines; StoreError as above."""
    question = "SELECT event FROM probes WHERE target = ? ORDER BY seq DESC LIMIT ?"
    with _reading(path) as connection:
        rows = {name: connection.execute(question, (name, limit)).fetchall() for name in _targets(connection)}
    return {name: [_loaded(path, event) for (event,) in found] for name, found in rows.items()}


def find(path: Path, probe_id: str) -> Event | None:
    """Return the event of a probe, with its timeline where that was kept; StoreError where the file cannot be read."""
    with _reading(path) as connection:
        question = "SELECT event, timeline FROM probes WHERE probe_id = ?"
        row = connection.execute(question, (probe_id,)).fetchone()
    if row is None:
        return None
    event, timeline = row
    return _loaded(path, event) | ({} if timeline is None else {"timeline": _loaded(path, timeline)})


def neighbours(path: Path, probe_id: str) -> tuple[str | None, str | None, str | None]:
    """Return the ids of the probes of the same target before and after one, and of the last good one before it.

    "Good" is not failed, by the availability SLO, and not a fault of the monitor. StoreError as above.
    """
    question = """SELECT probe_id, event FROM probes WHERE target = :target AND failed = 0 AND seq < :seq
                  ORDER BY seq DESC LIMIT :most"""
    with _reading(path) as connection:
        found = connection.execute("SELECT seq, target FROM probes WHERE probe_id = ?", (probe_id,)).fetchone()
        if found is None:
            return None, None, None
        key = {"seq": found[0], "target": found[1], "most": _LOOKED_AT}
        sides = [connection.execute(side, key).fetchone() for side in (_BEFORE, _AFTER)]
        unfailed = connection.execute(question, key).fetchall()
    good = (it for it, event in unfailed if (_loaded(path, event).get("slo") or {}).get("availability"))
    previous, following = (side[0] if side else None for side in sides)
    return previous, following, next(good, None)


def failures(path: Path, start: float, end: float, wanted: Callable[[Event], bool], limit: int) -> list[Event]:
    """Return the newest failures that began from `start` to `end` (Unix time) and are wanted, newest first.

    StoreError if the file cannot be read.
    """
    question = """SELECT event FROM probes WHERE failed = 1 AND timestamp BETWEEN ? AND ?
                  ORDER BY timestamp DESC"""
    with _reading(path) as connection, closing(connection.execute(question, (start, end))) as rows:
        events = (_loaded(path, event) for (event,) in rows)
        return list(islice(filter(wanted, events), limit))


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for reading alone, so that nothing is made beside it: one without a log is nobody's just now."""
    try:
        path.stat()
        how = "mode=ro" if _parts(path)[1].exists() else "immutable=1"
        with closing(_connect(path, how)) as connection:
            if _is_empty(connection):
                raise StoreError(f"{path}: holds nothing yet")
            _see_version(connection, path)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {_reason(error)}") from error


def _loaded(path: Path, blob: bytes) -> Event:
    try:
        text = zlib.decompressobj().decompress(blob, _LARGEST)
        return dict(json.loads(text))
    except (zlib.error, ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{path}: the event of a probe is damaged") from error


# -- small questions ---------------------------------------------------------------------------------------------------


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


def _targets(connection: sqlite3.Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute("SELECT DISTINCT target FROM probes").fetchall()]


def _values(row: StoredProbe) -> dict[str, object]:
    return {name: getattr(row, name) for name in StoredProbe.__slots__}
