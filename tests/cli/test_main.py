"""The commands as people run them: what they print, and the exit status of every end."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.cli.export import MAKERS
from monitor.cli.main import main, status_of
from monitor.lab.server import serve
from monitor.record.observation import Observation, record
from monitor.settings import MIB, History
from monitor.sinks.history import row
from monitor.sinks.history_store import Row, Store, StoreError, newest
from monitor.stream.recording import EndKind
from monitor.target import Record, Target
from tests.sinks.stories import GATEWAY, chunks, cut, failed, line, mistakes, refused, seen, stopped, whole

PACE = "gap=1ms&ttfc=1ms"
COMMAND = [sys.executable, "-m", "monitor"]
ALWAYS = {
    "event", "schema", "probe_id", "target", "timestamp", "trigger", "monitor_version", "outcome", "phase",
    "unclean_end", "detail", "protocol", "url", "connection", "timings", "uncertainty", "duration", "chunks", "pings",
    "malformed_events", "bytes", "arrivals", "buffered", "slo",
}  # fmt: skip
"""Keys of the contract's event that every probe has, but for those of our own ends, which no objective judges."""


class Done(NamedTuple):
    """A command that has ended."""

    status: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return what runs a command in this process."""

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["chat-monitor", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Done(left.value.code, out, err)

    return run


@pytest.fixture(scope="module")
def lab_url() -> Iterator[str]:
    """Yield the URL of a lab that runs in a thread of its own."""
    ready, url, stop = threading.Event(), list[str](), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serving() -> None:
        async with await serve("127.0.0.1", 0) as lab:
            url.append(lab.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    assert ready.wait(10)
    yield url[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def config(tmp_path: Path, lab_url: str) -> Path:
    """Return a config with a good target, a slow one, and one that is cut."""
    path = tmp_path / "config.toml"
    path.write_text(
        f"""
