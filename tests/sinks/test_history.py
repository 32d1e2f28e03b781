"""The history sink: a thread writes every probe, and no fault of a disk affects the caller."""

from __future__ import annotations

import json
import resource
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.record.observation import Observation
from monitor.record.parts import ServerError
from monitor.settings import MIB, HistorySettings
from monitor.sinks import history
from monitor.sinks.history import HistoryCallbacks, HistorySink, Nothing, capped, row
from monitor.sinks.history_queries import find, newest
from monitor.stream.endings import EndKind
from monitor.stream.events import Output
from monitor.target import Record
from tests.conftest import WITHIN
from tests.records import record
from tests.sinks.samples import GATEWAY, counted, cut, line, mistakes, observed, refused, stopped, whole

AGES = 1e12
"""Seconds: the stories are of one day, whichever it is now."""


@dataclass
class Reports:
    """What a sink reports; a test can wait for a report."""

    dropped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    wrong: list[str | None] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def callbacks(self) -> HistoryCallbacks:
        """Return what the sink is given."""
        lists: tuple[list[Any], ...] = (self.dropped, self.failed, self.sizes, self.wrong, self.bugs)
        return HistoryCallbacks(*map(self._into, lists))

    def _into(self, into: list[Any]) -> Any:  # noqa: ANN401 - takes whatever it is told
        def tell(what: object) -> None:
            with self.changed:
                into.append(what)
                self.changed.notify_all()

        return tell

    def wait(self, what: str, count: int = 1) -> None:
        """Return when there are that many reports of that kind."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(getattr(self, what)) >= count, WITHIN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a history."""
    return tmp_path / "history.db"


@contextmanager
def keeping(path: Path, **more: Any) -> Iterator[tuple[HistorySink, Reports]]:  # noqa: ANN401 - settings and bounds
    """Yield a sink that has opened its file, and what it reports; it is closed at the end."""
    bounds: dict[str, Any] = {name: more.pop(name) for name in ("capacity", "retry") if name in more}
    reports = Reports()
    sink = HistorySink(
        path, HistorySettings(**{"max_age": AGES} | more), reports.callbacks(), **{"retry": 0.001} | bounds
    )
    try:
        yield sink, reports
    finally:
        assert sink.close(WITHIN)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep everybody else from writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("COMMIT")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no other writer."""
    monkeypatch.setattr("monitor.sinks.history_store.PATIENCE", 0.0)


def kept(path: Path) -> list[str]:
    """Return the ids of what is kept, newest first."""
    return [event["probe_id"] for event in newest(path, 1000)]


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_a_probe_is_kept_as_its_record(path: Path) -> None:
    """A probe has its timeline if it is read alone, not in a list; the size of the file is reported."""
    with keeping(path) as (sink, reports):
        sink(cut(probe_id="1"))
        sink(whole(probe_id="2"))
    assert newest(path, 9) == [record(whole(probe_id="2")), record(cut(probe_id="1"))]
    found = find(path, "1")
    assert found == json.loads(json.dumps(record(cut(probe_id="1"), timeline=True)))
    assert mistakes(found) == []
    assert (reports.dropped, reports.failed, reports.wrong) == ([], [], [])
    assert reports.sizes[-1] >= reports.sizes[0] > 0


def test_long_timelines_come_whole() -> None:
    """Long timelines are encoded in parts."""
    long = observed(line(*((0.2 + number / 1e4, Output("x")) for number in range(12_000))))
    kept_row = row(long, Record.FULL, MIB)
    assert kept_row.timeline is not None
    timeline = json.loads(zlib.decompress(kept_row.timeline))
    assert timeline == json.loads(json.dumps(record(long, timeline=True)["timeline"]))


def test_a_probe_without_a_stream_has_an_empty_timeline() -> None:
    """A probe without a stream has an empty timeline."""
    kept_row = row(refused(), Record.FULL, MIB)
    assert zlib.decompress(kept_row.timeline or b"") == b'{"arrivals":[],"events":[]}'


def test_a_timeline_that_is_too_large_is_left_out() -> None:
    """The event itself is kept."""
    kept_row = row(whole(), Record.FULL, 100)
    assert kept_row.timeline is None
    assert json.loads(zlib.decompress(kept_row.event))["outcome"] == "ok"


def test_words_that_are_no_text() -> None:
    """A lone surrogate is stored as U+FFFD."""
    event = zlib.decompress(row(cut(last_words="a\ud800b"), Record.FULL, MIB).event)
    assert json.loads(event)["last_words"] == "a\ufffdb"


@pytest.mark.parametrize(
    ("probe", "failed"),
    [
        (whole(), False), (cut(), True), (refused(), True), (stopped(), False), (stopped(EndKind.INTERNAL), False),
    ],
)  # fmt: skip
def test_which_probes_failed(probe: Observation, failed: bool) -> None:
    """Unavailable probes are stored as failed; aborted and inconclusive ones are not."""
    assert row(probe, Record.FULL, MIB).failed is failed


WORDS = {"server_error": ServerError("t", "c", "no memory"), "last_words": "a" * 600 + "z"}


@pytest.mark.parametrize(
    ("setting", "most", "error", "words"),
    [
        ("full", "full", True, 601), ("full", "tail", True, 512), ("full", "error", True, 0),
        ("full", "none", False, 0), ("tail", "full", True, 601), ("tail", "error", True, 0),
        ("error", "none", False, 0), ("error", "tail", True, 601),
    ],
)  # fmt: skip
def test_no_more_of_the_servers_words_than_asked_for(setting: str, most: str, error: bool, words: int) -> None:
    """`[history] record` limits the stored text, whatever the target's `record` is; shorter text is unchanged."""
    probe = cut(replace(GATEWAY, record=Record(setting)), **WORDS)
    left = capped(probe, Record(most))
    assert (left.server_error is not None, len(left.last_words or "")) == (error, words)
    assert (left.last_words or "z").endswith("z")


