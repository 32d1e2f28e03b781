"""The seven tasks of docs/operations.md: every command of them runs, in the order of the page, against a daemon."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from monitor.lab.server import Lab
from tests.cli.commands import fetched
from tests.conftest import WITHIN
from tests.daemons import QUICK_CUT, QUICK_OK
from tests.dashboards.live import free_port
from tests.test_docs import blocks

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
TASKS = ("Install", "Upgrade", "Rotate a key", "Silence", "Move", "Debug one target", "Back up")
SERVICE = """
state="$ROOT/var/lib/chat-monitor"
begin() {
  mkdir -p "$state"
  STATE_DIRECTORY="$state" chat-monitor run --config "$ROOT/etc/chat-monitor/config.toml" >>"$ROOT/log" 2>&1 &
  echo $! >"$ROOT/pid"
  curl -fsS -o /dev/null --retry 100 --retry-connrefused --retry-delay 1 "$CHAT_MONITOR_URL/-/ready"
}
end() { kill "$(cat "$ROOT/pid")"; tail --pid="$(cat "$ROOT/pid")" -f /dev/null; rm "$ROOT/pid"; }
systemctl() {
  case "$1" in
    enable | start) begin ;;
    stop) end ;;
    restart) end; begin ;;
    reload) kill -HUP "$(cat "$ROOT/pid")" ;;
  esac
}
"""
"""What systemd does for the page, without its unit, which tests/systemd starts."""

pytestmark = pytest.mark.real


class Machine:
    """A directory in the place of `/`, and a port in the place of the daemon's."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for name in ("etc/chat-monitor/keys", "var/backups", "var/lib"):
            (root / name).mkdir(parents=True)
        self.config = root / "etc/chat-monitor/config.toml"
        self._blocks = dict.fromkeys(TASKS, 0)

    def run(self, task: str, probe_id: str = "") -> str:
        """Run the next block of commands of a task, and return what it prints."""
        number, self._blocks[task] = self._blocks[task], self._blocks[task] + 1
        script = commands(task)[number].replace("127.0.0.1:9877", f"127.0.0.1:{self.port}")
        script = script.replace("PROBE_ID", probe_id).replace("-C / ", f"-C {self.root} ")
        script = re.sub(r"(?<![\w.])/(etc|var)/", rf"{self.root}/\1/", script)
        # a probe of a stream that is cut ends so
        script = re.sub(r"^(chat-monitor probe .*)$", r"\1 || [ $? = 3 ]", script, flags=re.MULTILINE)
        environment = os.environ | {
            "ROOT": str(self.root),
            "CHAT_MONITOR_URL": self.url,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", SERVICE + script],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def done(self, task: str) -> bool:
        """Whether every block of a task was run."""
        return self._blocks[task] == len(commands(task))

    def probes(self, target: str, count: int = 1) -> list[dict[str, str]]:
        """Wait for so many probes of a target, and return the newest ones."""
        while True:
            found: list[dict[str, str]] = json.loads(
                fetched(f"{self.url}/api/v1/probes?target={target}").partition("\r\n\r\n")[2]
            )["probes"]
            if len(found) >= count:
                return found


def commands(task: str) -> list[str]:
    """Return the blocks of commands of a task."""
    section = PAGE.read_text().partition(f"\n### {task}\n")[2]
    section = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Yield a machine; its daemon is ended."""
    one = Machine(tmp_path)
    yield one
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 9)


def edited(machine: Machine, lab: Lab) -> str:
    """Return the first config with URL, key, a second target and a history, as a user edits it."""
    target = (
        '[[targets]]\nname = "{}"\nprotocol = "openai-chat"\nurl = "{}"\nmodel = "lab"\ninterval = "1s"\n'
        'check = "none"\napi_key_file = "keys/gateway"\n'
    )
    return (
        f'[web]\nlisten = "127.0.0.1:{machine.port}"\n[history]\npath = "history.db"\n'
        + target.format("gateway", lab.url + QUICK_CUT)
        + target.format("other", lab.url + QUICK_OK)
    )


async def test_the_seven_tasks(lab: Lab, machine: Machine) -> None:
    """Each command of the page has the effect that the page describes."""
    await asyncio.to_thread(walk, lab, machine)
    assert [task for task in TASKS if not machine.done(task)] == []
    assert blocks(PAGE, "sh") == [block for task in TASKS for block in commands(task)]


def walk(lab: Lab, machine: Machine) -> None:
    """Do the tasks."""
    machine.run("Install")
    assert 'name = "' in machine.config.read_text()
    machine.config.write_text(edited(machine, lab))
    (machine.root / "etc/chat-monitor/keys/gateway").write_text("old-key")
    machine.run("Install")

    machine.run("Upgrade")
    assert (machine.root / "var/backups/chat-monitor-config/config.toml").exists()
    assert [*(machine.root / "etc/prometheus/rules").iterdir()]

    (machine.root / "new-key").write_text("new-key")
    (machine.root / "etc/chat-monitor/keys/gateway").chmod(0o600)
    assert 'result="success"' in machine.run("Rotate a key")
    while 'reloads_total{result="success"} 1' not in fetched(f"{machine.url}/metrics"):
        continue

    machine.run("Silence")
    while 'skipped_total{reason="maintenance",target="gateway"} 0' in fetched(f"{machine.url}/metrics"):
        continue
    machine.config.write_text(edited(machine, lab))

    machine.run("Move")
    for name in ("etc/chat-monitor", "var/lib/chat-monitor"):
        shutil.rmtree(machine.root / name)
    machine.run("Move")
    newest = machine.probes("gateway")[0]

    debugged = machine.run("Debug one target", newest["probe_id"])
    assert newest["probe_id"] in debugged
    assert "incomplete_body" in debugged
    assert "new-key" not in debugged

    machine.run("Back up")
    machine.run("Back up")
    assert newest["probe_id"] in {one["probe_id"] for one in machine.probes("gateway")}