[web]
listen = "127.0.0.1:0"
[defaults]
protocol = "openai-chat"
model = "lab"
check = {{kind = "count", to = 9}}
[[targets]]
name = "good"
url = "{lab_url}/openai-chat/ok?{PACE}"
[[targets]]
name = "late"
url = "{lab_url}/openai-chat/ok?gap=1ms&ttfc=30ms"
slo = {{first_chunk = {{threshold = "10ms"}}}}
[[targets]]
name = "broken"
url = "{lab_url}/openai-chat/cut?{PACE}"
"""
    )
    return path


@contextmanager
def started(*arguments: str | Path, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Yield a command under way in a process of its own; it is killed where it does not end."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *map(str, arguments)], text=True, cwd=cwd, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> Done:
    """Wait for the end of a command."""
    out, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    return Done(process.returncode, out, err)


# -- probe -------------------------------------------------------------------------------------------------------------


def test_a_probe_of_a_url(cli: Cli, lab_url: str) -> None:
    """The protocol follows from the path, and the waterfall is printed."""
    done = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}")
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
    """A row each in a table, or a line each in JSON."""
    table = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "-n", "3")
    assert [row.split()[:2] for row in table.out.splitlines()[1:]] == [["1", "ok"], ["2", "ok"], ["3", "ok"]]
    lines = cli("probe", f"{lab_url}/openai-chat/ok?{PACE}", "-n", "3", "--json").out.splitlines()
    assert len({json.loads(one)["probe_id"] for one in lines}) == 3


def test_several_probes_point_at_somebody(cli: Cli, lab_url: str) -> None:
    """Whom they suspect together stands under the table, and in the events from the second on."""
    url = f"{lab_url}/openai-chat/cut?{PACE}"
    suspect = "app_exception: 3 of the last 3 streams lacked the last chunk, from a server that goes on answering"
    assert cli("probe", url, "-n", "3").out.splitlines()[-1] == f"  suspect {suspect}"
    events = [json.loads(one) for one in cli("probe", url, "-n", "2", "--json").out.splitlines()]
    assert ["diagnosis" in one for one in events] == [False, True]
    assert "  suspect silent_end: " in cli("probe", f"{lab_url}/openai-chat/clean-cut?{PACE}").out


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
    """5 where the chat is complete and its first chunk came late; the waterfall says so."""
    done = cli("probe", "late", "--config", config)
    assert done.status == 5
    assert "over its SLO" in done.out


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (whole(), 0),
        (seen(line(*chunks(3.0))), 3),
        (cut(), 3),
        (failed(), 3),
        (refused(), 4),
        (stopped(), 1),
        (stopped(EndKind.INTERNAL), 1),
    ],
)
def test_the_status_of_each_end(one: Observation, status: int) -> None:
    """What cannot be told is 1: our own stop, and our own fault."""
    assert status_of(one) == status
    assert one.target is GATEWAY


def test_the_worst_of_several_counts(cli: Cli, lab_url: str) -> None:
    """Truncated is worse than complete, failed otherwise worse still."""
    for mix, status in (("ok,cut", 3), ("cut,status:code=503", 4), ("ok,ok", 0)):
        done = cli("probe", f"{lab_url}/openai-chat/mix?of={mix}", "-n", "2", "--json")
        assert done.status == status


def test_the_body_is_saved(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """To the byte; of the second probe in a file of its own."""
    path = tmp_path / "body"
    cli("probe", f"{lab_url}/raw/ok?{PACE}", "--protocol", "raw", "--save", path, "-n", "2")
    assert path.read_bytes() == b"".join(b"%d\n" % number for number in range(1, 41))
    assert (tmp_path / "body.2").read_bytes() == path.read_bytes()


def test_a_body_that_cannot_be_saved(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """It is said in one line, before anything is sent."""
    done = cli("probe", f"{lab_url}/openai-chat/ok", "--save", tmp_path / "none" / "body")
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith("none/body: cannot be written: No such file or directory\n")


def test_headers_and_keys_are_sent(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers of the command line and a key from the environment go with the request, and nowhere else."""
    monkeypatch.setenv("CANARY_KEY", "canary-key")
    heard = bytearray()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while b"\r\n\r\n" not in heard or not heard.endswith(b"}"):
                heard.extend(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 401 canary-key\r\nContent-Length: 10\r\n\r\ncanary-key")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
        options = ("--api-key-env", "CANARY_KEY", "--header", "X-Team: canary-team", "--model", "m")
        done = cli("probe", url, *options)
        thread.join(10)
    assert b"\r\nAuthorization: Bearer canary-key\r\n" in heard
    assert b"\r\nX-Team: canary-team\r\n" in heard
    assert b'"model":"m"' in heard
    assert done.status == 4
    assert "canary" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://127.0.0.1:9/what",), "what does /what speak? pass --protocol with one of openai-chat, "),
        (("http://127.0.0.1:9",), "what does / speak? pass --protocol"),
        (("http://127.0.0.1:9/v1/completions",), "what does /v1/completions speak? pass --protocol"),
        (("http://127.0.0.1:9/chat/completions", "--header", "no colon"), "a header is 'NAME: VALUE'"),
        (("http://127.0.0.1:9/chat/completions", "--header", ": value"), "a header is 'NAME: VALUE'"),
        (("http://127.0.0.1:9/chat/completions", "--api-key-env", "NOT_SET_AT_ALL"), "is not set"),
        (("http://127.0.0.1:9/chat/completions", "--protocol", "nope"), "there is no such protocol"),
        (("ftp://127.0.0.1/chat/completions",), "no http or https URL"),
        (("http://127.0.0.1:9/chat/completions", "-n", "0"), "Invalid value for '-n'"),
        (("http://127.0.0.1:9/chat/completions", "--nope"), "No such option '--nope'"),
    ],
)
def test_what_a_probe_cannot_be_asked(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    """A usage error is 2, says what is wrong, and sends nothing."""
    done = cli("probe", *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/v1/chat/completions", "openai-chat"),
        ("/chat/chat/completions", "chatchat"),
        ("/knowledge_base/local_kb/samples/chat/completions", "chatchat-kb"),
        ("/chat/kb_chat", "chatchat-kb"),
        ("/api/chat", "ollama-chat"),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", "gemini"),
        ("/completion", "llamacpp-completion"),
        ("/v2/chat", "cohere-v2"),
        ("/v3/chat", "coze-v3"),
        ("/generate_stream", "tgi"),
        ("/v1/chat-messages", "dify"),
        ("/v1/workflows/run", "dify"),
        ("/v1/responses", "openai-responses"),
        ("/v1/messages", "anthropic-messages"),
        ("/chat/chat", "chatchat-0.2"),
        ("/chat/knowledge_base_chat", "chatchat-0.2"),
        ("/raw/ok", "raw"),
    ],
)
def test_a_path_tells_the_protocol(cli: Cli, path: str, protocol: str) -> None:
    """Where it is clear."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        done = cli("probe", f"http://127.0.0.1:{holder.getsockname()[1]}{path}", "--json")
    assert json.loads(done.out)["protocol"] == protocol
    assert done.status == 4


@pytest.mark.parametrize("arguments", [("schema",), ("probe", "good", "--json")])
def test_a_full_disk_behind_stdout(config: Path, arguments: tuple[str, ...]) -> None:
    """It is one line and 1, and no traceback."""
    options = () if arguments == ("schema",) else ("--config", config)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments, *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    said = "chat-monitor: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_another_fault_of_the_system_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not the output's stays a traceback, for it is ours to mend."""
    monkeypatch.setattr("monitor.cli.main._place", lambda _: Path("/nowhere").stat())
    monkeypatch.setattr(sys, "argv", ["chat-monitor", "check"])
    with pytest.raises(FileNotFoundError):
        main()


