"""Tests of the comparison of a soak's records: right, of our own fault, wrong, and lost."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.settings import HistorySettings
from monitor.sinks.history_store import Store, StoredProbe
from tests.soak.fleet import Entry
from tests.soak.ledger import (
    Event,
    RunAccount,
    Served,
    Window,
    judge,
    judged_by,
    mistake,
    parsed,
    read_events,
    read_kept,
    read_served,
    total,
    unkept,
)

ENTRY = Entry("cut", "openai-chat", "/openai-chat/cut?after=5")
EVENT = Event("ID", "cut", "schedule", "truncated", "incomplete_body", "peer closed", frozenset(), 1000.0, 1001.0)
SERVED = Served("ID", "cut", "truncated/incomplete_body", 50.0, 51.0)
LINE = {
    "event": "probe", "probe_id": "ID", "target": "cut", "trigger": "schedule", "outcome": "truncated",
    "cause": "incomplete_body", "detail": "peer closed", "timestamp": "1970-01-01T00:16:40Z", "duration": 1.0,
    "unclean_end": False,
}  # fmt: skip


def account(*events: Event, **more: object) -> RunAccount:
    """Return the account of a run with these events."""
    found = RunAccount("end", 40.0, events=list(events))
    for name, value in more.items():
        setattr(found, name, value)
    return found


def test_lines_are_read() -> None:
    """Probes become events, other lines do not, and lines that are not JSON are counted."""
    lines = [json.dumps(LINE).encode(), b'{"event": "started"}', b'{"event": "pro']
    assert read_events(lines) == ([EVENT], 1)


def test_flags_are_read() -> None:
    """A flag that is set is kept; what has no cause has an empty one."""
    line = {key: value for key, value in LINE.items() if key != "cause"} | {"unclean_end": True, "outcome": "ok"}
    (event,), _ = read_events([json.dumps(line).encode()])
    assert event.verdict == "ok"
    assert event.flags == {"unclean_end"}


def test_the_labs_lines_are_read() -> None:
    """Requests with an id are kept by it; pages and handshakes are none."""
    record = {"request_id": "ID", "fault": "cut", "expect": "ok", "started": 1.0, "ended": 2.0, "result": "played"}
    lines = [json.dumps(record).encode(), b'{"event": "lab_handshake", "fault": "tls-fin"}']
    assert read_served(lines) == {"ID": Served("ID", "cut", "ok", 1.0, 2.0)}


@pytest.mark.parametrize(
    ("event", "truth", "entry", "words"),
    [
        (EVENT, SERVED, ENTRY, ""),
        (EVENT, None, ENTRY, "truncated/incomplete_body, and no request reached the lab"),
        (EVENT, None, replace(ENTRY, reaches_lab=False, expect="truncated/incomplete_body"), ""),
        (EVENT, replace(SERVED, expect="empty"), ENTRY, "truncated/incomplete_body, but the lab expects empty"),
        (EVENT, SERVED, replace(ENTRY, expect="ok"), "truncated/incomplete_body, but the lab expects ok"),
        (replace(EVENT, outcome="ok", cause=""), replace(SERVED, expect="ok"), ENTRY, ""),
        (
            replace(EVENT, outcome="ok", cause="", flags=frozenset({"unclean_end"})),
            replace(SERVED, expect="ok"),
            ENTRY,
            "flags ['unclean_end'], not []",
        ),
        (
            replace(EVENT, outcome="ok", cause=""),
            replace(SERVED, expect="ok"),
            replace(ENTRY, flag="unclean_end"),
            "flags [], not ['unclean_end']",
        ),
        (
            replace(EVENT, outcome="ok", cause="", flags=frozenset({"unclean_end"})),
            replace(SERVED, expect="ok"),
            replace(ENTRY, path="/openai-chat/mix?of=ok"),
            "",
        ),
    ],
    ids=["right", "not asked", "handshake", "other", "pace", "ok", "flag", "no flag", "by turns"],
)  # fmt: skip
def test_an_event_and_the_truth(event: Event, truth: Served | None, entry: Entry, words: str) -> None:
    """Verdict and flags are those that the lab's log expects, or the scenario if the pace is not the default."""
    assert mistake(event, truth, entry) == words


def test_all_is_right() -> None:
    """Every request has its event, and every event agrees with the lab's log."""
    found = judge([account(EVENT, judged=1)], {"ID": SERVED}, {"cut": ENTRY}, [])
    assert (dict(found.right), found.wrong, found.lost, found.killed) == ({"truncated/incomplete_body": 1}, [], [], 0)
    assert found.faults == {"cut"}


OURS = replace(EVENT, outcome="inconclusive", cause="resources")


