"""The history's file on a real disk: what is kept, what is deleted, and files of other programs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.settings import MIB, HistorySettings
from monitor.sinks.history_queries import find, newest
from monitor.sinks.history_store import VERSION, Store, StoredProbe, StoreError, damage

NOW = 1_800_000_000.0
ROOT = Path(__file__).parents[2]


def row(probe_id: str, target: str = "one", *, failed: bool = False, age: float = 0.0, filling: int = 0) -> StoredProbe:
    """Return a row; `filling` is the size of a timeline that no compression makes smaller."""
    event = zlib.compress(json.dumps({"probe_id": probe_id, "target": target}).encode())
    return StoredProbe(probe_id, target, NOW - age, failed, event, os.urandom(filling) if filling else None)


def ids(path: Path, limit: int = 10_000, **asked: str) -> list[str]:
    """Return what is kept, newest first."""
    return [event["probe_id"] for event in newest(path, limit, target=asked.get("target"), failed="failed" in asked)]


@contextmanager
def store(path: Path, settings: HistorySettings | None = None) -> Iterator[Store]:
    """Yield a store, which is closed at the end."""
    with closing(Store(path, settings or HistorySettings())) as made:
        yield made


def filled(path: Path, count: int = 3, filling: int = 0) -> None:
    """Store so many probes in a file, and close it."""
    with store(path) as made:
        made.keep([row(f"old {number}", filling=filling) for number in range(count)], NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a history."""
    return tmp_path / "history.db"


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_what_was_kept_is_read(path: Path) -> None:
    """While it is being written and after, newest first, of one target or the failed ones alone."""
    with store(path) as made:
        size = made.keep([row("1"), row("2", "two", failed=True)], NOW)
        made.keep([row("3", failed=True)], NOW)
        assert ids(path) == ["3", "2", "1"]
        assert size <= path.stat().st_size + path.with_name("history.db-wal").stat().st_size
    assert ids(path, 2) == ["3", "2"]
    assert ids(path, target="one") == ["3", "1"]
    assert ids(path, failed="yes") == ["3", "2"]
    assert ids(path, target="two", failed="yes") == ["2"]
    assert ids(path, target="none") == []


def test_it_is_its_owners_alone(path: Path) -> None:
    """File and log have mode 0600; an existing file keeps its mode."""
    with store(path) as made:
        made.keep([row("1")], NOW)
        assert {part.stat().st_mode & 0o777 for part in path.parent.iterdir()} == {0o600}
    path.chmod(0o640)
    filled(path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_empty_file_is_filled(path: Path) -> None:
    """An empty file, as of `touch` or a full disk, is used."""
    path.touch()
    filled(path)
    assert ids(path) == ["old 2", "old 1", "old 0"]
    assert [part.name for part in path.parent.iterdir()] == ["history.db"]


def test_a_row_that_is_there_is_no_trouble(path: Path) -> None:
    """A row that was committed although an error was reported is not stored twice."""
    with store(path) as made:
        made.keep([row("1")], NOW)
        made.keep([row("1"), row("2")], NOW)
    assert ids(path) == ["2", "1"]


# -- what is let go of -------------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=8), min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(0, 4),
)
@settings(max_examples=60)
def test_of_each_target_the_newest_and_further_failed_ones_stay(
    batches: Sequence[Sequence[tuple[str, bool]]], probes: int, failures: int
) -> None:
    """Whatever comes, however it is gathered: of each the newest probes, and of those beyond the newest failed ones."""
    with TemporaryDirectory() as place:
        path = Path(place) / "history.db"
        kept: dict[str, list[tuple[str, bool]]] = {"a": [], "b": []}
        with store(path, HistorySettings(probes_per_target=probes, failures_per_target=failures)) as made:
            for turn, batch in enumerate(batches):
                rows = [row(f"{turn}-{at}", target, failed=failed) for at, (target, failed) in enumerate(batch)]
                made.keep(rows, NOW)
                for one in rows:
                    kept[one.target].insert(0, (one.probe_id, one.failed))
        for target, all_of_it in kept.items():
            beyond = [probe_id for probe_id, failed in all_of_it[probes:] if failed][:failures]
            assert ids(path, target=target) == [probe_id for probe_id, _ in all_of_it[:probes]] + beyond


