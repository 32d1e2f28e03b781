"""The files of deploy/: valid by Compose's specification and by the programs that read them; none was run by Docker."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from monitor.cli.assets import ExportRequest, export
from monitor.config import load
from tests.alerts.stack import program
from tests.kubernetes.test_manifests import tools

__all__ = ["tools"]

DEPLOY = Path(__file__).parents[2] / "deploy"
PARSE = "import compose_spec, sys; compose_spec.PyCompose.from_yaml(sys.stdin.read()).validate()"

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def parsed(tools: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Let Compose's specification read a file."""
    return subprocess.run([tools / "python", "-c", PARSE], input=text, capture_output=True, text=True, check=False)


def test_the_compose_file_is_valid(tools: Path) -> None:
    """Every key is one of the specification, and of its type; what is misspelt is refused."""
    text = (DEPLOY / "compose.yaml").read_text()
    done = parsed(tools, text)
    assert done.returncode == 0, done.stderr
    assert parsed(tools, text.replace("read_only:", "readonly:", 1)).returncode != 0


def test_every_file_that_is_mounted_is_there_or_is_exported(tmp_path: Path) -> None:
    """What the two commands of its caption write is all that is missing."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    config = load(DEPLOY / "monitor.toml", {})
    request = ExportRequest(config.targets, config.settings, DEPLOY / "monitor.toml")
    written = {file.name for what in ("rules", "dashboards") for file in export(what, tmp_path, request)}
    mounted = [volume.split(":")[0] for one in services.values() for volume in one.get("volumes", ())]
    ours = [one for one in mounted if one.startswith(".")]
    assert ours
    for place in ours:
        assert (DEPLOY / place).exists() or place == "./generated" or Path(place).name in written, place


def test_prometheus_and_alertmanager_accept_their_files(tmp_path: Path) -> None:
    """With the rules beside them, as they are mounted."""
    export("rules", tmp_path, ExportRequest())
    (tmp_path / "prometheus.yml").write_text((DEPLOY / "prometheus.yml").read_text())
    for command in (
        [program("promtool", package="prometheus"), "check", "config", str(tmp_path / "prometheus.yml")],
        [
            program("amtool", package="prometheus-alertmanager"),
            "check-config",
            str(DEPLOY / "../dashboards/alertmanager.yml"),
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