@pytest.mark.parametrize(
    ("window", "excused"),
    [
        (Window("inconclusive/resources", "no descriptor left", 1000.5, 1003.0), True),
        (Window("inconclusive/resources", "no descriptor left", 990.0, 999.5), True),
        (Window("inconclusive/resources", "no descriptor left", 1003.0, 1005.0), False),
        (Window("inconclusive/resources", "no descriptor left", 900.0, 950.0), False),
        (Window("aborted/reload", "a reload", 1000.0, 1003.0), False),
        (Window("", "the lab waited for a processor", 1000.0, 1003.0), False),
    ],
    ids=["within", "just after", "too early", "too late", "another", "the lab's"],
)
def test_our_own_fault_needs_an_explanation(window: Window, excused: bool) -> None:
    """A verdict of the monitor's own fault is explained by a disturbance at that time, and by nothing else."""
    found = judge([account(OURS)], {}, {"cut": ENTRY}, [window])
    assert bool(found.wrong) is not excused
    assert dict(found.ours) == ({("inconclusive/resources", window.why): 1} if excused else {})


def test_a_lab_that_had_no_processor() -> None:
    """If the lab itself was late, the verdict is not wrong, and is counted separately."""
    other = {"ID": replace(SERVED, expect="ok")}
    late = Window("", "the lab waited for a processor", 1000.2, 1000.8)
    found = judge([account(EVENT)], other, {"cut": ENTRY}, [late])
    assert (dict(found.ours), found.wrong) == ({("truncated/incomplete_body", late.why): 1}, [])
    found = judge([account(EVENT)], other, {"cut": ENTRY}, [replace(late, start=1009.0, end=1010.0)])
    assert len(found.wrong) == 1


def test_a_lost_event() -> None:
    """A request without an event is a lost event."""
    found = judge([account(stop=60.0)], {"ID": SERVED}, {}, [])
    assert found.lost == ["ID (cut): no event, and the lab answered from 10.0 to 11.0 s of 20.0 s, end"]


def test_a_dropped_event() -> None:
    """As many events may be missing as the process counted dropped lines, and not one more."""
    other = {"ID": SERVED, "2": replace(SERVED, request_id="2")}
    assert judge([account(judged=2, dropped=2)], other, {}, []).lost == []
    assert len(judge([account(judged=1, dropped=1)], other, {}, []).lost) == 2


def test_a_killed_process() -> None:
    """A probe that ended near the kill may have no event; one that ended long before must have one."""
    found = judge([account(cutoff=50.5), account(start=60.0)], {"ID": SERVED}, {}, [])
    assert (found.lost, found.killed) == ([], 1)
    found = judge([account(cutoff=55.0), account(start=60.0)], {"ID": SERVED}, {}, [])
    assert (len(found.lost), found.killed) == (1, 0)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (account(EVENT, EVENT), "1 probes were written twice"),
        (account(EVENT, torn=1), "1 lines are torn"),
        (account(EVENT, torn=1, cutoff=99.0), ""),
        (account(EVENT, judged=2), "2 probes judged, 1 written, 0 lines dropped"),
        (account(EVENT, judged=2, dropped=3), ""),
        (account(EVENT, least=2), "2 probes judged before end, 1 written"),
        (account(EVENT, least=1), ""),
        (account(EVENT, judged=0), "0 probes judged, 1 written, 0 lines dropped"),
        (account(EVENT, judged=1, per_target={("cut", "truncated"): 1.0, ("cut", "ok"): 0.0}), ""),
        (account(EVENT, judged=1, per_target={("cut", "truncated"): 2.0}), "cut: 2 truncated counted, 1 written"),
    ],
)
def test_what_is_written_and_what_is_counted(run: RunAccount, words: str) -> None:
    """A process writes what it counts, except what it counted as dropped, and no line twice or in part."""
    found = judge([run], {"ID": SERVED}, {"cut": ENTRY}, [])
    assert found.lost == ([words] if words else [])


def test_a_scrape_is_read() -> None:
    """Samples are summed by family, and by a label."""
    scrape = parsed(
        '# HELP a b\na_total{reason="x"} 1\na_total{reason="y"} 2\nb 3\n'
        "chat_monitor_schedule_delay_seconds_count 7\n"
        'chat_monitor_probe_errors_total{outcome="aborted",cause="reload"} 2\n'
    )
    assert (total(scrape, "a_total"), total(scrape, "a_total", 'reason="y"'), total(scrape, "b")) == (3, 2, 3)
    assert judged_by(scrape) == 9


def test_what_is_in_no_history() -> None:
    """A probe of the log is in the history too, unless the history counted it as dropped, or the process was killed."""
    other = replace(EVENT, probe_id="OTHER")
    runs = (account(EVENT), account(other, unkept=1), account(other, cutoff=50.0))
    assert list(unkept(runs, frozenset({"ID"}))) == []
    message = "1 probes of the log are not in the history, end"
    assert list(unkept([account(EVENT)], frozenset())) == [message]
    assert list(unkept([account(EVENT, cutoff=50.0, least=1)], frozenset())) == [message]


def test_the_history_is_read(tmp_path: Path) -> None:
    """The ids of its probes."""
    with closing(Store(tmp_path / "h.db", HistorySettings())) as store:
        store.keep([StoredProbe("ID", "cut", 4e9, failed=True, event=b"", timeline=None)], 0.0)
    assert read_kept(tmp_path / "h.db") == {"ID"}