def test_other_numbers_hold_from_the_start(path: Path) -> None:
    """A history with lower limits is pruned when it is opened, also for targets that are no longer probed."""
    filled(path, 9)
    with store(path, HistorySettings(probes_per_target=2, failures_per_target=0)) as made:
        made.keep([], NOW)
    assert ids(path) == ["old 8", "old 7"]


def test_what_is_too_old_goes(path: Path) -> None:
    """A probe is deleted by its own age, failed or not."""
    with store(path, HistorySettings(max_age=60.0)) as made:
        made.keep([row("1", age=59), row("2", age=61, failed=True), row("3")], NOW)
        assert ids(path) == ["3", "1"]
        made.keep([], NOW + 2)
        assert ids(path) == ["3"]


@given(st.lists(st.lists(st.integers(0, 40_000), min_size=1, max_size=4), min_size=1, max_size=60))
@settings(max_examples=25)
def test_it_never_grows_beyond_its_size(batches: Sequence[Sequence[int]]) -> None:
    """File and log never exceed the limit; the oldest probes are deleted, and no more than necessary."""
    with TemporaryDirectory() as place:
        path = Path(place) / "history.db"
        written: list[str] = []
        sizes: dict[str, int] = {}
        with store(path, HistorySettings(max_bytes=MIB, probes_per_target=10_000)) as made:
            for turn, batch in enumerate(batches):
                for at, filling in enumerate(batch):
                    one = row(f"{turn}-{at}", filling=filling)
                    written.insert(0, one.probe_id)
                    sizes[one.probe_id] = one.size
                    assert made.keep([one], NOW) <= MIB
            kept = ids(path)
            assert kept == written[: len(kept)]
            room = sum(sizes[one] + 4096 for one in written[: len(kept) + 1])
            assert len(kept) == len(written) or room > MIB // 2


def test_a_history_that_may_be_smaller_shrinks(path: Path) -> None:
    """If `max_bytes` is lowered, the file shrinks."""
    with store(path, HistorySettings(max_bytes=64 * MIB, probes_per_target=1000)) as made:
        for number in range(200):
            made.keep([row(str(number), filling=50_000)], NOW)
    before = path.stat().st_size
    with store(path, HistorySettings(max_bytes=2 * MIB, probes_per_target=1000)) as made:
        made.keep([row("new")], NOW)
        assert made.keep([], NOW) <= 2 * MIB
    assert path.stat().st_size < 2 * MIB < before
    assert ids(path, 3) == ["new", "199", "198"]


