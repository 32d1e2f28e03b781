"""`probe`: what it prints and saves, and its exit status."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from monitor.cli.probe import status_of
from monitor.http.timestamps import Stamping
from monitor.record.observation import Observation
from monitor.stream.endings import EndKind
from tests.cli.commands import COMMAND, PACE, Cli, Done, ended, started
from tests.conftest import WITHIN
from tests.sinks.samples import GATEWAY, chunks, cut, failed, line, mistakes, observed, refused, stopped, whole

ALWAYS = {
    "event", "schema", "probe_id", "target", "timestamp", "trigger", "monitor_version", "outcome", "phase",
    "unclean_end", "detail", "protocol", "url", "connection", "timings", "uncertainty", "duration", "chunks", "pings",
    "malformed_events", "bytes", "arrivals", "buffered", "slo",
}  # fmt: skip
"""Keys of the contract's event that every probe has, but for those of our own ends, which no objective judges."""


def test_a_probe_of_a_url(cli: Cli, lab_url: str) -> None:
    """The protocol follows from the path, and the waterfall is printed."""
    done = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "--model", "m")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("ok  url  openai-chat\n")
    assert "first chunk" in done.out


def test_a_probe_as_json_is_the_event(cli: Cli, lab_url: str) -> None:
    """One line, with the keys of the contract and with no key that the schema does not have."""
    done = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "--json")
    event = json.loads(done.out)
    assert done.status == 0
    assert event.keys() >= ALWAYS
    assert "timeline" not in event
    assert mistakes(event) == []
    assert (event["trigger"], event["outcome"], event["chunks"]) == ("cli", "ok", 41)


def test_a_timeline_is_in_the_json(cli: Cli, lab_url: str) -> None:
    """Every read and every event, and `--json` goes without saying."""
    event = json.loads(cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "--timeline").out)
    assert mistakes(event) == []
    assert len(event["timeline"]["arrivals"]) == event["arrivals"]
    assert [kind for _, _, kind, _ in event["timeline"]["events"]].count("output") == 41


def test_several_probes(cli: Cli, lab_url: str) -> None:
    """A line each and a summary, or a line each in JSON."""
    table = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "-n", "3")
    assert [row.split()[:2] for row in table.out.splitlines()[1:4]] == [["1", "ok"], ["2", "ok"], ["3", "ok"]]
    assert "\n  3 probes: 3 ok\n  first chunk  p50 " in table.out
    lines = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "-n", "3", "--json").out.splitlines()
    assert len({json.loads(one)["probe_id"] for one in lines}) == 3


def test_several_probes_point_at_somebody(cli: Cli, lab_url: str) -> None:
    """The suspect of several probes is printed under the table, and is in the events from the second on."""
    url = f"{lab_url}/openai-chat/cut?{PACE}"
    suspect = "app_exception: 3 streams lacked the last chunk, and the server still answers"
    assert cli("probe", url, "-n", "3").out.splitlines()[-1] == f"  suspect {suspect}"
    events = [json.loads(one) for one in cli("probe", url, "-n", "2", "--json").out.splitlines()]
    assert ["diagnosis" in one for one in events] == [False, True]
    assert "  suspect silent_end: " in cli("probe", f"{lab_url}/openai-chat/clean-cut?{PACE}", "-n", "2").out


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("openai-chat/ok", 0),
        ("openai-chat/cut", 3),
        ("openai-chat/error", 3),
        ("openai-chat/status?code=503", 4),
        ("openai-chat/no-response", 4),
    ],
)
def test_the_status_says_what_came_of_it(cli: Cli, lab_url: str, path: str, status: int) -> None:
    """0 complete, 3 truncated, 4 failed otherwise."""
    pace = "" if "code" in path or "no-" in path else f"?{PACE}"
    assert cli("probe", f"{lab_url}/{path}{pace}").status == status


def test_over_an_objective(cli: Cli, config: Path) -> None:
    """The status is 5 if the chat is complete and its first chunk was late; the waterfall says so."""
    done = cli("probe", "late", "--config", config)
    assert done.status == 5
    assert "over its SLO" in done.out


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (whole(), 0),
        (observed(line(*chunks(3.0))), 3),
        (cut(), 3),
        (failed(), 3),
        (refused(), 4),
        (stopped(), 1),
        (stopped(EndKind.INTERNAL), 1),
    ],
)
def test_the_status_of_each_end(one: Observation, status: int) -> None:
    """The status is 1 for aborted and inconclusive probes."""
    assert status_of(one) == status
    assert one.target is GATEWAY


def test_the_worst_of_several_counts(cli: Cli, lab_url: str) -> None:
    """Truncated is worse than complete, failed otherwise worse still."""
    for mix, status in (("ok,cut", 3), ("cut,status:code=503", 4), ("ok,ok", 0)):
        done = cli("probe", f"{lab_url}/openai-chat/mix?of={mix}", "-n", "2", "--json")
        assert done.status == status