def test_the_tail_of_a_whole_stream_is_kept_by_full_alone() -> None:
    """The end of a whole stream is stored only with `full`, as for `record = "tail"` of a target."""
    probe = whole(replace(GATEWAY, record=Record.FULL), **WORDS)
    assert capped(probe, Record.TAIL).last_words is None
    assert capped(probe, Record.FULL).last_words == WORDS["last_words"]


# -- what may go wrong -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hasty")
def test_a_file_that_cannot_be_written_costs_no_probe(path: Path) -> None:
    """Failures are counted, an error is reported once, and waiting probes are written later."""
    with keeping(path) as (sink, reports):
        reports.wait("sizes")
        with locked(path):
            for number in range(3):
                sink(whole(probe_id=str(number)))
            reports.wait("failed", 5)
        reports.wait("sizes", 2)
    assert set(reports.failed) == {"history"}
    assert reports.wrong == [f"{path}: database is locked", None]
    assert (kept(path), reports.dropped) == (["2", "1", "0"], [])


@pytest.mark.usefixtures("hasty")
def test_a_full_queue_drops_and_counts(path: Path) -> None:
    """Probes that do not fit are dropped, and the others are written; an empty queue accepts a larger one."""
    with keeping(path, capacity=1) as (sink, reports):
        reports.wait("sizes")
        with locked(path):
            sink(whole(probe_id="1"))
            reports.wait("failed")
            sink(whole(probe_id="2"))
            assert reports.dropped == ["history"]
    assert kept(path) == ["1"]


@pytest.mark.usefixtures("hasty")
def test_at_the_close_it_is_tried_once_more(path: Path) -> None:
    """Probes that cannot be written at the close, and those after it, are dropped and counted."""
    with keeping(path, retry=3600.0) as (sink, reports):
        reports.wait("sizes")
        with locked(path):
            sink(whole(probe_id="1"))
            sink(whole(probe_id="2"))
            reports.wait("failed")
            assert sink.close(WITHIN)
        sink(whole(probe_id="3"))
    assert reports.dropped == ["history"] * 3
    assert kept(path) == []


def test_what_waits_is_written_in_more_than_one_go(path: Path) -> None:
    """A transaction is limited to the room in the file, but has at least one probe."""
    long = line(*((0.2 + number / 1e4, Output("x")) for number in range(3000)))
    with keeping(path, max_bytes=MIB) as (sink, reports):
        for number in range(4):
            sink(observed(long, probe_id=str(number)))
    assert kept(path) == ["3", "2", "1", "0"]
    assert (max(reports.sizes) <= MIB, reports.dropped) == (True, [])


def test_a_full_disk(path: Path) -> None:
    """A full disk is counted and reported, and once there is room all probes are written."""
    with keeping(path, max_bytes=MIB) as (sink, reports):
        reports.wait("sizes")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(reports.sizes) + 1000, hard))
        try:
            for number in range(36):
                sink(cut(probe_id=str(number), last_words="".join(map(chr, range(1000, 9000)))))
            reports.wait("failed", 3)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert reports.wrong[0] is not None
    assert "disk" in reports.wrong[0]
    assert (reports.wrong[-1], reports.dropped) == (None, [])
    assert kept(path) == [str(number) for number in range(35, -1, -1)]


def test_a_file_that_is_none_of_ours(path: Path) -> None:
    """A file of another program is put aside and reported, and the first probe is in a new file."""
    path.write_text("half a fi")
    with keeping(path) as (sink, reports):
        sink(whole(probe_id="1"))
    assert "put aside as history.db.corrupt" in str(reports.wrong[0])
    assert (reports.wrong[1:], reports.failed, reports.dropped) == ([None], ["history"], [])
    assert kept(path) == ["1"]


def test_a_bug_costs_its_batch_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that cannot be encoded is counted as dropped, and those after it are stored."""

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with keeping(path) as (sink, reports):
        reports.wait("sizes")
        with monkeypatch.context() as patch:
            patch.setattr(history, "row", broken)
            sink(whole(probe_id="1"))
            reports.wait("dropped")
        sink(whole(counted(), probe_id="2"))
    assert (reports.failed, reports.dropped, reports.wrong) == (["history"], ["history"], [])
    assert [str(error) for error in reports.bugs] == ["a bug"]
    assert kept(path) == ["2"]


def test_what_grows_too_old_goes_where_nothing_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old probes are deleted at intervals, even if no probe is written."""
    monkeypatch.setattr(history, "_TEND", 0.001)
    now = [0.0]
    monkeypatch.setattr(history, "time", SimpleNamespace(time=lambda: now[0]))
    with keeping(path, max_age=60.0) as (sink, reports):
        sink(whole(probe_id="1"))
        reports.wait("sizes", len(reports.sizes) + 3)
        assert kept(path) == ["1"]
        now[0] = 4e9
        reports.wait("sizes", len(reports.sizes) + 3)
        assert kept(path) == []


def test_no_history_at_all() -> None:
    """The sink without a history ignores all probes, and has nothing to write."""
    nothing = Nothing()
    nothing(whole())
    assert nothing.close()