def test_what_is_left_of_no_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If even an empty file exceeds the limit, all probes are deleted, without an error."""
    filled(path)
    with store(path) as made:
        monkeypatch.setattr(made, "_tables", 1)
        made.keep([row("new")], NOW)
    assert ids(path) == []


# -- files that are none of ours ---------------------------------------------------------------------------------------


def _garbage(path: Path) -> None:
    path.write_bytes(b"half a fi" * 1000)


def _half(path: Path) -> None:
    filled(path, 40, 5000)
    os.truncate(path, path.stat().st_size // 2)


def _holes(path: Path) -> None:
    filled(path, 40, 5000)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


def _lost_index(path: Path) -> None:
    filled(path, 3)
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'probes_target'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096 + 8)
        file.write(b"\xff" * 64)


def _another_programs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")


def _without_tables(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE probes DROP COLUMN timeline")


NOT_OURS = (_garbage, _half, _holes, _lost_index, _another_programs, _without_tables)


@pytest.mark.parametrize("spoil", NOT_OURS)
def test_a_file_that_is_no_history_is_put_aside(path: Path, spoil: object) -> None:
    """A file that is not a history is reported and renamed, and a new one is created."""
    spoil(path)  # type: ignore[operator] # one of the functions above
    before = path.read_bytes()
    with store(path) as made:
        with pytest.raises(StoreError, match=r"history\.db: .*it was put aside as history\.db\.corrupt"):
            made.keep([row("new")], NOW)
        made.keep([row("new")], NOW)
    assert ids(path) == ["new"]
    assert path.with_name("history.db.corrupt").read_bytes() == before


def test_its_log_goes_with_it(path: Path) -> None:
    """The log of a renamed file is renamed with it, so that the new file does not use it."""
    aside = path.with_name("history.db.corrupt")
    for ending in ("", "-wal", "-shm"):
        aside.with_name(aside.name + ending).write_text("older")
    _garbage(path)
    path.with_name("history.db-wal").write_text("its log")
    with store(path) as made:
        with pytest.raises(StoreError, match="put aside"):
            made.keep([], NOW)
        assert not path.exists()
    assert [part.read_bytes()[:7] for part in path.parent.iterdir()] == [b"half a "]


def test_a_log_without_its_file_is_not_used(path: Path) -> None:
    """A log without its file, as after a kill or a deletion, is not used."""
    log = path.with_name("history.db-wal")
    with store(path) as made:
        made.keep([row("old")], NOW)
        left = log.read_bytes()
    path.unlink()
    log.write_bytes(left)
    filled(path, 1)
    assert ids(path) == ["old 0"]


def test_where_it_cannot_be_put_aside(path: Path) -> None:
    """If the file cannot be renamed, that is reported, and the file is unchanged."""
    _garbage(path)
    (path.with_name("history.db.corrupt") / "taken").mkdir(parents=True)
    with store(path) as made, pytest.raises(StoreError, match="it cannot be put aside: is a directory"):
        made.keep([row("new")], NOW)
    assert path.read_bytes().startswith(b"half a fi")


def test_what_another_writer_put_in_its_place_stays(path: Path) -> None:
    """If another process has replaced a damaged file, its successor is not put aside."""
    filled(path)
    with store(path) as made:
        made.keep([row("1")], NOW)
        path.rename(path.with_name("elsewhere"))
        filled(path)
        assert "put aside" not in str(made._failure(damage("torn")))
        made.keep([row("2")], NOW)
    assert ids(path)[0] == "2"


def test_a_later_version_is_refused(path: Path) -> None:
    """A file of a later version is refused for writing and reading, with what to do, and is unchanged."""
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with store(path) as made, pytest.raises(StoreError, match=r"by a newer chat-monitor \(version 3 .*knows 2\): upd"):
        made.keep([row("new")], NOW)
    with pytest.raises(StoreError, match="newer chat-monitor"):
        find(path, "old 1")
    assert (path.read_bytes(), [part.name for part in path.parent.iterdir()]) == (before, ["history.db"])


# -- what a disk and others do -----------------------------------------------------------------------------------------


def test_a_file_that_is_moved_away_is_created_again(path: Path) -> None:
    """If the file was deleted or moved while it was open, a new one is created."""
    with store(path) as made:
        made.keep([row("1")], NOW)
        for part in list(path.parent.iterdir()):
            part.unlink()
        made.keep([row("2")], NOW)
        assert ids(path) == ["2"]


def test_a_place_that_is_none(path: Path) -> None:
    """A missing directory, or a directory in place of the file, is reported in the system's words."""
    with (
        store(path / "no" / "such.db") as made,
        pytest.raises(StoreError, match=r"such\.db: no such file or directory"),
    ):
        made.keep([], NOW)
    path.mkdir()
    with store(path) as made, pytest.raises(StoreError, match=r"history\.db: unable to open database file"):
        made.keep([], NOW)


