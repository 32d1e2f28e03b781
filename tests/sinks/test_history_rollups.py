"""The rollups and incidents in the history's file, on a real disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.record.rollup import DAY, HOUR, KEPT, MINUTE, Rollup, merged
from monitor.settings import MIB, HistorySettings
from monitor.sinks import history_queries, history_rollups
from monitor.sinks.history_rollups import BYTES, retention, rollup_bytes
from monitor.sinks.history_store import Store
from tests.sinks.kept_probes import NOW, copies, counted, old_file, probes, rows
from tests.sinks.samples import GATEWAY

OTHER = replace(GATEWAY, name="other")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a history."""
    return tmp_path / "history.db"


def kept(path: Path, name: str = "gateway", span: int = HOUR) -> Rollup:
    """Return the sum of all rollups of one length."""
    return merged(rollup for _, rollup in history_queries.series(path, name, span, 0, NOW + HOUR))


def names(path: Path) -> list[str]:
    """Return the targets in the file."""
    with history_queries.reading(path) as connection:
        return history_rollups.names(connection)


@given(st.lists(st.text(".xta", max_size=5), min_size=1, max_size=6), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_rollups_are_a_recount_of_the_probes(batches: list[str], again: int) -> None:
    """However they are batched, and if a batch is written twice; of each length."""
    observations = probes("".join(batches), every=40.0)
    with TemporaryDirectory() as place:
        path = Path(place) / "history.db"
        with closing(Store(path, HistorySettings())) as store:
            left = list(observations)
            for turn, batch in enumerate(batches):
                part, left = left[: len(batch)], left[len(batch) :]
                for _ in range(2 if turn == again else 1):
                    store.keep(rows(*part), NOW)
        assert kept(path, span=MINUTE) == kept(path, span=HOUR) == counted(observations)


def test_the_first_moment_of_each_rollup(path: Path) -> None:
    """A minute and an hour begin at whole ones of Unix time; what is asked for is from the first to before the last."""
    observations = probes("...", every=60.0, end=NOW + 60)
    with closing(Store(path, HistorySettings())) as store:
        store.keep(rows(*observations), NOW)
    found = history_queries.series(path, "gateway", MINUTE, NOW - 60, NOW)
    assert [(at, rollup.probes) for at, rollup in found] == [(NOW - 60, 1)]
    assert [at for at, _ in history_queries.series(path, "gateway", HOUR, 0, NOW + 1)] == [NOW - HOUR, NOW]
    assert history_queries.series(path, "nobody", HOUR, 0, NOW) == []


def test_sums_are_of_whole_hours(path: Path) -> None:
    """Sums are in whole hours, for each requested target with a probe since then."""
    with closing(Store(path, HistorySettings())) as store:
        store.keep(rows(*probes(".x.t", every=HOUR), *probes("..", OTHER), *probes("x", replace(OTHER, name="3"))), NOW)
    found = history_queries.sums(path, ["gateway", "other", "none"], {"2h": NOW - 2 * HOUR, "all": 0})
    assert {name: sorted(each) for name, each in found.items()} == {"gateway": ["2h", "all"], "other": ["2h", "all"]}
    assert (found["gateway"]["2h"].probes, found["gateway"]["all"].probes) == (2, 4)
    assert (found["gateway"]["all"].available, found["gateway"]["all"].truncated) == (2, 1)


def test_rollups_grow_old(path: Path) -> None:
    """Minutes are kept for 48 hours and hours for 90 days, also of a target that is not probed any more."""
    with closing(Store(path, HistorySettings())) as store:
        store.keep(rows(*probes("..", every=30 * HOUR, end=NOW), *probes(".", OTHER)), NOW)
        assert (kept(path, span=MINUTE).probes, kept(path).probes) == (1, 2)
        for days in (91, 92):  # the first deletes what is old, the second finds nothing left of these names
            store.keep([], NOW + days * DAY)
        assert (kept(path).probes, names(path)) == (0, [])


def test_a_name_stays_for_as_long_as_anything_of_it(path: Path) -> None:
    """The name of a target is kept while it has rollups, even without probes."""
    with closing(Store(path, HistorySettings(max_age=DAY))) as store:
        store.keep(rows(*probes(".")), NOW)
        store.keep([], NOW + 3 * DAY)
        assert (history_queries.newest(path, 9), names(path), kept(path).probes) == ([], ["gateway"], 1)


@pytest.mark.parametrize(("targets", "room", "share"), [(0, 1 << 40, 1.0), (1, 1 << 40, 1.0), (100, 40 * MIB, None)])
def test_retention_is_bounded_by_the_room(targets: int, room: int, share: float | None) -> None:
    """Many targets share half of the room: each sort is kept for the same part of its time."""
    found = retention(targets, room)
    parts = {span: found[span] / KEPT[span] for span in KEPT}
    expected = share if share is not None else room / 2 / targets / rollup_bytes()
    assert parts == pytest.approx(dict.fromkeys(KEPT, expected), rel=1e-4)
    assert sum(found[span] // span * BYTES[span] for span in KEPT) * targets <= room / 2


def test_many_rollups_fit_their_file(path: Path) -> None:
    """In a small file rollups are kept for a shorter time, and pages stay within the bound."""
    with closing(Store(path, HistorySettings(max_bytes=MIB, probes_per_target=1))) as store:
        for hour in range(0, 400, 20):
            assert store.keep(copies(20, 8, NOW + hour * HOUR), NOW + hour * HOUR) <= MIB
    rollups = history_queries.series(path, "0", HOUR, 0, NOW + 999 * HOUR)
    assert 0 < len(rollups) < 400
    assert rollups[-1][0] == NOW + 399 * HOUR


def test_rollups_go_if_no_probe_is_left_to_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If they take more than was expected of them, the oldest of them are deleted."""
    monkeypatch.setattr("monitor.sinks.history_rollups.BYTES", {MINUTE: 0.001, HOUR: 0.001})
    with closing(Store(path, HistorySettings(max_bytes=MIB, probes_per_target=1))) as store:
        for hour in range(0, 400, 20):
            store.keep(copies(20, 20, NOW + hour * HOUR), NOW)
        assert store.keep([], NOW) <= MIB
    assert 0 < len(history_queries.series(path, "0", HOUR, 0, NOW + 999 * HOUR)) < 400


# -- incidents ---------------------------------------------------------------------------------------------------------


def test_an_incident_outlasts_a_restart(path: Path) -> None:
    """The streak, since when and the last good probe go on from what another process wrote."""
    observations = probes(".xxxx")
    for part in (observations[:3], observations[3:]):
        with closing(Store(path, HistorySettings())) as store:
            store.keep(rows(*part), NOW)
    found = history_queries.states(path)["gateway"]
    assert (found.confirmed.failures, found.confirmed.up) == (4, False)
    assert found.began is not None
    assert found.last_good is not None
    assert (found.began.probe_id, found.last_good.probe_id) == ("gateway-1", "gateway-0")


def test_the_probe_that_began_an_incident_is_kept_while_it_lasts(path: Path) -> None:
    """The first failure and the last good probe of an incident are not deleted while it lasts, despite all limits."""
    bounds = HistorySettings(probes_per_target=2, failures_per_target=1, max_age=600.0, max_bytes=MIB)
    filling = replace(rows(*probes(".", OTHER))[0], timeline=bytes(60_000))
    with closing(Store(path, bounds)) as store:
        for one in probes("..xxxxxxxxx", every=600.0):
            store.keep(rows(one), one.timestamp.timestamp())
        assert [event["probe_id"] for event in history_queries.newest(path, 99)] == [
            "gateway-10", "gateway-9", "gateway-2", "gateway-1",
        ]  # fmt: skip
        for number in range(30):
            store.keep([replace(filling, probe_id=str(number), target=str(number))], NOW)
        kept = {event["probe_id"] for event in history_queries.newest(path, 999)}
        assert {"gateway-1", "gateway-2"} <= kept
        assert "gateway-10" not in kept
        over = [replace(one, probe_id=f"over {place}") for place, one in enumerate(probes("...", end=NOW + 6000))]
        store.keep(rows(*over), NOW + 6000)
        found = history_queries.newest(path, 99, target="gateway")
        assert [event["probe_id"] for event in found] == ["over 2", "over 1"]


def test_requested_probes_begin_no_incident(path: Path) -> None:
    """Manual and aborted probes begin no incident; a confirming probe does."""
    with closing(Store(path, HistorySettings())) as store:
        store.keep(rows(*probes("x", trigger="api"), *probes("a", OTHER)), NOW)
        assert history_queries.states(path) == {}
        store.keep(rows(*probes("x", OTHER, trigger="confirm", end=NOW + 60)), NOW)
    assert history_queries.states(path) == {}


# -- files of the first version ----------------------------------------------------------------------------------------


def test_a_file_of_the_first_version_is_migrated(path: Path) -> None:
    """The probes of an old file are counted, its incident continues, and new probes are added."""
    observations = [*probes("..tx", end=NOW), *probes(".", OTHER)]
    old_file(path, observations)
    with closing(Store(path, HistorySettings())) as store:
        store.keep(rows(*(replace(one, probe_id="new") for one in probes("x", end=NOW + 60))), NOW)
    assert kept(path) == counted([*observations[:4], *probes("x", end=NOW + 60)])
    assert kept(path, "other") == counted(observations[4:])
    assert [event["cause"] for event in history_queries.failures(path, 0, NOW + 60, "refused", 9)] == ["refused"] * 2
    found = history_queries.states(path)["gateway"]
    assert found.began is not None
    assert (found.began.probe_id, found.confirmed.failures) == ("gateway-2", 3)


def test_a_probe_of_an_old_file_that_we_stopped_is_no_failure(path: Path) -> None:
    """An aborted probe of an old file is no failure, and does not change the incident."""
    old_file(path, observations := probes(".xa", end=NOW))
    with closing(Store(path, HistorySettings())) as store:
        store.keep([], NOW)
    assert kept(path) == counted(observations)
    assert history_queries.states(path)["gateway"].confirmed.failures == 1


def test_a_target_of_which_only_rollups_are_left_keeps_its_name(path: Path) -> None:
    """A target keeps its name if only its hourly rollups are left."""
    with closing(Store(path, HistorySettings(max_age=DAY))) as store:
        store.keep(rows(*probes("..", end=NOW - 2 * DAY)), NOW)
        for _ in range(2):
            store.keep([], NOW)
    assert names(path) == ["gateway"]
    assert kept(path).probes == 2


@pytest.mark.parametrize(
    ("kinds", "probes_per_target", "counts"),
    [
        ("xxx.x.", 4, 3),  # of those before the newest four the failures alone were kept
        ("xxx.x.", 9, 3),  # it was four when they were written
        ("xxxx", 4, 4),
        ("xxxxxx", 4, 4),
        ("....", 2, 2),
    ],
)
def test_kept_failures_count_in_no_ratio(path: Path, kinds: str, probes_per_target: int, counts: int) -> None:
    """Of an old file, only probes without gaps between them are counted."""
    old_file(path, probes(kinds))
    with closing(Store(path, HistorySettings(probes_per_target=probes_per_target))) as store:
        store.keep([], NOW)
    assert kept(path).probes == counts


def test_an_event_that_cannot_be_read_is_not_counted(path: Path) -> None:
    """A damaged event is not counted, and the others are."""
    old_file(path, probes("..."))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE probes SET event = ? WHERE probe_id = 'gateway-1'", (b"no zlib",))
        connection.commit()
    with closing(Store(path, HistorySettings())) as store:
        store.keep([], NOW)
    assert kept(path).probes == 2


def test_a_migration_is_done_once(path: Path) -> None:
    """A second opening counts nothing again."""
    old_file(path, probes(".."))
    for _ in range(2):
        with closing(Store(path, HistorySettings())) as store:
            store.keep([], NOW)
    assert kept(path).probes == 2
