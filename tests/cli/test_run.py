"""`run`: the daemon as a process, its signals and its refusals."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from monitor.config import Config, load
from monitor.daemon.signals import Signals
from monitor.record.probe_event import ProbeEvent, read
from monitor.record.rollup import HOUR, MINUTE, merged, rollup_of
from monitor.shard import Shard
from monitor.sinks.history_queries import newest, series
from monitor.sinks.history_store import StoreError
from tests.cli.commands import Cli, ended, logged, started
from tests.conftest import WITHIN


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_daemon_stops_when_asked(config: Path, number: signal.Signals, status: int) -> None:
    """The daemon drains; its status is 0 after SIGTERM and 130 after Ctrl-C."""
    with started("run", "--config", config) as process:
        assert process.stdout is not None
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert {event["event"] for event in events} == {"started", "probe"}
        process.send_signal(number)
        done = ended(process)
    assert done.status == status
    assert ("press Ctrl-C again" in done.err) == (number is signal.SIGINT)
    assert any(json.loads(one)["event"] == "stopping" for one in done.out.splitlines())


def test_the_daemon_takes_its_signals(config: Path) -> None:
    """SIGHUP reloads, a good config and a bad one; SIGUSR1 probes; SIGTERM ends it with 0."""
    good = config.read_text()
    with started("run", "--config", config) as process:
        assert logged(process, event="started")["targets"] == 3
        config.write_text(good + good[good.rindex("[[targets]]") :].replace('"broken"', '"new"'))
        process.send_signal(signal.SIGHUP)
        assert logged(process, event="reloaded")["targets"] == 4
        assert logged(process, event="probe", target="new")["trigger"] == "schedule"
        config.write_text(good.replace("[web]", "nope = 1\n[web]"))
        process.send_signal(signal.SIGHUP)
        refusal = logged(process, event="reload rejected, the old config stays in use")["why"]
        assert f"{config}:" in refusal
        assert "nope: " in refusal
        process.send_signal(signal.SIGUSR1)
        assert logged(process, event="probe", target="good", trigger="signal")["outcome"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 0


def test_a_killed_daemon_loses_no_probe_that_was_kept(config: Path, tmp_path: Path) -> None:
    """It is killed again and again while it probes; each next one adds its probes to those that were there.

    The rollups in the file are what its log comes to, for the probes that were written before each kill.
    """
    path = tmp_path / "history.db"
    text = config.read_text().replace("[defaults]", '[defaults]\ninterval = "1s"')
    config.write_text(text + '[history]\npath = "history.db"\n')
    before: set[str] = set()
    recorded: dict[str, ProbeEvent] = {}
    for _ in range(4):
        with started("run", "--config", config) as process:
            logged(process, event="started")
            kept: set[str] = set()
            while len(kept - before) < 5:
                one = logged(process, event="probe")
                recorded[one["probe_id"]] = read(one)
                with suppress(StoreError):  # it holds nothing yet
                    kept = {event["probe_id"] for event in newest(path, 100)}
            process.kill()
            for line in process.communicate(timeout=WITHIN)[0].splitlines():
                if (one := json.loads(line))["event"] == "probe":
                    recorded[one["probe_id"]] = read(one)
        assert kept >= before
        before = kept
    assert {event["probe_id"] for event in newest(path, 100)} >= before
    assert not (tmp_path / "history.db.corrupt").exists()
    events = {event["probe_id"]: read(event) for event in newest(path, 1000)}
    scheduled = 0
    for target in ("good", "broken"):
        mine = [recorded.get(id_, event) for id_, event in events.items() if event.target == target]
        recount = merged(map(rollup_of, mine))
        for span in (MINUTE, HOUR):
            assert merged(rollup for _, rollup in series(path, target, span, 0, 1e12)) == recount
        scheduled += recount.probes
    assert scheduled >= 4
    assert len(events.keys() & recorded.keys()) >= len(before) - 4  # what one kill may keep from its log


STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
)


def test_the_daemon_drains(tmp_path: Path) -> None:
    """A probe that runs at SIGTERM ends by itself, and its event is written."""
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
        logged(process, event="started")
        process.send_signal(signal.SIGABRT)
        _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in err
    assert "in run_forever" in err


def test_a_port_that_is_taken(cli: Cli, config: Path) -> None:
    """`run`, `demo` and `lab` say so in one line, and exit with 1: it may be free in a moment."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        for command in (
            ("run", "--config", config, "--web.listen-address", address),
            ("demo", "--listen", address),
            ("lab", "--listen", address),
        ):
            done = cli(*command)
            assert (done.status, done.out) == (1, "")
            assert done.err.startswith(f"chat-monitor: cannot listen on {address}")
            assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--web.listen-address", "0.0.0.0:0"), "chat-monitor: refusing to listen on 0.0.0.0:0"),
        (("--web.listen-address", ":0"), "chat-monitor: refusing to listen on :0"),
        (
            ("--web.listen-address", "127.0.0.1:0", "--web.listen-address", "[::]:0"),
            "chat-monitor: refusing to listen on [::]:0",
        ),
        (("--web.listen-address", "127.0.0.1.example:0"), "chat-monitor: refusing to listen on 127.0.0.1.example:0"),
        (("--web.config.file", "/nowhere/web.yml"), "/nowhere/web.yml: cannot be read: no such file or directory\n"),
        (("--web.listen-address", "127.0.0.1"), "is not HOST:PORT"),
        (("--web.listen-address", "127.0.0.1:65536"), "is not HOST:PORT"),
        (("--web.listen-address", "127.0.0.1:http"), "is not HOST:PORT"),
        (("--shard", "3/2"), "is not I/N with I from 1 to N"),
        (("--shard", "0/2"), "is not I/N with I from 1 to N"),
        (("--shard", "one"), "is not I/N with I from 1 to N"),
        (("--shard", "auto/2"), "auto needs POD_NAME to end with the pod's ordinal"),
        (
            ("--shard", "3/3", "--web.port-by-shard", "--web.listen-address", "127.0.0.1:65534"),
            "--web.port-by-shard: port 65534 + 2 is above 65535",
        ),
    ],
)
def test_what_the_daemon_cannot_be_asked(cli: Cli, config: Path, options: tuple[str, ...], message: str) -> None:
    """A public address without protection, an invalid address and an invalid shard are status 2 with a message."""
    done = cli("run", "--config", config, *options)
    assert (done.status, done.out) == (2, "")
    assert message in done.err