def test_two_writers_share_a_file(path: Path) -> None:
    """Two monitors on one file are harmless: each adds its own, and one that is held up for too long says so."""
    with store(path) as one, store(path) as other:
        one.keep([row("1")], NOW)
        other.keep([row("2")], NOW)
        one.keep([row("3")], NOW)
        assert ids(path) == ["3", "2", "1"]


def test_a_file_that_is_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is locked longer than the timeout costs one attempt."""
    monkeypatch.setattr("monitor.sinks.history_store.PATIENCE", 0.0)
    filled(path)
    with store(path) as made, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"history\.db: database is locked"):
            made.keep([row("new")], NOW)
        other.execute("COMMIT")
        made.keep([row("new")], NOW)
    assert ids(path, 1) == ["new"]


def test_a_reader_that_never_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that never ends stops the log from growing further, and the error names the reason."""
    monkeypatch.setattr("monitor.sinks.history_store.PATIENCE", 0.0)
    with store(path, HistorySettings(max_bytes=MIB)) as made:
        made.keep([row("first")], NOW)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM probes").fetchall()
            with pytest.raises(StoreError, match="its log is full: another program has been reading it"):
                assert max(made.keep([row(str(number), filling=20_000)], NOW) for number in range(1000)) <= MIB
            assert sum(part.stat().st_size for part in path.parent.iterdir()) <= MIB
            reader.execute("COMMIT")
            assert made.keep([row("last")], NOW) <= MIB
    assert ids(path, 1) == ["last"]


WRITER = """
import sys
from pathlib import Path
from monitor.settings import HistorySettings
from monitor.sinks.history_store import Store
from tests.sinks.test_history_store import NOW, row
path, first = Path(sys.argv[1]), int(sys.argv[2])
store = Store(path, HistorySettings(probes_per_target=100_000))
for number in range(first, first + 100_000):
    store.keep([row(str(number), filling=number * 997 % 9000)], NOW)
    print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_kept(path: Path) -> None:
    """After repeated kills of a writing process, every probe that it reported as stored is in the file."""
    acknowledged: list[int] = []
    unacknowledged: set[int] = set()
    for lines in (1, 7, 40, 150):
        first = acknowledged[-1] + 2 if acknowledged else 0
        arguments = [sys.executable, "-c", WRITER, str(path), str(first)]
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged += [int(writer.stdout.readline()) for _ in range(lines)]
            writer.send_signal(signal.SIGKILL)
            acknowledged += [
                int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")
            ]
            assert writer.wait() == -signal.SIGKILL
        kept = {int(probe_id) for probe_id in ids(path)}
        unacknowledged.add(acknowledged[-1] + 1)  # the last one may have been kept, and nobody was told
        assert set(acknowledged) <= kept <= {*acknowledged, *unacknowledged}
    assert not path.with_name("history.db.corrupt").exists()


# -- reading -----------------------------------------------------------------------------------------------------------


def test_reading_a_copy_leaves_nothing_beside_it(path: Path, tmp_path: Path) -> None:
    """A copy in a read-only directory can be read."""
    filled(path)
    copy = tmp_path / "copy" / "h.db"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    assert ids(copy) == ["old 2", "old 1", "old 0"]
    assert [part.name for part in copy.parent.iterdir()] == ["h.db"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file or directory"),  # noqa: ARG005 - nothing is made
        (Path.mkdir, "is a directory"),
        (_garbage, "is not a history of chat-monitor, or is damaged .file is not a database."),
        (_another_programs, "another program's file"),
        (Path.touch, "is still empty"),
    ],
)
def test_what_cannot_be_read_is_reported(path: Path, make: object, message: str) -> None:
    """An unreadable file is reported, and is unchanged."""
    make(path)  # type: ignore[operator] # one of the above
    with pytest.raises(StoreError, match=f"history.db: .*{message}"):
        newest(path, 1)
    assert not path.with_name("history.db.corrupt").exists()