def test_the_body_is_saved(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """The saved body has exactly the received bytes; each further probe has its own file."""
    path = tmp_path / "body"
    path.touch(0o644)  # one that was there is made private, too
    cli("probe", f"{lab_url}/raw/ok?{PACE}", "--protocol", "raw", "--save", path, "-n", "2")
    assert path.read_bytes() == b"".join(b"%d\n" % number for number in range(1, 41))
    assert (tmp_path / "body.2").read_bytes() == path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600, "it may hold what a server echoes"


def test_a_body_that_cannot_be_saved(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """An unwritable file is reported in one line, before anything is sent."""
    done = cli("probe", f"{lab_url}/openai-chat/ok", "--save", tmp_path / "none" / "body")
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith("none/body: cannot be written: No such file or directory\n")


def test_a_target_by_its_name(cli: Cli, config: Path) -> None:
    """A target is found by its name in the given config, with its check."""
    done = cli("probe", "good", "--config", config, "--json")
    assert (done.status, json.loads(done.out)["target"]) == (0, "good")


def test_a_target_that_is_not_there(cli: Cli, config: Path) -> None:
    """For an unknown name the nearest one is suggested, if there is one."""
    done = cli("probe", "goood", "--config", config)
    assert done == Done(2, "", "chat-monitor: no target 'goood' in the config; did you mean 'good'?\n")
    done = cli("probe", "xyz", "--config", config)
    assert done == Done(2, "", "chat-monitor: no target 'xyz' in the config\n")


def test_ctrl_c_ends_a_probe() -> None:
    """After Ctrl-C the status is 130, no further probe begins, and the summary has those that ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/chat/completions"
        with started("probe", url, "--model", "m", "-n", "3") as process:
            refused, _ = listener.accept()
            with refused:
                refused.recv(65536)
                refused.sendall(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
            connection, _ = listener.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                done = ended(process)
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert done.status == 130
    assert done.err.splitlines()[-1] == "stopping; press Ctrl-C again to stop at once"
    rows = [line.split()[:2] for line in done.out.splitlines()[1:3]]
    assert rows == [["1", "http_error/overloaded"], ["2", "aborted/client"]]
    assert "  2 probes: 1 http_error/overloaded, 1 aborted/client" in done.out


def test_ctrl_c_before_the_first_probe(cli: Cli, lab_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C before the first probe there is no summary."""

    async def interrupted(_: Stamping) -> None:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr(Stamping, "ready", interrupted)
    done = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "-n", "2")
    assert (done.status, done.out) == (130, "")


@pytest.mark.parametrize("subject", ["127.0.0.1:8000/v1/chat/completions", "localhost:8000", "[::1]:8000/v1"])
def test_a_url_without_a_scheme(cli: Cli, subject: str) -> None:
    """A URL without a scheme is refused with the missing scheme."""
    message = f"chat-monitor: {subject}: a URL begins with http:// or https://; did you mean http://{subject}?\n"
    assert cli("probe", subject) == Done(2, "", message)


def test_no_config(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the places that were searched, and the command that writes a config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("monitor.cli.config_file.SYSTEM_CONFIG", tmp_path / "etc.toml")
    done = cli("probe", "good")
    assert done.status == 2
    assert f"no config found (config.toml, {tmp_path}/etc.toml)" in done.err
    assert "chat-monitor init" in done.err


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_hints_stand_under_a_failure(cli: Cli, lab_url: str, options: tuple[str, ...]) -> None:
    """Hints are printed below a waterfall, and once below several probes."""
    done = cli("probe", f"{lab_url}/openai-chat/status?code=401", *options)
    assert done.out.count("  hint    no key was sent: pass --api-key-env VAR") == 1


def test_curl_sends_nothing(cli: Cli) -> None:
    """The command is printed, with a variable for the key, which need not be set."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/chat/completions"
        done = cli("probe", url, "--model", "m", "--api-key-env", "NOT_SET_AT_ALL", "--curl")
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert done.status == 0
    assert done.out.startswith(f"curl -N -i -X POST {url} \\\n")
    assert "are hidden" not in done.err
    assert '"Authorization: Bearer $KEY"' in done.out


def test_curl_says_that_query_values_are_hidden(cli: Cli) -> None:
    """The command is on stdout; what has to be filled in is on stderr."""
    done = cli("probe", "http://127.0.0.1:1/v1/chat/completions?after=5", "--curl")
    assert "?after=***" in done.out
    assert done.err.endswith("query values are hidden, as they may be secrets: put them in for ***\n")


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii"])
def test_an_encoding_that_lacks_our_characters(lab_url: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The waterfall is drawn in ASCII then, and JSON is UTF-8 always."""
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    command = [*COMMAND, "probe", f"{lab_url}/openai-chat/cut?{PACE}", "--model", "\u4f60"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=WITHIN)
    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)
    assert "x\n" in done.stdout.decode(encoding)
    done = subprocess.run([*command, "--json"], capture_output=True, check=False, timeout=WITHIN)
    assert json.loads(done.stdout.decode())["model"] == "\u4f60"
