"""docs/alerting.md, as it stands: from a clone and nothing installed to a firing alert in Alertmanager, and back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alerts.stack import program

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "alerting.md"
PORTS = (9877, 9878, 9190, 9193)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".real", ".cache", ".*_cache", "__pycache__", "build", "dist", "try")

pytestmark = [pytest.mark.real, pytest.mark.timeout(660)]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Yield a copy of the checkout without its environment, on a machine with free ports."""
    for name in ("prometheus", "promtool"):
        program(name, package="prometheus")
    for name in ("prometheus-alertmanager", "amtool"):
        program(name, package="prometheus-alertmanager")
    for port in PORTS:
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"the page uses port {port}, and something listens there")
    place = tmp_path / "clone"
    shutil.copytree(ROOT, place, ignore=LEFT_OUT, symlinks=True)
    return place


def commands() -> str:
    """All that the page says to type."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def outside() -> dict[str, str]:
    """The environment without the one that these tests run in: what is installed there is not to be found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "COV"))}
    ours = str(Path(sys.prefix) / "bin")
    return kept | {"PATH": ":".join(part for part in kept["PATH"].split(":") if part != ours)}


def typed(script: str, place: Path) -> tuple[int, str]:
    """Have a shell run it there, and end whatever it leaves running, should it stop half-way."""
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=place,
        env=outside(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            output, _ = shell.communicate(timeout=600)
            return shell.returncode, output
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)


def test_the_pages_commands_lead_to_a_firing_alert_and_back(clone: Path) -> None:
    """The commands of the page and nothing else, under ten minutes: installed, fired, resolved, ended."""
    status, output = typed(commands(), clone)
    logs = "\n".join(f"{log.name}: {log.read_text()[-600:]}" for log in sorted((clone / "try").glob("*.log")))
    assert status == 0, output + logs
    first = next(line for line in output.splitlines() if "ChatStreamTruncations" in line)
    assert 'target="first"' in first
    assert "warning: " not in output
    assert 'team="search"' in first
    assert "mostly with truncated/incomplete_body" in first
