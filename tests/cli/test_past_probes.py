"""`history`, `explain` and `top`: from the daemon and from the file."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.settings import MIB, HistorySettings
from monitor.sinks.history import row
from monitor.sinks.history_store import Store, StoredProbe
from monitor.target import Record
from tests.cli.commands import COMMAND, Cli, Done, closed_in_the_end, ended, logged, started, until
from tests.records import record
from tests.sinks.samples import GATEWAY, cut


def test_the_list_of_probes(cli: Cli, kept: Path) -> None:
    """One line a probe, newest first, of all or one target; events with --json."""
    done = cli("history", "--db", kept)
    head, first, second = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    assert head.split() == [
        "began", "(UTC)", "target", "verdict", "first", "chunk", "duration", "chunks", "detail", "probe",
    ]  # fmt: skip
    assert first.startswith(
        "2026-11-22 22:10:00Z  b        truncated/incomplete_body       200 ms    700 ms       3  peer"
    )
    assert second.startswith(
        "2026-11-22 22:10:00Z  gateway  ok                              200 ms    800 ms       3  com"
    )
    assert cli("history", "b", "--db", kept).out == cli("history", "--failed", "--db", kept).out != done.out
    (event,) = map(json.loads, cli("history", "-n", "1", "--json", "--db", kept).out.splitlines())
    assert event == record(cut(replace(GATEWAY, name="b"), probe_id="2", last_words="so far so g"))
    assert cli("history", "gateway", "--failed", "--db", kept) == Done(0, "", "no such probe is stored\n")


def test_one_probe_is_explained(cli: Cli, kept: Path) -> None:
    """`explain` prints the waterfall, whose fault it likely is, what to do, and the last bytes."""
    done = cli("explain", "2", "--db", kept)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("truncated/incomplete_body  b  openai-chat\n")
    assert "  do      look for a restart" in done.out
    assert done.out.endswith("  last bytes received:\n    so far so g\n")
    assert cli("explain", "3", "--db", kept) == Done(
        1,
        "",
        "chat-monitor: no probe '3' is stored: it is too old or never existed; `chat-monitor history` lists the ids, "
        "and `chat-monitor probe` stores none\n",
    )
    assert cli("explain", "b", "--db", kept) == Done(
        1, "", "chat-monitor: 'b' is a target and not the id of a probe: `chat-monitor history b` lists its ids\n"
    )


def test_the_beginning_of_an_id_is_enough(cli: Cli, tmp_path: Path) -> None:
    """A probe is found by the beginning of its id alone if no other id begins so; otherwise two that do are named."""
    file = tmp_path / "history.db"
    with closing(Store(file, HistorySettings(max_age=1e12))) as store:
        store.keep([row(cut(GATEWAY, probe_id=one), Record.FULL, MIB) for one in ("01AB%D", "01ABCD", "01B")], 0.0)
    for beginning, whole in (("01ABC", "01ABCD"), ("01AB%", "01AB%D"), ("01B", "01B")):
        assert f"probe {whole}\n" in cli("explain", beginning, "--db", file).out
    assert cli("explain", "01AB", "--db", file) == Done(
        1,
        "",
        "chat-monitor: '01AB' begins the ids of several probes, such as 01ABCD and 01AB%D: give more of the id\n",
    )
    assert cli("explain", "%", "--db", file).err.startswith("chat-monitor: no probe '%' is stored: ")


def test_all_targets_once(cli: Cli, kept: Path) -> None:
    """If stdout is not a terminal, the table is printed once, failing targets first."""
    done = cli("top", "--db", kept)
    assert (done.status, [one.split()[:2] for one in done.out.splitlines()[2:]]) == (
        0, [["b", "truncated/incomplete_body"], ["gateway", "ok"]],
    )  # fmt: skip
    assert done.out.splitlines()[0] == "2 targets  1 at risk  1 ok"


def test_what_is_looked_up_is_asked_of_the_daemon(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon is found by option or environment; probes in memory need no history."""
    with started("run", "--config", config) as process:
        url = f"http://{logged(process, event='started')['address']}"
        probe_id = logged(process, event="probe", target="broken")["probe_id"]
        assert cli("explain", probe_id, "--url", url).out.startswith("truncated/incomplete_body  broken  openai-chat\n")
        assert probe_id in cli("history", "broken", "--url", url).out
        assert "broken" in cli("top", "--url", url).out
        assert cli("explain", "none", "--url", url).status == 1
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 0
    config.write_text(config.read_text().replace('"127.0.0.1:0"', f'"{url.removeprefix("http://")}"'))
    for command in (("history",), ("explain", "1"), ("top",)):
        assert f"no answer from {url} (" in cli(*command, "--config", config).err
        assert (
            "no answer from http://127.0.0.1:1 ("
            in cli(*command, "--config", config, "--url", "http://127.0.0.1:1").err
        )
    monkeypatch.setenv("CHAT_MONITOR_URL", url)
    for command in (("history",), ("explain", "1"), ("top",)):
        done = cli(*command)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith(f"chat-monitor: no answer from {url} (no connection")
        assert "pass --url URL, or --db FILE" in done.err