def test_a_target_asked_otherwise(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line says takes the place of the config's own: protocol, model, key and headers."""
    config.write_text(config.read_text().replace("[[targets]]", 'headers = {X-A = "1", X-B = "2"}\n[[targets]]', 1))
    monkeypatch.setenv("OTHER_KEY", "k-1")
    asked: list[Target] = []

    def remembered(target: Target, *_: object, **__: object) -> list[Observation]:
        asked.append(target)
        return [whole(target)]

    monkeypatch.setattr("monitor.cli.main._probe", remembered)
    cli("probe", "good", "--config", config)
    options = ("--model", "m2", "--api-key-env", "OTHER_KEY", "--header", "x-a: 3", "--protocol", "chatchat")
    cli("probe", "good", "--config", config, *options)
    plain, other = asked
    assert (plain.protocol, plain.model, plain.api_key) == ("openai-chat", "lab", None)
    assert {name: value.reveal() for name, value in plain.headers.items()} == {"X-A": "1", "X-B": "2"}
    assert (other.protocol, other.model, other.url) == ("chatchat", "m2", plain.url)
    assert other.api_key is not None
    assert other.api_key.reveal() == "k-1"
    assert {name: value.reveal() for name, value in other.headers.items()} == {"X-B": "2", "x-a": "3"}


@pytest.mark.parametrize(("number", "told"), [(40, True), (2, False)])
def test_many_buckets_are_told_by_check(cli: Cli, config: Path, number: int, told: bool) -> None:
    """Where there are more series of a target than with the default ones, check says how many."""
    bounds = [place + 1 for place in range(number)]
    config.write_text(config.read_text() + f"[metrics]\nbuckets = {{latency = {bounds}, gap = {bounds}}}\n")
    done = cli("check", "--config", config)
    assert (done.status, "metrics.buckets: make 3" in done.err) == (0, told)


def test_a_public_address_is_told_by_check(cli: Cli, config: Path) -> None:
    """The daemon would not start there without more: check says so, with its line."""
    config.write_text(config.read_text().replace("127.0.0.1:0", ":0"))
    done = cli("check", "--config", config)
    assert done.status == 0
    assert f"warning: {config}:3: web.listen: is no loopback address" in done.err


def test_a_target_by_its_name(cli: Cli, config: Path) -> None:
    """From the config that is named, with the config's check."""
    done = cli("probe", "good", "--config", config, "--json")
    assert (done.status, json.loads(done.out)["target"]) == (0, "good")


def test_a_target_that_is_not_there(cli: Cli, config: Path) -> None:
    """The nearest name is suggested, where one is near."""
    done = cli("probe", "goood", "--config", config)
    assert done == Done(2, "", "chat-monitor: no target 'goood' in the config; did you mean 'good'?\n")
    done = cli("probe", "xyz", "--config", config)
    assert done == Done(2, "", "chat-monitor: no target 'xyz' in the config\n")


def test_ctrl_c_ends_a_probe() -> None:
    """It is 130, and of several probes no other is begun."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/chat/completions"
        with started("probe", url, "-n", "3") as process:
            connection, _ = listener.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                assert ended(process).status == 130
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


# -- config ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[web]\nlisten = "127.0.0.1:0"\nnope = 1\n', ":3: web.nope: "),
        (
            '[[targets]]\nname = "a"\nprotocol = "openai-chat"\nurl = "http://a/"\nmodel = "m"\ninterval = "soon"\n',
            ":6: ",
        ),
        (
            '[[targets]]\nname = "a"\nprotocol = "openai-chat"\nurl = "${NOT_SET_AT_ALL}"\nmodel = "m"\n',
            "NOT_SET_AT_ALL",
        ),
        ("[web\n", ":1: "),
    ],
    ids=["wrong key", "wrong value", "unset variable", "no TOML"],
)
@pytest.mark.parametrize("command", [("check",), ("run",), ("probe", "a")])
def test_a_wrong_config(cli: Cli, tmp_path: Path, command: tuple[str, ...], text: str, said: str) -> None:
    """Every command refuses it with 2 and with one clear line, its file and line in front."""
    path = tmp_path / "c.toml"
    path.write_text(text)
    done = cli(*command, "--config", path)
    assert (done.status, done.out) == (2, "")
    lines = [one for one in done.err.splitlines() if not one.startswith("warning: ")]
    assert any(one.startswith(f"{path}") and said in one for one in lines)


@pytest.mark.parametrize("command", [("check",), ("run",), ("probe", "a")])
def test_a_config_that_is_not_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """One line with its name; without `--config` it is looked for here first."""
    done = cli(*command, "--config", tmp_path / "none.toml")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "none.toml" in done.err
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("monitor.cli.main.CONFIG_PLACES", (Path("config.toml"), tmp_path / "etc.toml"))
    assert "config.toml" in cli(*command).err
    (tmp_path / "etc.toml").write_text("[web\n")
    assert "etc.toml" in cli(*command).err


def test_a_right_config(cli: Cli, config: Path) -> None:
    """`check` says so, warns of what is odd, and sends nothing."""
    done = cli("check", "--config", config)
    assert (done.status, done.out) == (0, f"{config}: ok, 3 targets\n")
    assert done.err == "" or all(one.startswith("warning: ") for one in done.err.splitlines())


def test_warnings_are_said(cli: Cli, config: Path) -> None:
    """An interval below `total` is odd and no mistake; beside a mistake the warning is said, too."""
    config.write_text(config.read_text().replace("[defaults]", '[defaults]\ninterval = "10s"'))
    done = cli("check", "--config", config)
    assert done.status == 0
    assert done.err.startswith("warning: ")
    config.write_text(config.read_text().replace("[web]", "nope = 1\n[web]"))
    done = cli("check", "--config", config)
    assert done.status == 2
    assert "warning: " in done.err


def test_what_a_config_costs(cli: Cli, config: Path) -> None:
    """`check --plan` prints requests, tokens, series and bytes, target by target and in all."""
    rows = [one.split() for one in cli("check", "--config", config, "--plan").out.splitlines()]
    assert [row[0] for row in rows[-4:]] == ["good", "late", "broken", "all"]


def test_trying_connections(cli: Cli, config: Path, tmp_path: Path) -> None:
    """`check --connect` opens one to every target, and is 1 where one of them cannot be reached."""
    done = cli("check", "--config", config, "--connect")
    assert (done.status, done.out.splitlines()[1:]) == (0, ["good: connected", "late: connected", "broken: connected"])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        dead = tmp_path / "dead.toml"
        dead.write_text(
            '[[targets]]\nname = "dead"\nprotocol = "openai-chat"\nmodel = "m"\n'
            f'url = "http://127.0.0.1:{holder.getsockname()[1]}/v1/chat/completions"\n'
        )
        done = cli("check", "--config", dead, "--connect")
    assert done.status == 1
    assert done.out.splitlines() == [f"{dead}: ok, 1 target", "dead: no connection (Connection refused)"]


def test_a_target_behind_a_proxy_is_not_dialled(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """`check --connect` tries the proxy, as a probe would dial nobody else, and says so."""
    config = tmp_path / "proxied.toml"
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{holder.getsockname()[1]}"
        table = '[[targets]]\nname = "{}"\nprotocol = "openai-chat"\nmodel = "m"\nurl = "{}/v1"\nproxy = "{}"\n'
        config.write_text(table.format("behind", dead, lab_url) + table.format("lost", lab_url, dead))
        done = cli("check", "--config", config, "--connect")
    assert (done.status, done.out.splitlines()[1:]) == (
        1,
        ["behind: its proxy: connected", "lost: its proxy: no connection (Connection refused)"],
    )


def test_what_is_discovered_is_checked(cli: Cli, config: Path, lab_url: str) -> None:
    """Files are read, counted and planned; URLs are asked with `--connect` alone, and what is wrong there is 1."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{holder.getsockname()[1]}/"
        sources = (
            f'[[discovery]]\nname = "fleet"\nfile_sd = ["a.json"]\n[[discovery]]\nname = "far"\nhttp_sd = ["{url}"]\n'
        )
        config.write_text(sources + config.read_text())
        groups = [{"targets": [f"{lab_url}/openai-chat/ok?{PACE}"], "labels": {"__name__": "found"}}]
        (config.parent / "a.json").write_text(json.dumps(groups))
        done = cli("check", "--config", config, "--plan")
        said = [f"{config}: ok, 4 targets, 1 discovered", "discovery far: its URLs are read with --connect"]
        assert (done.status, done.out.splitlines()[:2]) == (0, said)
        assert [row.split()[0] for row in done.out.splitlines()[-3:]] == ["broken", "found", "all"]
        done = cli("check", "--config", config, "--connect")
        refusal = f"warning: discovery far: {url}: cannot be read: no connection (Connection refused)\n"
        assert (done.status, done.err, done.out.splitlines()[-1]) == (1, refusal, "found: connected")
        assert json.loads(cli("probe", "found", "--config", config, "--json").out)["outcome"] == "ok"


def test_a_list_with_a_mistake(cli: Cli, config: Path) -> None:
    """`check` says what is wrong in a file of targets, and is 1."""
    config.write_text(f'[[discovery]]\nname = "fleet"\nfile_sd = ["a.json"]\n{config.read_text()}')
    (config.parent / "a.json").write_text('[{"targets": ["ftp://a/"]}]')
    done = cli("check", "--config", config)
    assert (done.status, done.out) == (1, f"{config}: ok, 3 targets\n")
    assert done.err.startswith(f"warning: discovery fleet: {config.parent / 'a.json'}: target a: url: ")


def test_the_schema(cli: Cli) -> None:
    """It is JSON, for editors."""
    done = cli("schema")
    assert (done.status, json.loads(done.out)["type"]) == (0, "object")


# -- export ------------------------------------------------------------------------------------------------------------


def test_export_writes_what_fits_the_config_and_says_which_files(cli: Cli, config: Path, tmp_path: Path) -> None:
    """Windows of the slowest target's interval, the address of the Grafana; each file is a line."""
    config.write_text(config.read_text().replace("[defaults]", "[defaults]\ninterval = '30s'"))
    done = cli("export", "rules", tmp_path / "new", "--config", config, "--grafana", "https://g.example/")
    file = tmp_path / "new" / "chat-monitor.rules.yml"
    assert (done.status, done.out) == (0, f"{file}\n")
    assert "increase30m" in file.read_text()
    assert "https://g.example/d/chat-monitor-target" in file.read_text()


def test_export_without_a_config_writes_what_is_shipped(tmp_path: Path) -> None:
    """And says so, for windows that fit nobody in particular should surprise nobody."""
    with started("export", "scrape-config", "there", cwd=tmp_path) as process:
        done = ended(process)
    assert (done.status, "no config" in done.err) == (0, True)
    assert sorted(done.out.split()) == ["there/chat-monitor.alertmanager.yml", "there/chat-monitor.scrape.yml"]
    assert (tmp_path / "there" / "chat-monitor.scrape.yml").exists()


@pytest.mark.parametrize("what", sorted(MAKERS))
def test_all_that_can_be_exported_can_be_asked_for(cli: Cli, config: Path, tmp_path: Path, what: str) -> None:
    """The command knows every maker."""
    assert cli("export", what, tmp_path / what, "--config", config).status == 0


def test_export_of_nothing_known_to_nowhere_or_with_a_broken_config(cli: Cli, config: Path, tmp_path: Path) -> None:
    """Usage errors and a directory that cannot be are 2, in words."""
    assert cli("export", "poems", tmp_path, "--config", config).status == 2
    done = cli("export", "rules", config / "below", "--config", config)
    assert (done.status, "cannot be written" in done.err) == (2, True)
    config.write_text("[monitr]")
    assert cli("export", "rules", tmp_path, "--config", config).status == 2


# -- history, explain, top ---------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return a history with a complete probe and, after it, a cut one of another target."""
    path = tmp_path / "history.db"
    with closing(Store(path, History(max_age=1e12))) as store:
        probes = (whole(probe_id="1"), cut(replace(GATEWAY, name="b"), probe_id="2", last_words="so far so g"))
        store.keep([row(one, Record.FULL, MIB) for one in probes], 0.0)
    return path


def test_the_list_of_probes(cli: Cli, kept: Path) -> None:
    """One line a probe, newest first, of all or one target; events with --json."""
    done = cli("history", "--db", kept)
    first, second = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    assert first.startswith(
        "2026-11-22 22:10:00Z  b        truncated/incomplete_body   200.0 ms   700.0 ms      3  peer"
    )
    assert second.startswith(
        "2026-11-22 22:10:00Z  gateway  ok                          200.0 ms   800.0 ms      3  com"
    )
    assert cli("history", "b", "--db", kept).out == cli("history", "--failed", "--db", kept).out != done.out
    (event,) = map(json.loads, cli("history", "-n", "1", "--json", "--db", kept).out.splitlines())
    assert event == record(cut(replace(GATEWAY, name="b"), probe_id="2", last_words="so far so g"))
    assert cli("history", "gateway", "--failed", "--db", kept) == Done(0, "", "no such probe is kept\n")


def test_one_probe_is_explained(cli: Cli, kept: Path) -> None:
    """Its waterfall, whose fault it likely is, what to do, and the last that came."""
    done = cli("explain", "2", "--db", kept)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("truncated/incomplete_body  b  openai-chat\n")
    assert "  do      look for a restart" in done.out
    assert done.out.endswith("  the last that came:\n    so far so g\n")
    assert cli("explain", "3", "--db", kept) == Done(
        1, "", "chat-monitor: no probe '3' is kept: it is too old, or was never made\n"
    )


def test_all_targets_once(cli: Cli, kept: Path) -> None:
    """Where stdout is no terminal, the table is printed once, those that fail first."""
    done = cli("top", "--db", kept)
    assert (done.status, [one.split()[:2] for one in done.out.splitlines()[1:]]) == (
        0, [["b", "truncated/incomplete_body"], ["gateway", "ok"]],
    )  # fmt: skip


def test_what_is_looked_up_is_asked_of_the_daemon(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it listens, as the option or the environment says; it needs no history for what memory has."""
    with started("run", "--config", config) as process:
        url = f"http://{said(process, event='started')['address']}"
        probe_id = said(process, event="probe", target="broken")["probe_id"]
        assert cli("explain", probe_id, "--url", url).out.startswith("truncated/incomplete_body  broken  openai-chat\n")
        assert probe_id in cli("history", "broken", "--url", url).out
        assert "broken" in cli("top", "--url", url).out
        assert cli("explain", "none", "--url", url).status == 1
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 0
    monkeypatch.setenv("CHAT_MONITOR_URL", url)
    for command in (("history",), ("explain", "1"), ("top",)):
        done = cli(*command)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith(f"chat-monitor: nobody answers at {url} (no connection")
        assert "pass --url URL, or --db FILE" in done.err


def test_where_nothing_can_be_looked_up(cli: Cli, tmp_path: Path) -> None:
    """A wrong use is 2; a file that is none, or an event that is none, is 1 and said without control characters."""
    assert cli("history", "--url", "localhost:9877").status == 2
    assert cli("history", "-n", "0").status == 2
    assert cli("explain").status == 2
    odd = tmp_path / "a\x1b.db"
    done = cli("history", "--db", odd)
    assert (done.status, "a\\x1b.db: no such file or directory" in done.err) == (1, True)
    with closing(Store(odd, History())) as store:
        hostile = json.dumps({"detail": "\x1b\x7f"}).encode()
        store.keep([Row("1", "a", 4e9, failed=True, event=zlib.compress(hostile), timeline=None)], 0.0)
    for command in (("history",), ("explain", "1")):
        done = cli(*command, "--db", odd)
        assert (done.status, done.err.startswith("chat-monitor: no event of a probe: ")) == (1, True)
    assert cli("history", "--json", "--db", odd).out == '{"detail": "\\u001b\\u007f"}\n'


QUICK_TOP = "from monitor.cli import main; main.REDRAWN_EVERY = 0.01; main.main()"


def test_a_table_that_is_drawn_again(kept: Path) -> None:
    """On a terminal it goes on until Ctrl-C; where nothing answers any more, what was seen last stays, and why."""
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "150", "LINES": "20"}
    command = [sys.executable, "-c", QUICK_TOP, "top", "--db", str(kept)]
    with (
        subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environ) as process,
        closed_in_the_end(process, ours),
    ):
        os.close(theirs)
        until(ours, b"gateway")
        until(ours, b"gateway")
        kept.rename(kept.with_name("elsewhere"))
        assert b"gateway" in until(ours, b"directory")  # the last word of why; what is long goes on in the next line
        process.send_signal(signal.SIGINT)
        until(ours, b"\x1b[?1049l")  # the screen is as it was before
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == b""


def test_a_terminal_that_only_writes_on(kept: Path) -> None:
    """Nothing can be drawn again there: the table is written once."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, "top", "--db", str(kept)]
    with subprocess.Popen(command, stdout=theirs, env=os.environ | {"TERM": "dumb"}) as process:
        os.close(theirs)
        with closed_in_the_end(process, ours):
            until(ours, b"gateway")
            assert process.wait(20) == 0


def until(descriptor: int, wanted: bytes) -> bytes:
    """Read from a terminal until something comes, and return all that came."""
    read = b""
    while wanted not in read:
        read += os.read(descriptor, 4096)
    return read


@contextmanager
def closed_in_the_end(process: subprocess.Popen[bytes], descriptor: int) -> Iterator[None]:
    """Close a descriptor at the end, and kill the process where it does not end."""
    try:
        yield
    finally:
        process.kill()
        os.close(descriptor)


# -- run ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_daemon_stops_when_asked(config: Path, number: signal.Signals, status: int) -> None:
    """On SIGTERM with 0 and on Ctrl-C with 130, having drained what was in flight."""
    with started("run", "--config", config) as process:
        assert process.stdout is not None
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert {event["event"] for event in events} == {"started", "probe"}
        process.send_signal(number)
        done = ended(process)
    assert done.status == status
    assert any(json.loads(one)["event"] == "stopping" for one in done.out.splitlines())


def said(process: subprocess.Popen[str], **wanted: str) -> dict[str, Any]:
    """Return the next event of a daemon that has these values."""
    assert process.stdout is not None
    for one in process.stdout:
        event: dict[str, Any] = json.loads(one)
        if wanted.items() <= event.items():
            return event
    raise AssertionError(f"it ended without {wanted}")


def test_the_daemon_takes_its_signals(config: Path) -> None:
    """SIGHUP reloads, a good config and a bad one; SIGUSR1 probes; SIGTERM ends it with 0."""
    good = config.read_text()
    with started("run", "--config", config) as process:
        assert said(process, event="started")["targets"] == 3
        config.write_text(good + good[good.rindex("[[targets]]") :].replace('"broken"', '"new"'))
        process.send_signal(signal.SIGHUP)
        assert said(process, event="reloaded")["targets"] == 4
        assert said(process, event="probe", target="new")["trigger"] == "schedule"
        config.write_text(good.replace("[web]", "nope = 1\n[web]"))
        process.send_signal(signal.SIGHUP)
        refusal = said(process, event="reload refused, the old config stays")["why"]
        assert f"{config}:" in refusal
        assert "nope: " in refusal
        process.send_signal(signal.SIGUSR1)
        assert said(process, event="probe", target="good", trigger="signal")["outcome"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 0


def test_a_killed_daemon_loses_no_probe_that_was_kept(config: Path, tmp_path: Path) -> None:
    """It is killed while it probes; the next one starts, and adds its probes to those that were there."""
    path = tmp_path / "history.db"
    config.write_text(config.read_text() + '[history]\npath = "history.db"\n')
    before: set[str] = set()
    for _ in range(3):
        with started("run", "--config", config) as process:
            said(process, event="started")
            kept: set[str] = set()
            while len(kept - before) < 5:
                said(process, event="probe")
                process.send_signal(signal.SIGUSR1)
                with suppress(StoreError):  # it holds nothing yet
                    kept = {event["probe_id"] for event in newest(path, 100)}
            process.kill()
            process.communicate(timeout=20)
        assert kept >= before
        before = kept
    assert {event["probe_id"] for event in newest(path, 100)} >= before
    assert not (tmp_path / "history.db.corrupt").exists()


STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
)


def test_the_daemon_drains(tmp_path: Path) -> None:
    """A probe in flight when SIGTERM comes ends by itself, and is told."""
    path = tmp_path / "c.toml"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        path.write_text(
            '[web]\nlisten = "127.0.0.1:0"\n[[targets]]\nname = "slow"\nprotocol = "openai-chat"\nmodel = "m"\n'
            f'check = "none"\nurl = "http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"\n'
        )
        with started("run", "--config", path) as process:
            assert process.stdout is not None
            connection, _ = listener.accept()
            with connection:
                process.send_signal(signal.SIGTERM)
                events = [json.loads(process.stdout.readline())["event"] for _ in range(2)]
                assert events == ["started", "stopping"]
                assert b"/v1/chat/completions" in connection.recv(65536)
                connection.sendall(STREAM)
                connection.shutdown(socket.SHUT_WR)
                done = ended(process)
    assert done.status == 0
    assert json.loads(done.out)["outcome"] == "ok"


def test_a_daemon_that_hangs_tells_where(config: Path) -> None:
    """The signal of systemd's watchdog has the stack of every thread written, and ends the process."""
    with started("run", "--config", config) as process:
        said(process, event="started")
        process.send_signal(signal.SIGABRT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in err
    assert "in run_forever" in err


def test_a_port_that_is_taken(cli: Cli, config: Path) -> None:
    """`run`, `demo` and `lab` say so in one line."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        for command in (
            ("run", "--config", config, "--web.listen-address", address),
            ("demo", "--listen", address),
            ("lab", "--listen", address),
        ):
            done = cli(*command)
            assert (done.status, done.out) == (2, "")
            assert done.err.startswith(f"chat-monitor: cannot listen on {address}")
            assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--web.listen-address", "0.0.0.0:0"), "chat-monitor: refusing to listen on 0.0.0.0"),
        (("--web.listen-address", ":0"), "chat-monitor: refusing to listen on 0.0.0.0"),
        (("--web.listen-address", "127.0.0.1.example:0"), "chat-monitor: refusing to listen on 127.0.0.1.example"),
        (("--web.config.file", "/nowhere/web.yml"), "/nowhere/web.yml: cannot be read: no such file or directory\n"),
        (("--web.listen-address", "127.0.0.1"), "is not HOST:PORT"),
        (("--web.listen-address", "127.0.0.1:65536"), "is not HOST:PORT"),
        (("--web.listen-address", "127.0.0.1:http"), "is not HOST:PORT"),
        (("--shard", "3/2"), "is not I/N with I from 1 to N"),
        (("--shard", "0/2"), "is not I/N with I from 1 to N"),
        (("--shard", "one"), "is not I/N with I from 1 to N"),
    ],
)
def test_what_the_daemon_cannot_be_asked(cli: Cli, config: Path, options: tuple[str, ...], said: str) -> None:
    """An address that everybody reaches, what is no address, and what is no shard: 2, in words."""
    done = cli("run", "--config", config, *options)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_the_daemon_says_what_is_odd(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings of the config, before it starts; without a standard error there is nowhere to leave a stack."""
    monkeypatch.setattr(sys, "__stderr__", None)
    config.write_text(config.read_text().replace("[defaults]", '[defaults]\ninterval = "10s"'))
    done = cli("run", "--config", config, "--web.listen-address", "0.0.0.0:0")
    assert done.status == 2
    assert done.err.startswith("warning: ")
    assert "refusing to listen" in done.err


@pytest.mark.parametrize(
    ("text", "status"), [("basic_auth_users: {prom: $2b$04$" + "." * 53 + "}", 0), ("http_server_config: {}", 2)]
)
def test_a_public_address_wants_protection(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch, text: str, status: int
) -> None:
    """A web config file with users lets it be listened on; one that keeps nobody out does not."""
    monkeypatch.setattr("monitor.cli.main._watch", lambda *_: 0)
    file = config.with_name("web.yml")
    file.write_text(text)
    done = cli("run", "--config", config, "--web.config.file", file, "--web.listen-address", "0.0.0.0:0")
    assert (done.status, "refusing to listen" in done.err) == (status, status == 2)


def test_ctrl_c_is_no_traceback(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes: the status is 130, and nothing else is said."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("monitor.cli.main._watch", interrupted)
    done = cli("run", "--config", config)
    assert (done.status, done.out) == (130, "")


def test_shards_share_the_targets(config: Path) -> None:
    """Each of two daemons watches its part, and together they watch all."""
    numbers = []
    for shard in ("1/2", "2/2"):
        with started("run", "--config", config, "--shard", shard, "--web.listen-address", "[::1]:0") as process:
            assert process.stdout is not None
            numbers.append(json.loads(process.stdout.readline())["targets"])
            process.send_signal(signal.SIGTERM)
            ended(process)
    assert sum(numbers) == 3


# -- demo and lab ------------------------------------------------------------------------------------------------------


def test_the_demo_runs_until_ctrl_c() -> None:
    """With no config at all: it says where its page is, which answers, and Ctrl-C is 130."""
    with started("demo") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        page = process.stderr.readline().split()[-1]
        assert page.startswith("http://127.0.0.1:")
        assert fetched(page).startswith("HTTP/1.1 200 OK")
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert ended(process).status == 130


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_lab_runs_alone(number: signal.Signals, status: int) -> None:
    """It says where, serves its index, and tells of every request."""
    with started("lab", "--listen", "127.0.0.1:0") as process:
        assert process.stderr is not None
        where = process.stderr.readline()
        assert where.startswith("fault lab on http://127.0.0.1:")
        url = where.split()[3]
        assert "Fault lab" in fetched(url)
        assert fetched(f"{url}openai-chat/empty").startswith("HTTP/1.1 200 OK")
        process.send_signal(number)
        done = ended(process)
    assert done.status == status
    assert json.loads(done.out.splitlines()[-1])["fault"] == "empty"


def fetched(url: str) -> str:
    """Return the whole answer to a plain request."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), 10) as connection:
        connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            return answer.read().decode()


# -- in general --------------------------------------------------------------------------------------------------------


def test_help_and_version(cli: Cli) -> None:
    """Both are to be had, and name every command."""
    done = cli("--help")
    assert done.status == 0
    assert all(f"\n  {name} " in done.out for name in ("run", "probe", "check", "demo", "lab", "schema"))
    assert cli("-h").out == done.out
    assert cli("--version").out.startswith("chat-monitor, version ")
    assert cli("nope").status == 2


def test_a_reader_that_leaves() -> None:
    """`chat-monitor schema | head` ends without a traceback."""
    with started("schema") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        done = ended(process)
    assert done.status == 1
    assert done.err == ""
