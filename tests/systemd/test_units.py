"""The unit files as they stand: how exposed they leave the host, and that the template is the unit and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
from difflib import unified_diff

import pytest

from monitor.daemon.app import DRAIN
from tests.systemd.box import UNITS

NAMES = ("chat-monitor.service", "chat-monitor@.service")
MOST_EXPOSED = 1.1
_OLDEST = 252


def _version() -> int:
    """Return the version of systemd-analyze; 0 if it is missing."""
    if not shutil.which("systemd-analyze"):
        return 0
    output = subprocess.run(["systemd-analyze", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"systemd (\d+)", output)
    return int(found[1]) if found else 0


@pytest.mark.skipif(_version() < _OLDEST, reason="needs systemd 252 or newer: apt-get install -y systemd")
@pytest.mark.parametrize("name", NAMES)
def test_exposure(name: str) -> None:
    """Each unit is boxed in as far as a client of the network can be."""
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNITS / name)]
    output = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", output)
    assert found is not None, output
    assert float(found[1]) <= MOST_EXPOSED, output


def test_the_template_is_the_unit_for_a_shard() -> None:
    """Template and unit differ in captions, command and state directory, not in the sandbox."""
    unit, template = ((UNITS / name).read_text().splitlines() for name in NAMES)
    changed = [line for line in unified_diff(unit, template, n=0, lineterm="") if line[:3] not in {"---", "+++"}]
    keys = {line[1:].partition("=")[0] for line in changed if line[0] in "+-" and line[1:2] != "#"}
    assert keys == {
        "Description", "PartOf", "Environment", "EnvironmentFile", "ExecStart", "LogExtraFields", "StateDirectory",
        "WantedBy",
    }  # fmt: skip


def test_the_target_starts_and_stops_the_shards() -> None:
    """Every instance belongs to the target, in both directions, and the target starts with the host."""
    template, target = ((UNITS / name).read_text() for name in ("chat-monitor@.service", "chat-monitor.target"))
    assert "PartOf=chat-monitor.target\n" in template
    assert "WantedBy=chat-monitor.target\n" in template
    assert "WantedBy=multi-user.target\n" in target


@pytest.mark.parametrize("name", NAMES)
def test_the_times_fit(name: str) -> None:
    """A stop is given longer than the daemon drains, and the watchdog longer than a minute's third."""
    text = (UNITS / name).read_text()
    seconds = {key: float(value) for key, value in re.findall(r"^(\w+Sec)=([\d.]+)s$", text, re.MULTILINE)}
    assert seconds["TimeoutStopSec"] > DRAIN + 5
    assert seconds["WatchdogSec"] >= 20
    assert "RestartPreventExitStatus=2" in text