def test_the_daemon_prints_warnings(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    """A public address is allowed with users in the web config file, and refused if the file restricts nothing."""
    monkeypatch.setattr("monitor.cli.run.watch_config", lambda *_: 0)
    file = config.with_name("web.yml")
    file.write_text(text)
    file.chmod(0o644)
    done = cli("run", "--config", config, "--web.config.file", file, "--web.listen-address", "0.0.0.0:0")
    assert (done.status, "refusing to listen" in done.err) == (status, status == 2)
    assert ("web.yml: other users can read this file" in done.err) is (status == 0)


def test_every_address_that_is_asked_for_is_served(config: Path) -> None:
    """Repeated options and an array of the config: all are bound and written, IPv6 in brackets."""
    config.write_text(config.read_text().replace('listen = "127.0.0.1:0"', 'listen = ["[::1]:0", "127.0.0.1:0"]'))
    repeated = ("--web.listen-address", "127.0.0.1:0", "--web.listen-address", "[::1]:0")
    for options, hosts in (((), ["[::1]", "127.0.0.1"]), (repeated, ["127.0.0.1", "[::1]"])):
        with started("run", "--config", config, *options) as process:
            addresses = logged(process, event="started")["address"].split(", ")
            for address in addresses:
                with urlopen(f"http://{address}/-/healthy", timeout=WITHIN) as answer:
                    assert answer.status == 200
            assert [one.rpartition(":")[0] for one in addresses] == hosts
            process.send_signal(signal.SIGTERM)
            assert ended(process).status == 0


def test_shards_share_the_targets(config: Path) -> None:
    """Each of two daemons watches its part, and together they watch all."""
    numbers = []
    for shard in ("1/2", "2/2"):
        with started("run", "--config", config, "--shard", shard, "--web.listen-address", "[::1]:0") as process:
            assert process.stdout is not None
            event = json.loads(process.stdout.readline())
            assert event["address"].startswith("[::1]:")
            numbers.append(event["targets"])
            process.send_signal(signal.SIGTERM)
            ended(process)
    assert sum(numbers) == 3


@pytest.mark.parametrize(
    ("options", "addresses"),
    [
        (("--shard", "3/4", "--web.port-by-shard"), ("127.0.0.1:9879",)),
        (("--shard", "1/4", "--web.port-by-shard"), ("127.0.0.1:9877",)),
        (("--shard", "2/4", "--web.port-by-shard", "--web.listen-address", "[::1]:9000"), ("[::1]:9001",)),
        (("--shard", "2/4", "--web.port-by-shard", "--web.listen-address", "[::1]:0"), ("[::1]:0",)),
        (
            ("--shard", "1/4", "--web.listen-address", "[::1]:9", "--web.listen-address", "127.0.0.1:9"),
            ("[::1]:9", "127.0.0.1:9"),
        ),
        (("--shard", "3/4"), ("127.0.0.1:9877",)),
    ],
)
def test_shards_of_one_host_have_ports_of_their_own(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    """The first shard listens on the configured port, each further one on the next; port 0 stays 0."""
    configs: list[tuple[tuple[str, ...], int]] = []

    def watch(config: Config, *_: object) -> int:
        configs.append((config.settings.web.listen, config.shard.index + 1))
        return 0

    monkeypatch.setattr("monitor.cli.run.watch_config", watch)
    config.write_text(config.read_text().replace('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:9877"'))
    assert cli("run", "--config", config, *options).status == 0
    assert configs == [(addresses, int(options[1][0]))]


def test_a_pod_is_a_shard_by_its_environment(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of a StatefulSet's pod do for the option."""
    configs = []

    def watch(config: Config, *_: object) -> int:
        configs.append(config.shard)
        return 0

    monkeypatch.setattr("monitor.cli.run.watch_config", watch)
    monkeypatch.setenv("POD_NAME", "chat-monitor-2")
    monkeypatch.setenv("CHAT_MONITOR_SHARD", "auto/4")
    assert cli("run", "--config", config).status == 0
    assert configs == [Shard(2, 4)]


@pytest.mark.parametrize(("shard", "warns"), [("1/2", True), ("1/3", False)])
def test_more_replicas_than_shards_are_a_warning(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch, shard: str, *, warns: bool
) -> None:
    """The daemon says of how many targets some replicas will be missing, and starts."""
    monkeypatch.setattr("monitor.cli.run.watch_config", lambda *_: 0)
    config.write_text(config.read_text().replace("[defaults]", "[defaults]\nreplicas = 3"))
    done = cli("run", "--config", config, "--shard", shard)
    assert done.status == 0
    assert ("replicas: 3 targets have more than the 2 shards there are" in done.err) == warns


def test_a_hangup_before_the_loop_runs_is_made_up_for(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGHUP that comes while the config is read is a reload as soon as one can be made."""
    asked = []

    def read(path: Path, environ: Mapping[str, str]) -> Config:
        signal.raise_signal(signal.SIGHUP)
        return load(path, environ)

    async def watch(_: Config, signals: Signals, **__: object) -> None:
        asked.append(signals.reload_asked)

    monkeypatch.setattr("monitor.cli.run.read", read)
    monkeypatch.setattr("monitor.cli.run.watch", watch)
    assert cli("run", "--config", config).status == 0
    assert asked == [True]
