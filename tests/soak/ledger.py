"""The comparison of a soak's records: each event with the lab's log, and each request of the lab with the events."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.soak.fleet import FLAGS, Entry

OURS = ("aborted", "inconclusive")
SETTLE = 10.0
"""Seconds after the lab's last byte within which a probe is judged and its line written, also on a busy machine."""
SLACK = 1.0
"""Seconds by which a probe may lie outside the time in which a disturbance of ours explains it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One probe from the log; times are Unix seconds."""

    probe_id: str
    target: str
    trigger: str
    outcome: str
    cause: str
    detail: str
    flags: frozenset[str]
    started: float
    ended: float

    @property
    def verdict(self) -> str:
        """Outcome and cause, as the lab writes them."""
        return "/".join(filter(None, (self.outcome, self.cause)))


@dataclass(frozen=True, slots=True)
class Served:
    """One request from the lab's log; times are of the monotonic clock."""

    request_id: str
    fault: str
    expect: str
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which a disturbance of ours explains verdicts, in Unix seconds."""

    excuses: str
    """The verdict of the monitor's own fault that it explains; empty if it explains any wrong verdict."""
    why: str
    start: float
    end: float

    def covers(self, event: Event) -> bool:
        """Whether this explains the event."""
        explained = event.verdict == self.excuses if event.outcome in OURS else not self.excuses
        return explained and self.start - SLACK <= event.ended and event.started <= self.end + SLACK


@dataclass(slots=True)
class RunAccount:
    """The output of one process; `start` and `stop` are of the monotonic clock."""

    end: str
    start: float
    stop: float = 0.0
    cutoff: float = float("inf")
    """Requests that the lab ended later may have no event, because the process was killed."""
    least: int = 0
    """Probes that it had judged, by its own counters, a moment before it was killed."""
    events: list[Event] = field(default_factory=list)
    torn: int = 0
    """Lines that are not JSON."""
    judged: int | None = None
    """Probes by the process's own counters, if it was quiesced."""
    dropped: int = 0
    unkept: int = 0
    """Probes that its history dropped, by the same counters."""
    per_target: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Probes by target and outcome, by the same counters."""


def read_events(lines: Iterable[bytes]) -> tuple[list[Event], int]:
    """Return the probes of a log, and the number of lines that are not JSON."""
    events, torn = [], 0
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            torn += 1
            continue
        if fields.get("event") == "probe":
            events.append(event_of(fields))
    return events, torn


def event_of(fields: Mapping[str, Any]) -> Event:
    """Return the event of a line."""
    started = datetime.fromisoformat(fields["timestamp"]).timestamp()
    return Event(
        fields["probe_id"],
        fields["target"],
        fields["trigger"],
        fields["outcome"],
        fields.get("cause", ""),
        fields["detail"],
        frozenset(flag for flag in FLAGS if fields.get(flag)),
        started,
        started + fields["duration"],
    )


def read_served(lines: Iterable[bytes]) -> dict[str, Served]:
    """Return the lab's requests by the id of the probe."""
    found = {}
    for line in lines:
        fields = json.loads(line)
        if "request_id" in fields and "fault" in fields:
            keys = ("request_id", "fault", "expect", "started", "ended")
            found[fields["request_id"]] = Served(*(fields[key] for key in keys))
    return found


def read_kept(history: Path) -> frozenset[str]:
    """Return the ids of the probes in a history."""
    with closing(sqlite3.connect(history)) as connection:
        return frozenset(str(it) for (it,) in connection.execute("SELECT probe_id FROM probes").fetchall())


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of a comparison of the accounts."""

    right: Counter[str]
    """Events by verdict, of those that are right."""
    ours: Counter[tuple[str, str]]
    """Events of the monitor's own fault, by verdict and by the disturbance that explains them."""
    faults: frozenset[str]
    """Faults of the lab that were detected."""
    wrong: Sequence[str]
    """Wrong verdicts, and verdicts of the monitor's own fault without an explanation, in words."""
    lost: Sequence[str]
    """Events that are missing, doubled or not counted, in words."""
    killed: int
    """Requests without an event because the process was killed."""


def judge(
    accounts: Sequence[RunAccount],
    served: Mapping[str, Served],
    entries: Mapping[str, Entry],
    windows: Sequence[Window],
) -> Judgement:
    """Compare every event with the lab's log, and every request of the lab with the events."""
    right: Counter[str] = Counter()
    ours: Counter[tuple[str, str]] = Counter()
    wrong, faults = [], set()
    for account in accounts:
        for event in account.events:
            truth = served.get(event.probe_id)
            problem = mistake(event, truth, entries[event.target])
            if problem and (why := next((window.why for window in windows if window.covers(event)), "")):
                ours[event.verdict, why] += 1
            elif problem:
                wrong.append(f"{event.target} {event.probe_id}: {problem} ({event.detail})")
            else:
                right[event.verdict] += 1
                faults.add(entries[event.target].tls or (truth.fault if truth else event.target))
    lost = [problem for account in accounts for problem in _imbalance(account)]
    missing, killed = _missing(accounts, served)
    return Judgement(right, ours, frozenset(faults), wrong, [*lost, *missing], killed)


