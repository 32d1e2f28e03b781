"""The service under a real systemd: it starts, reloads, is watched, killed and restarted, drained and boxed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.systemd.box import HOME, Box, event, missing
from tests.systemd.conftest import CONFIG, LAB, Service, target
from tests.web.test_access import hashed

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(90),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

CANARY = "canary-4711"
_DYNAMIC_USERS = range(61184, 65520)

# -- start and reload --------------------------------------------------------------------------------------------------


def test_ready(service: Service) -> None:
    """`systemctl start` comes back when the page answers; the status says what is watched, and probes are judged."""
    service.configure(target("one"), target("cut", f"{LAB}/cut?gap=0"))
    service.start()
    assert service.box.get("/-/ready")[0] == 200
    assert service.properties("ActiveState", "NRestarts", "StatusText") == ("active", "0", "watching 2 targets")
    assert service.probe(target="one")["outcome"] == "ok"
    assert service.probe(target="cut")["cause"] == "incomplete_body"


def test_reload(service: Service) -> None:
    """A good config is taken, a broken one changes nothing, by `systemctl reload` as by SIGHUP; the process stays."""
    service.configure(target("one"), target("two"))
    service.start()
    service.probe(target="one")
    before = service.state["MainPID"]
    for number, ask in enumerate((_reload, _hang_up)):
        _takes_a_good_config(service, ask, f"new-{number}")
        _keeps_the_old_for_a_broken_one(service, ask)
    assert service.properties("ActiveState", "MainPID", "NRestarts") == ("active", before, "0")


def _reload(service: Service) -> None:
    service.box.run("systemctl", "reload", service.unit)


def _hang_up(service: Service) -> None:
    service.signal("HUP")


def _takes_a_good_config(service: Service, ask: Callable[[Service], None], new: str) -> None:
    """A reload probes new targets, removes the series of old ones, and keeps the counters of unchanged ones."""
    counted = service.box.metric("chat_stream_probes_total", target="one", outcome="ok")
    service.configure(target("one"), target(new))
    since = service.box.now()
    ask(service)
    service.probe(since, target=new)
    assert service.state["StatusText"] == "watching 2 targets"
    assert service.box.metric("chat_monitor_config_last_reload_successful") == 1
    assert {labels["target"] for labels, _ in service.box.series("chat_stream_up")} == {"one", new}
    now = service.box.metric("chat_stream_probes_total", target="one", outcome="ok")
    assert counted is not None
    assert now is not None
    assert now >= counted >= 1


def _keeps_the_old_for_a_broken_one(service: Service, ask: Callable[[Service], None]) -> None:
    """The journal has the mistake with its line, the gauge says 0, and probing goes on as before."""
    service.configure(target("one", confirm="0"), target("never"))
    since = service.box.now()
    ask(service)
    service.until("config.toml:12: targets[0].confirm", since)
    service.box.until_metric("chat_monitor_config_last_reload_successful", lambda value: value == 0)
    service.probe(service.box.now(), target="one")
    assert not any(event(line).get("target") == "never" for line in service.journal(since))


def test_a_signal_probes_at_once(service: Service) -> None:
    """SIGUSR1 probes every target without waiting for its time."""
    service.configure(target("one", interval='"1h"'))
    service.start()
    service.probe(target="one", trigger="schedule")
    service.signal("USR1")
    service.probe(target="one", trigger="signal")


# -- what goes wrong ---------------------------------------------------------------------------------------------------

BLOCK = f"{CONFIG}.block"
BLOCKING = f'''
"""A protocol whose request holds the loop as long as a file is there."""
import os
import time
from dataclasses import replace
from monitor.protocols.openai_chat import OPENAI_CHAT

def hold_the_loop(target, prompt):
    while os.path.exists("{BLOCK}"):
        time.sleep(0.01)
    return OPENAI_CHAT.request(target, prompt)

BLOCK = replace(OPENAI_CHAT, name="block", request=hold_the_loop)
'''


def test_a_blocked_loop_is_killed_and_its_stack_written(service: Service) -> None:
    """The watchdog ends a daemon with a blocked loop; the journal has the stack, and the next start works."""
    site = next(service.box.path(f"{HOME}/lib").iterdir()) / "site-packages"
    (site / "holding.py").write_text(BLOCKING)
    service.configure(target("one", protocol='"holding:BLOCK"'))
    service.drop_in("WatchdogSec=2s", "RestartSec=100ms")
    service.start()
    service.probe(target="one", outcome="ok")
    since = service.box.now()
    service.box.write(BLOCK, "")
    service.until("Watchdog timeout", since)
    service.until("in hold_the_loop", since)
    service.box.path(BLOCK).unlink()
    service.until("Started chat-monitor.service", since)
    service.probe(service.box.now(), target="one", outcome="ok")
    assert service.properties("ActiveState", "NRestarts") == ("active", "1")
    assert any("Fatal Python error: Aborted" in line for line in service.journal(since))


def test_a_stopped_process_is_replaced(service: Service) -> None:
    """A process that does not run at all is noticed and replaced as well."""
    service.configure(target("one"))
    service.drop_in("WatchdogSec=2s", "RestartSec=100ms")
    service.start()
    since = service.box.now()
    service.signal("STOP")
    service.until("Watchdog timeout", since)
    service.until("Started chat-monitor.service", since)
    service.probe(service.box.now(), target="one", outcome="ok")


def test_a_daemon_that_works_is_left_alone(service: Service) -> None:
    """Slow streams, and a target that answers nothing, keep the watchdog fed for longer than its time."""
    service.configure(
        target("slow", f"{LAB}/ok?gap=600ms"), target("hung", f"{LAB}/hang", timeouts='{ headers = "3s" }')
    )
    service.drop_in("WatchdogSec=2s")
    service.start()
    service.probe(target="slow", outcome="ok")
    service.probe(target="hung", outcome="timeout", cause="headers")
    assert service.properties("ActiveState", "NRestarts") == ("active", "0")


def test_kill_9(service: Service) -> None:
    """After `kill -9` it is there again, and who had spent today's tokens has none."""
    service.configure(target("one"), target("poor", tokens_per_day="1"))
    service.drop_in("RestartSec=100ms")
    service.start()
    service.probe(target="poor", outcome="ok")
    _refuses_the_poor(service)
    service.box.until_file("/var/lib/chat-monitor/budget.json", '"poor": ')
    before, since = service.state["MainPID"], service.box.now()
    service.signal("KILL")
    service.until("Started chat-monitor.service", since)
    after = service.box.now()
    _refuses_the_poor(service)
    service.probe(after, target="one", outcome="ok")
    state = service.state
    assert (state["ActiveState"], state["NRestarts"]) == ("active", "1")
    assert state["MainPID"] != before
    assert not [line for line in service.journal(since) if event(line).get("target") == "poor"]


