"""The questions that are asked of the history's file."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.sinks import history_queries
from monitor.sinks.history_queries import (
    between,
    failures,
    find,
    neighbours,
    newest,
    of_each,
    series,
    states,
    sums,
)
from monitor.sinks.history_store import StoredProbe, StoreError
from tests.sinks.kept_probes import old_file, probes
from tests.sinks.test_history_store import NOW, row, store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a history."""
    return tmp_path / "history.db"


def test_a_probe_is_found_with_its_timeline(path: Path) -> None:
    """A stored probe has its timeline; an unknown one is not found."""
    timeline = zlib.compress(b'{"arrivals": [], "events": [[1, 0, "output", 5]]}')
    with store(path) as made:
        made.keep([replace(row("1"), timeline=timeline), row("2")], NOW)
    assert find(path, "1") == {
        "probe_id": "1", "target": "one", "timeline": {"arrivals": [], "events": [[1, 0, "output", 5]]},
    }  # fmt: skip
    assert find(path, "2") == {"probe_id": "2", "target": "one"}
    assert find(path, "3") is None


def test_probes_by_the_beginning_of_their_id(path: Path) -> None:
    """Only ids that begin so count, together with the other conditions; no character of the text is a wildcard."""
    with store(path) as made:
        made.keep([row("01A"), row("01AB", failed=True), row("01B"), row("1A")], NOW)

    def found(begins: str, *, failed: bool = False) -> list[str]:
        return [event["probe_id"] for event in newest(path, 9, failed=failed, begins=begins)]

    assert (found("01A"), found("01A", failed=True), found("01AB")) == (["01AB", "01A"], ["01AB"], ["01AB"])
    assert (found("%"), found("_1"), found("01a")) == ([], [], [])


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("target", [None, "one"])
@pytest.mark.parametrize("begins", ["", "0"])
def test_probes_are_listed_by_when_they_began(path: Path, target: str | None, *, failed: bool, begins: str) -> None:
    """A long probe is stored after shorter ones that began later; every selection has the order of the times shown."""
    with store(path) as made:
        made.keep([row("02", failed=True, age=5), row("03", failed=True, age=5), row("01", failed=True, age=60)], NOW)
    found = newest(path, 9, target=target, failed=failed, begins=begins)
    assert [event["probe_id"] for event in found] == ["03", "02", "01"]


def test_a_file_that_vanishes_while_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader creates no file in its place: it would be an empty history from then on."""
    with store(path) as made:
        made.keep([row("1")], NOW)
    monkeypatch.setattr(history_queries, "log_of", lambda file: file.rename(file.with_name("elsewhere")).parent / "no")
    with pytest.raises(StoreError, match="unable to open"):
        find(path, "1")
    assert not path.exists()


def test_the_newest_of_each_target(path: Path) -> None:
    """However often each was asked."""
    with store(path) as made:
        made.keep([row("1", "one"), row("2", "one"), row("3", "two"), row("4", "one")], NOW)
    found = {name: [event["probe_id"] for event in events] for name, events in of_each(path, 2).items()}
    assert found == {"one": ["4", "2"], "two": ["3"]}


def good(probe_id: str, *, available: bool, failed: bool = False) -> StoredProbe:
    """Return a row with the event of an available or failed probe."""
    event = {"probe_id": probe_id, "target": "one", "slo": {"availability": available}}
    return replace(row(probe_id, failed=failed), event=zlib.compress(json.dumps(event).encode()))


def test_the_probes_around_one(path: Path) -> None:
    """The neighbours are the probes of the same target before and after, and the last good one before."""
    made = [good("1", available=True), row("2"), good("3", available=False, failed=True), row("x", "other"), row("4")]
    with store(path) as it:
        it.keep(made, NOW)
    assert neighbours(path, "3") == ("2", "4", "1")
    assert neighbours(path, "1") == (None, "2", None)
    assert neighbours(path, "4") == ("3", None, "1")
    assert neighbours(path, "5") == (None, None, None)


def test_failures_in_a_span_of_time(path: Path) -> None:
    """The newest of all targets, from the first moment to the last."""
    made = [row(str(age), target=str(age % 2), failed=age != 4, age=age) for age in (5, 4, 3, 2, 1)]
    with store(path) as it:
        it.keep(made, NOW)
    assert [event["probe_id"] for event in failures(path, NOW - 5, NOW - 2, "", 9)] == ["2", "3", "5"]
    assert [event["probe_id"] for event in failures(path, 0, NOW, "", 2)] == ["1", "2"]
    assert [event["probe_id"] for event in newest(path, 2, failed=True)] == ["1", "2"]


@pytest.mark.parametrize("cause", ["truncated", "reset", "truncated/reset"])
def test_failures_of_one_cause(path: Path, cause: str) -> None:
    """Chosen by outcome, by cause, or by both."""
    with store(path) as it:
        it.keep([replace(row("1", failed=True), outcome="truncated", cause="reset"), row("2", failed=True)], NOW)
    assert [event["probe_id"] for event in failures(path, 0, NOW, cause, 9)] == ["1"]
    assert failures(path, 0, NOW, "set", 9) == []


def test_the_probes_of_a_target_in_a_span_of_time(path: Path) -> None:
    """The newest first, of this target alone."""
    with store(path) as it:
        it.keep([row(str(age), age=age) for age in (4, 3, 2, 1)] + [row("x", "other", age=2)], NOW)
    assert [event["probe_id"] for event in between(path, "one", NOW - 3, NOW - 2, 9)] == ["2", "3"]
    assert [event["probe_id"] for event in between(path, "one", 0, NOW, 1)] == ["1"]


def test_a_file_of_the_first_version_is_read(path: Path) -> None:
    """A file of the first version can be read before its migration; what it lacks is reported."""
    old_file(path, probes(".x"))
    assert [event["probe_id"] for event in newest(path, 9)] == ["gateway-1", "gateway-0"]
    assert [event["probe_id"] for event in newest(path, 9, failed=True)] == ["gateway-1"]
    assert list(of_each(path, 9)) == ["gateway"]
    assert states(path) == {}
    for ask in (
        lambda: failures(path, 0, NOW, "", 9),
        lambda: between(path, "gateway", 0, NOW, 9),
        lambda: sums(path, ["gateway"], {}),
        lambda: series(path, "gateway", 60, 0, NOW),
    ):
        with pytest.raises(StoreError, match="by an older chat-monitor; the daemon migrates it when it starts"):
            ask()


@pytest.mark.parametrize("event", [b"no zlib", zlib.compress(b"{"), zlib.compress(b"[1]"), zlib.compress(b"\xff")])
def test_an_event_that_is_damaged(path: Path, event: bytes) -> None:
    """Bytes that went bad on the disk are noticed."""
    with store(path) as made:
        made.keep([replace(row("1"), event=event)], NOW)
    with pytest.raises(StoreError, match="the event of a probe is damaged"):
        find(path, "1")