def mistake(event: Event, truth: Served | None, entry: Entry) -> str:
    """Return how an event differs from the truth; empty if it does not."""
    if event.outcome in OURS:
        return f"{event.verdict} without a disturbance that explains it"
    if truth is None and entry.reaches_lab:
        return f"{event.verdict}, and no request reached the lab"
    expect = entry.expect or (truth.expect if truth else "")
    if event.verdict != expect:
        return f"{event.verdict}, but the lab expects {expect}"
    wanted = {entry.flag} - {""}
    fixed = truth is None or not entry.path.split("/")[2].startswith(("mix", "flaky"))
    if event.outcome == "ok" and fixed and event.flags != wanted:
        return f"flags {sorted(event.flags)}, not {sorted(wanted)}"
    return ""


def _missing(accounts: Sequence[RunAccount], served: Mapping[str, Served]) -> tuple[list[str], int]:
    """Return the requests without an event, and how many more a kill -9 explains.

    As many may be missing as the process counts dropped lines.
    """
    known = {event.probe_id for account in accounts for event in account.events}
    missing: dict[int, list[str]] = {place: [] for place in range(len(accounts))}
    killed = 0
    for one in served.values():
        if one.request_id in known:
            continue
        run = max(place for place, account in enumerate(accounts) if account.start <= one.started)
        if one.ended > accounts[run].cutoff:
            killed += 1
        else:
            missing[run].append(_described(one, accounts[run]))
    too_many = (found for run, found in missing.items() if len(found) > accounts[run].dropped)
    return [problem for found in too_many for problem in found], killed


def unkept(accounts: Iterable[RunAccount], kept: frozenset[str]) -> Iterator[str]:
    """Return how many probes of a log are missing in the history without a counted drop or a kill -9."""
    for account in accounts:
        missing = sum(event.probe_id not in kept for event in account.events)
        late = len(account.events) - account.least if account.cutoff < float("inf") else 0
        if missing > late + account.unkept:
            yield f"{missing} probes of the log are not in the history, {account.end}"


def _described(one: Served, run: RunAccount) -> str:
    when = f"from {one.started - run.start:.1f} to {one.ended - run.start:.1f} s of {run.stop - run.start:.1f} s"
    return f"{one.request_id} ({one.fault}): no event, and the lab answered {when}, {run.end}"


def _imbalance(account: RunAccount) -> Iterator[str]:
    """Return where the output of a process and its counters differ."""
    twice = [name for name, times in Counter(event.probe_id for event in account.events).items() if times > 1]
    if twice:
        yield f"{len(twice)} probes were written twice"
    if account.torn > (account.cutoff < float("inf")):
        yield f"{account.torn} lines are torn"
    if len(account.events) < account.least:
        yield f"{account.least} probes judged before {account.end}, {len(account.events)} written"
    if account.judged is None:
        return
    missing = account.judged - len(account.events)
    if not 0 <= missing <= account.dropped:
        yield f"{account.judged} probes judged, {len(account.events)} written, {account.dropped} lines dropped"
    if not account.dropped:
        yield from _per_target(account)


def _per_target(account: RunAccount) -> Iterator[str]:
    """Return for which targets counters and events differ, of those whose series existed all the time."""
    counted: Counter[tuple[str, str]] = Counter()
    for event in account.events:
        if event.trigger == "schedule" and event.outcome not in OURS:
            counted[event.target, event.outcome] += 1
    for pair, number in account.per_target.items():
        if counted[pair] != number:
            yield f"{pair[0]}: {number:g} {pair[1]} counted, {counted[pair]} written"


def total(scrape: Mapping[str, float], family: str, label: str = "") -> int:
    """Return the sum of a family's series in a scrape, optionally of those with a label."""
    return round(
        sum(value for series, value in scrape.items() if series.partition("{")[0] == family and label in series)
    )


def judged_by(scrape: Mapping[str, float]) -> int:
    """Return how many probes a process has judged: all with a delay, and those of its own making."""
    return total(scrape, "chat_monitor_schedule_delay_seconds_count") + total(scrape, "chat_monitor_probe_errors_total")


def parsed(text: str) -> dict[str, float]:
    """Return the samples of an exposition by their series."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}