def _refuses_the_poor(service: Service) -> None:
    service.box.until_metric(
        "chat_stream_probes_skipped_total", lambda value: value >= 1, target="poor", reason="budget"
    )


def test_a_stop_drains(service: Service) -> None:
    """A stop waits for the stream in flight, which is judged like any other, and nothing is counted as cut."""
    service.configure(target("slow", f"{LAB}/ok?gap=500ms", interval='"1h"'))
    service.start()
    service.box.until_metric("chat_monitor_probes_in_flight", lambda value: value == 1)
    since = service.box.now()
    service.box.run("systemctl", "stop", service.unit)
    state = service.state
    assert (state["ActiveState"], state["Result"], state["ExecMainStatus"]) == ("inactive", "success", "0")
    events = [event(line) for line in service.journal(since) if event(line)]
    assert [(one["target"], one["outcome"]) for one in events] == [("slow", "ok")]


def test_a_broken_config_is_not_tried_again(service: Service) -> None:
    """Exit status 2, every mistake in the journal with its line, and no restart: it would not mend the config."""
    service.configure(target("one", confirm="0"), target("two", interval="60"))
    assert service.box.status("systemctl", "start", service.unit) != 0
    assert service.properties("ActiveState", "ExecMainStatus", "NRestarts") == ("failed", "2", "0")
    journal = "\n".join(service.journal())
    assert "config.toml:12: targets[0].confirm" in journal
    assert "config.toml:17: targets[1].interval" in journal
    service.configure(target("one"))
    service.start()


def test_the_start_limit(service: Service) -> None:
    """After five failed starts systemd stops restarting the daemon."""
    service.configure(target("one"))
    service.drop_in("ExecStart=", "ExecStart=/bin/false", "RestartSec=10ms")
    since = service.box.now()
    assert service.box.status("systemctl", "start", service.unit) != 0
    service.until("Start request repeated too quickly", since)
    assert service.properties("ActiveState", "NRestarts") == ("failed", "5")


# -- what it is given, and what it is not ------------------------------------------------------------------------------

ECHO = """
import http.server
class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.log_message("said %s", self.headers["Authorization"])
        self.send_error(401)
http.server.HTTPServer(("127.0.0.1", 9000), Echo).serve_forever()
"""


