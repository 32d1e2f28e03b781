"""How long a page takes to its first byte, and how large it is, if the history's file is large.

Run as `python -m benchmarks.pages [--probes N] [--targets N ...]`. For each number of targets a file of a million
probes is made, with the rollups that a daemon of that size keeps after 90 days, and a real daemon serves it. Each page
is fetched 20 times by another process, compressed. `--out FILE` keeps the figures, `--into PAGE` puts them into it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks import machine
from benchmarks.exposition import observation
from monitor.record.observation import Observation
from monitor.record.rollup import HOUR, MINUTE, Rollup
from monitor.settings import HistorySettings
from monitor.sinks import history_rollups
from monitor.sinks.history import row
from monitor.sinks.history_store import Store, StoredProbe, connect, tables_of
from monitor.target import Record, Target

Figures = dict[str, Any]
MARKS = ("<!-- pages -->", "<!-- end of the pages -->")
TIMES, CUT_EVERY, DOWN_EVERY, GIB = 20, 20, 20, 1 << 30
SEEN = "target-7"
"""The target whose pages are fetched; it is one of those that are down."""
PAGES = {
    "/": "all targets",
    "/?state=down&sort=since": "those that are down",
    f"/targets/{SEEN}": "a target, 24 h",
    f"/targets/{SEEN}?from=now-7d": "a target, 7 d",
    f"/targets/{SEEN}?from=now-90d": "a target, 90 d",
    "/probes/{probe}": "a probe of the middle of the file",
    "/failures": "failures of all targets",
    "/failures?cause=reset&from=now-90d": "those of one cause, 90 d",
    "/failures?cause=tls_certificate&from=now-90d": "those of a cause that never was, 90 d",
}
CONFIG = """\
[web]
listen = "127.0.0.1:0"
[history]
path = "history.db"
max_bytes = "{gib}GiB"
probes_per_target = 1000000
[defaults]
protocol = "openai-chat"
model = "m"
interval = "1d"
"""
TARGET = '[[targets]]\nname = "target-{number}"\nurl = "http://127.0.0.1:9/v1/chat/completions"\n'


def name_of(number: int) -> str:
    """Return the name of a target."""
    return f"target-{number}"


# -- the file ----------------------------------------------------------------------------------------------------------


def observed(number: int, *, cut: bool) -> Observation:
    """Return a probe of forty chunks."""
    return observation(Target(name_of(number), "openai-chat", "http://127.0.0.1/", model="m"), cut=cut, chunks=40)


def fill(path: Path, probes: int, targets: int, gib: int) -> str:
    """Make the file; return the id of a probe of `SEEN` in its middle.

    Its newest probes, one a minute, are written by the history's own code, so that states are; all before them and the
    rollups of the days before go into its tables directly, which is faster.
    """
    made = [row(observed(0, cut=cut), Record.FULL, 1 << 20) for cut in (False, True)]
    each, now = probes // targets, time.time()

    def stored(number: int, at: int) -> StoredProbe:
        down = number % DOWN_EVERY == 7 and each - at <= 10
        one = made[down or (at + number) % CUT_EVERY == 0]
        timestamp = now - (each - at) * MINUTE + number * MINUTE / targets
        iso = datetime.fromtimestamp(timestamp, UTC).isoformat()
        probe_id = f"{number}-{at}"
        step = one.step and one.step._replace(
            probe=msgspec.structs.replace(one.step.probe, probe_id=probe_id, timestamp=iso)
        )
        return replace(one, probe_id=probe_id, target=name_of(number), timestamp=timestamp, step=step)

    settings = HistorySettings(max_bytes=gib * GIB, max_age=1e12, probes_per_target=probes, failures_per_target=probes)
    newest = max(each - 12, 0)
    with closing(Store(path, settings)) as store:
        store.keep([stored(0, 0)], now)
        with closing(connect(path, "mode=rw")) as connection:
            connection.execute("PRAGMA cache_size = -1000000")  # kB: else the pages of its indexes are written often
            connection.execute("BEGIN IMMEDIATE")
            _put_probes(connection, (stored(n, at) for at in range(newest) for n in range(targets) if n or at))
            _put_rollups(connection, [name_of(n) for n in range(targets)], now, tables_of(settings.max_bytes))
            connection.execute("COMMIT")
        for at in range(newest, each):
            for start in range(0, targets, 1000):
                store.keep([stored(n, at) for n in range(start, min(start + 1000, targets))], now)
    return f"7-{each // 2}"


def _put_probes(connection: Any, rows: Iterator[StoredProbe]) -> None:  # noqa: ANN401 - sqlite3.Connection
    connection.executemany(
        "INSERT INTO probes (probe_id, target, timestamp, failed, event, timeline, outcome, cause)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((it.probe_id, it.target, it.timestamp, it.failed, it.event, it.timeline, it.outcome, it.cause) for it in rows),
    )


def _put_rollups(connection: Any, names: Sequence[str], now: float, room: int) -> None:  # noqa: ANN401 - likewise
    """Put the rollups of all hours that are kept, and of the minutes of `SEEN`."""
    hour = Rollup(probes=60, accepted=60, truncated=3, available=57, in_time=55, input_tokens=1200, output_tokens=4800)
    hour.outcomes = {"ok": 57, "truncated/incomplete_body": 3}
    hour.first_chunk, hour.first_chunk_us = {4: 20, 5: 30, 6: 9, 8: 1}, 9_000_000
    hour.gap_p50, hour.gap_max, hour.cut_after = {3: 60}, {4: 50, 5: 10}, {1: 3}
    minute = Rollup(probes=1, accepted=1, available=1, in_time=1, outcomes={"ok": 1}, first_chunk={5: 1})
    for name in names:
        target = history_rollups.target_id(connection, name)
        for span, seconds in history_rollups.retention(len(names), room).items():
            one, last = (minute, MINUTE) if span == MINUTE else (hour, HOUR)
            if span == HOUR or name == SEEN:
                cells = history_rollups._cells(one)  # noqa: SLF001 - written as it writes them
                first = int((now - seconds) // span) * span
                connection.executemany(
                    history_rollups._PUT,  # noqa: SLF001 - likewise
                    ((target, span, at, *cells) for at in range(first, int(now - last), span)),
                )


# -- the daemon --------------------------------------------------------------------------------------------------------


@contextmanager
def daemon(directory: Path) -> Iterator[tuple[str, int]]:
    """Yield the address of a daemon once it is ready, and its process id."""
    command = [sys.executable, "-m", "monitor", "run", "--config", "config.toml"]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        started = next(event for line in process.stdout if (event := json.loads(line))["event"] == "started")
        # what it writes later has to go somewhere
        with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL) as drain:
            yield str(started["address"]), process.pid
            process.kill()
            drain.wait()
    finally:
        process.kill()
        process.wait()


def fetched(address: str, path: str) -> tuple[float, int]:
    """Return the milliseconds to the first byte of a page and its compressed bytes."""
    host, _, port = address.rpartition(":")
    with closing(HTTPConnection(host, int(port), timeout=60)) as connection:
        connection.connect()
        before = time.perf_counter()
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        first = time.perf_counter() - before
        body = answer.read()
        assert answer.status == HTTPStatus.OK, (path, answer.status)
        return first * 1e3, len(body)


def until_calm(pid: int) -> None:
    """Wait until a process that has just started takes less than a tenth of a core."""
    used = float("inf")
    while used > 0.1:
        before = machine.sample(pid)
        time.sleep(1)
        after = machine.sample(pid)
        assert before is not None, "it has ended"
        assert after is not None, "it has ended"
        used = (after.cpu - before.cpu) / (after.at - before.at)


def measured(probes: int, targets: int) -> Iterator[Figures]:
    """Yield the figures of each page."""
    gib = 4
    with TemporaryDirectory() as place:
        directory = Path(place)
        probe_id = fill(directory / "history.db", probes, targets, gib)
        config = CONFIG.format(gib=gib) + "".join(TARGET.format(number=number) for number in range(targets))
        (directory / "config.toml").write_text(config)
        size = (directory / "history.db").stat().st_size
        with daemon(directory) as (address, pid):
            until_calm(pid)
            for page, what in PAGES.items():
                before = machine.sample(pid)
                found = [fetched(address, page.format(probe=probe_id)) for _ in range(TIMES)]
                after = machine.sample(pid)
                times = sorted(first for first, _ in found)
                yield {
                    "probes": probes,
                    "targets": targets,
                    "file_mb": round(size / 1e6),
                    "page": page,
                    "what": what,
                    "p50_ms": round(median(times), 1),
                    "max_ms": round(times[-1], 1),
                    "cpu_ms": round((after.cpu - before.cpu) / TIMES / 1e6, 1) if before and after else None,
                    "kb": round(found[-1][1] / 1e3, 1),
                    "load": machine.load(),
                }


# -- the report --------------------------------------------------------------------------------------------------------


def markdown(found: Figures) -> str:
    """Return the figures as a table."""
    about = found["machine"]
    processor = f"{about['processor']}, {about['cores']} cores, Python {about['python']}"
    lines = [
        f"{processor}; {found['date']} UTC. Milliseconds to the first byte of {TIMES} compressed answers; `CPU` is the",
        "daemon's, `load` the machine's.",
        "",
        "| targets | page | | p50, ms | slowest, ms | CPU, ms | kB | load |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {it['targets']:,} | `{it['page'].replace('{probe}', 'ID')}` | {it['what']} | {it['p50_ms']:g} |"
        f" {it['max_ms']:g} | {it['cpu_ms']:g} | {it['kb']:g} | {it['load']:g} |"
        for it in found["pages"]
    ]
    return "\n".join(lines)


def filled(page: str, tables: str) -> str:
    """Return the page with the table between its two marks."""
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{tables}\n{MARKS[1]}{after}"


def main() -> None:
    """Measure, print the table, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=1_000_000)
    parser.add_argument("--targets", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures there as JSON")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="put the table into this page")
    asked = parser.parse_args()
    os.environ["PYTHONUNBUFFERED"] = "1"
    found: Figures = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "machine": machine.about(),
        "pages": list[Figures](),
    }
    for targets in asked.targets:
        found["pages"] += measured(asked.probes, targets)
        if asked.out:
            asked.out.write_text(json.dumps(found, indent=1) + "\n")
    print(markdown(found))
    if asked.into:
        asked.into.write_text(filled(asked.into.read_text(), markdown(found)))


if __name__ == "__main__":
    main()
