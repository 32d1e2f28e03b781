"""A soak of half a minute: the command works, keeps every promise, and writes what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.plan import Act

ROOT = Path(__file__).parents[2]


@pytest.mark.real
@pytest.mark.timeout(240)
def test_a_short_soak(tmp_path: Path) -> None:
    """A soak of thirty targets with every disturbance keeps all promises and writes both reports."""
    command = [sys.executable, "-m", "tests.soak.run", "--minutes", "0.5", "--targets", "30"]
    done = subprocess.run(
        [*command, "--report", str(tmp_path / "soak.md")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "soak.json").read_text())
    assert report["kept"] is True
    assert report["acts"].keys() == {act.value for act in Act}
    assert sum(report["verdicts"].values()) > 50
    assert (tmp_path / "soak.md").read_text() == done.stdout
