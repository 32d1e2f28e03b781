"""A daemon that is killed at random moments: its history agrees with its log."""

from __future__ import annotations

import json
import logging
import os
import random
import select
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from monitor.record.probe_event import read
from tests.cli.commands import COMMAND
from tests.conftest import WITHIN
from tests.sinks.recount import assert_is_a_recount, events_in

pytestmark = [pytest.mark.real, pytest.mark.timeout(7200)]

_log = logging.getLogger(__name__)
KILLS = 100
AT_THE_START = 0.2
"""The part of the kills that come while the daemon starts."""
MOST_LINES, MOST_SECONDS = 25, 0.3
"""Lines of the log before a kill, and seconds from the last of them to it, at most."""
PACE = "gap=1ms&ttfc=1ms"
FAULTS = (
    "ok", "ok?tokens=9", "cut?by=fin", "cut?by=rst", "clean-cut?", "cut-after-end?", "error?", "duplicated?", "empty?",
    "status?code=429", "no-response?", "mid-event?", "flaky?p=0.5&seed=7", "mix?of=ok,cut",
)  # fmt: skip
CONFIG = """
[web]
listen = "127.0.0.1:0"
[history]
path = "history.db"
probes_per_target = 1000000
[limits]
per_host = 100
[prices.models]
lab = { input = 0.15, output = 0.6 }
[defaults]
protocol = "openai-chat"
model = "lab"
interval = "1s"
check = {kind = "count", to = 9}
timeouts = {connect = "2s", headers = "3s", first_chunk = "3s", idle = "1s", total = "4s", drain = "200ms"}
"""


@contextmanager
def process_of(*command: str, log: Path, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a command whose output is appended to a file; it is killed at the end."""
    with log.open("ab") as stdout, log.with_suffix(".err").open("ab") as stderr:
        process = subprocess.Popen([*COMMAND, *command], stdout=stdout, stderr=stderr, cwd=cwd)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def whole_lines(log: Path) -> list[dict[str, object]]:
    """Return what a log says; the kill may have cut its last line."""
    return [json.loads(line) for line in log.read_bytes().split(b"\n")[:-1] if line]


def until(lines: int, seconds: float, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Let a process run on until its log has so many lines, and for so long after that: when it is killed is drawn."""
    deadline = time.monotonic() + WITHIN
    while log.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, log.with_suffix(".err").read_text()[-500:]
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)
    select.select([], [], [], seconds)
    assert process.poll() is None, log.with_suffix(".err").read_text()[-500:]


def address_of(errors: Path, lab: subprocess.Popen[bytes]) -> str:
    """Return the lab's URL once the lab has printed it."""
    while lab.poll() is None:
        for word in errors.read_text().split():
            if word.startswith("http://"):
                return word.rstrip("/")
        select.select([], [], [], 0.02)
    raise AssertionError(errors.read_text()[-500:])


def lose_only_the_last(ids: Sequence[str], others: set[str]) -> int:
    """Assert that the ids which the others lack are the last ones, and return how many those are."""
    there = [id_ in others for id_ in ids]
    assert there == sorted(there, reverse=True)
    return len(there) - sum(there)


def test_after_a_hundred_kills_the_rollups_are_a_recount_of_the_log(tmp_path: Path) -> None:
    """Rollups and states agree with the log's events; a kill loses only what waited in a queue."""
    die, path = random.Random(os.environ.get("SEED", "9")), tmp_path / "history.db"  # noqa: S311 - a die for a test
    with process_of("lab", "--listen", "127.0.0.1:0", log=tmp_path / "lab.log", cwd=tmp_path) as lab:
        url = address_of(tmp_path / "lab.err", lab)
        names = [f"{number}-{fault.partition('?')[0]}" for number, fault in enumerate(FAULTS)]
        targets = "".join(
            f'[[targets]]\nname = "{name}"\nurl = "{url}/openai-chat/{fault}{"&" if "?" in fault else "?"}{PACE}"\n'
            for name, fault in zip(names, FAULTS, strict=True)
        )
        (tmp_path / "config.toml").write_text(CONFIG + targets)
        logs = []
        for life in range(KILLS):
            logs.append(tmp_path / f"life-{life}.log")
            with process_of("run", "--config", "config.toml", log=logs[-1], cwd=tmp_path) as daemon:
                lines = die.randrange(MOST_LINES) if die.random() > AT_THE_START else 0
                until(lines, die.uniform(0, MOST_SECONDS), logs[-1], daemon)
        # a target's first probe is up to 5 s after the start, and no life was as long: the last one is, and ends well
        logs.append(tmp_path / "last.log")
        with process_of("run", "--config", "config.toml", log=logs[-1], cwd=tmp_path) as daemon:
            deadline = time.monotonic() + WITHIN
            while not set(names) <= {line.get("target") for line in whole_lines(logs[-1])}:
                assert time.monotonic() < deadline
                select.select([], [], [], 0.1)
            daemon.terminate()
            daemon.wait(WITHIN)
    lives = [[read(line) for line in whole_lines(log) if line["event"] == "probe"] for log in logs]
    logged = {event.probe_id: event for life in lives for event in life}
    kept = events_in(path)
    lost = [lose_only_the_last([event.probe_id for event in life], set(kept)) for life in lives]
    _log.info(
        "%d kills; %d probes in the file, which lacks %d of the log's %d, %d at one kill; the log lacks %d",
        *(KILLS, len(kept), sum(lost), len(logged), max(lost), len(kept.keys() - logged.keys())),
    )
    totals = assert_is_a_recount(path, logged)
    assert totals.keys() == set(names)
    assert all(total.probes for total in totals.values())
    assert len(kept) > 5 * KILLS
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert not list(tmp_path.glob("history.db.corrupt*"))