def test_where_nothing_can_be_looked_up(cli: Cli, tmp_path: Path) -> None:
    """Wrong usage is 2; an invalid file or event is 1, printed without control characters."""
    for url in ("localhost:9877", "http://["):
        assert "must be an http:// or https:// URL" in cli("history", "--url", url).err
        assert cli("history", "--url", url).status == 2
    assert cli("history", "-n", "0").status == 2
    assert cli("explain").status == 2
    file = tmp_path / "a\x1b.db"
    done = cli("history", "--db", file)
    assert (done.status, "a\\x1b.db: no such file or directory" in done.err) == (1, True)
    with closing(Store(file, HistorySettings())) as store:
        hostile = json.dumps({"detail": "\x1b\x7f"}).encode()
        store.keep([StoredProbe("1", "a", 4e9, failed=True, event=zlib.compress(hostile), timeline=None)], 0.0)
    for command in (("history",), ("explain", "1")):
        done = cli(*command, "--db", file)
        assert (done.status, done.err.startswith("chat-monitor: not the event of a probe: ")) == (1, True)
    assert cli("history", "--json", "--db", file).out == '{"detail": "\\u001b\\u007f"}\n'


QUICK_TOP = "from monitor.cli import main, past_probes; past_probes.REDRAWN_EVERY = 0.01; main.main()"


def test_a_table_that_is_drawn_again(kept: Path) -> None:
    """On a terminal `top` runs until Ctrl-C; if the daemon stops, the last table and the error are shown."""
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "400", "LINES": "20"}
    command = [sys.executable, "-c", QUICK_TOP, "top", "--db", str(kept)]
    with (
        subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environ) as process,
        closed_in_the_end(process, ours),
    ):
        os.close(theirs)
        until(ours, b"gateway")
        until(ours, b"gateway")
        kept.rename(kept.with_name("elsewhere"))
        assert b"gateway" in until(ours, b"directory")  # the last word of why; the columns are enough for any path
        process.send_signal(signal.SIGINT)
        until(ours, b"\x1b[?1049l")  # the screen is as it was before
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == b""


def test_keys_sort_filter_and_end(kept: Path) -> None:
    """On a terminal the table follows the keys at once, and q ends it with status 0."""
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "20"}
    command = [*COMMAND, "top", "--db", str(kept)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, env=environ) as process:
        os.close(theirs)
        with closed_in_the_end(process, ours):
            until(ours, b"by state")
            os.write(ours, b"s")
            until(ours, b"by name")
            os.write(ours, b"/gate")
            until(ours, b"filter: gate_")
            os.write(ours, b"\rq")
            until(ours, b"\x1b[?1049l")
            assert process.wait(20) == 0


def test_a_terminal_that_only_writes_on(kept: Path) -> None:
    """Nothing can be drawn again there: the table is written once."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, "top", "--db", str(kept)]
    with subprocess.Popen(command, stdout=theirs, env=os.environ | {"TERM": "dumb"}) as process:
        os.close(theirs)
        with closed_in_the_end(process, ours):
            until(ours, b"gateway")
            assert process.wait(20) == 0


def test_a_target_without_any_probe_is_an_error(cli: Cli, kept: Path) -> None:
    """A name that is not known is 1; a known target without a failed probe is an empty list and 0."""
    done = cli("history", "nobody", "--db", kept)
    assert done == Done(
        1, "", "chat-monitor: no probe of a target 'nobody' is stored: `chat-monitor top` lists the targets\n"
    )
    assert cli("history", "nobody", "--failed", "--db", kept).status == 1
    done = cli("history", "gateway", "--failed", "--db", kept)
    assert (done.status, done.out, done.err) == (0, "", "no such probe is stored\n")