def test_credentials(service: Service) -> None:
    """A key that only root can read reaches the server, and neither the journal nor the environment."""
    service.box.start_beside("echo", f"{HOME}/bin/python", "-c", ECHO)
    service.box.write("/etc/keys/gateway", f"{CANARY}\n", 0o600)
    service.configure(target("one", "http://127.0.0.1:9000/v1", api_key_file='"gateway-key"'))
    service.drop_in("LoadCredential=gateway-key:/etc/keys/gateway")
    service.start()
    service.probe(target="one", outcome="http_error", cause="auth")
    service.box.until("echo", lambda line: f"said Bearer {CANARY}" in line, service.since)
    assert CANARY not in "\n".join(service.journal())
    assert CANARY.encode() not in _main(service, "environ").read_bytes()
    assert "gateway-key" not in service.box.run(*_as_the_service(service, "ls", "-lR", "/etc/keys"), check=False)
    service.box.run("systemctl", "stop", "echo")


def test_a_web_config_file_that_is_a_credential(service: Service) -> None:
    """With the drop-in of docs/operations.md the pages require a user, whose password only root can read."""
    page = (ROOT / "docs" / "operations.md").read_text()
    (drop_in,) = re.findall(r"^\[Service\]\n(LoadCredential=web\.yml.*?)^```$", page, re.MULTILINE | re.DOTALL)
    service.box.write("/etc/chat-monitor/web.yml", f"basic_auth_users:\n  me: {hashed('secret')}\n", 0o600)
    service.configure(target("one"))
    service.drop_in(*drop_in.splitlines())
    service.start()
    assert [service.box.get(path)[0] for path in ("/-/ready", "/metrics")] == [200, 401]


def test_a_credential_that_is_missing(service: Service) -> None:
    """A key that is not given is a mistake in the config, by its name."""
    service.configure(target("one", api_key_file='"gateway-key"'))
    assert service.box.status("systemctl", "start", service.unit) != 0
    assert service.properties("ExecMainStatus", "NRestarts") == ("2", "0")
    service.until("api_key_file: cannot be read")


def test_the_sandbox_is_in_force(service: Service) -> None:
    """The daemon runs as an unprivileged user, without capabilities, and sees and writes only what it needs."""
    service.configure(target("one"))
    service.start()
    status = dict(line.split(":\t", 1) for line in _main(service, "status").read_text().splitlines() if ":\t" in line)
    assert int(status["Uid"].split()[0]) in _DYNAMIC_USERS
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    limits = _main(service, "limits").read_text()
    assert [line.split()[-3:-1] for line in limits.splitlines() if "core file" in line] == [["0", "0"]]
    refused = {
        "writes to the system": ("touch", "/usr/canary"),
        "writes to the config": ("touch", "/etc/chat-monitor/canary"),
        "looks into homes": ("ls", "/root"),
        "reads what is root's": ("cat", "/etc/shadow"),
        "sees other processes": ("cat", "/proc/1/status"),
        "has a disk": ("ls", "/dev/vda", "/dev/sda", "/dev/mem"),
    }
    assert not [what for what, command in refused.items() if not _refuses(service, *command)]
    assert not _refuses(service, "touch", "/var/lib/chat-monitor/canary")
    assert service.box.path("/var/lib/private/chat-monitor/canary").exists()
    assert not _refuses(service, "touch", "/tmp/canary")  # noqa: S108 - it is the service's own
    assert not service.box.path("/tmp/canary").exists()  # noqa: S108 - likewise


def _main(service: Service, name: str) -> Path:
    """Return a file of /proc about the main process."""
    return service.box.path(f"/proc/{service.state['MainPID']}/{name}")


def _as_the_service(service: Service, *command: str) -> tuple[str, ...]:
    """Return a command that sees the files that the service sees, as its user."""
    pid = service.state["MainPID"]
    uid = str(_main(service, "status").stat().st_uid)
    enter = ("nsenter", f"--target={pid}", "--mount", "--root", "--wd")
    return (*enter, "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all", *command)


def _refuses(service: Service, *command: str) -> bool:
    return service.box.status(*_as_the_service(service, *command)) != 0


# -- shards ------------------------------------------------------------------------------------------------------------


def test_shards(box: Box, service: Service) -> None:
    """Each instance of the template watches its part, at its own address, with its own state."""
    names = [f"t{number}" for number in range(6)]
    service.configure(*map(target, names))
    targets: dict[str, set[str]] = {}
    for number, port in ((1, 9901), (2, 9902)):
        box.write(
            f"/etc/chat-monitor/shard-{number}-2.env",
            f"CHAT_MONITOR_OPTIONS=--web.listen-address 127.0.0.1:{port}\n",
        )
        shard = Service(box, service.since, f"chat-monitor@{number}-2.service")
        shard.start()
        targets[shard.unit] = {labels["target"] for labels, _ in box.series("chat_stream_paused", port)}
        assert shard.state["StatusText"] == f"watching {len(targets[shard.unit])} targets"
        assert box.path(f"/var/lib/private/chat-monitor-{number}-2").is_dir()
    first, second = targets.values()
    assert (first | second, first & second) == (set(names), set())
    assert first
    assert second
