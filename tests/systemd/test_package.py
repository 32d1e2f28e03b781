"""The Debian package in a booted system: installed, upgraded, removed, purged."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.box import HOME, Box, booted, missing
from tests.systemd.conftest import CONFIG, DEFAULTS, target

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.xdist_group("package")]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The package of this checkout, and one that is newer."""
    if why := missing():
        pytest.skip(why)
    into = tmp_path_factory.mktemp("deb")
    subprocess.run([sys.executable, "-m", "tools.deb", "--into", into], cwd=ROOT, check=True, capture_output=True)
    [package] = into.glob("*.deb")
    tree, newer = into / "tree", into / "newer.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("Version: 0.1.0", "Version: 0.1.0+1"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, newer], check=True)
    return [package, newer]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A booted system without the product."""
    with booted(tmp_path_factory.mktemp("machine"), Path(sysconfig.get_path("purelib"))) as box:
        box.run("sh", "-c", f"rm -rf {HOME} /etc/systemd/system/chat-monitor* /usr/lib/systemd/system/chat-monitor*")
        yield box


def installed(box: Box, package: Path) -> str:
    """Copy a package into the system and install it, as `apt install ./FILE` does after its dependencies."""
    box.path("/root").joinpath(package.name).write_bytes(package.read_bytes())
    return box.run("dpkg", "--install", f"/root/{package.name}")


def test_it_is_installed_upgraded_removed_and_purged(machine: Box, packages: list[Path]) -> None:
    """A changed config and the service survive an upgrade, a removal keeps config and state, a purge keeps nothing."""
    installed(machine, packages[0])
    assert machine.run("chat-monitor", "--version").startswith("chat-monitor, version 0.1.0")
    assert "ok, 1 target" in machine.run("chat-monitor", "check", "--config", CONFIG)
    assert machine.status("test", "-s", "/usr/share/man/man1/chat-monitor-probe.1.gz") == 0
    machine.write(CONFIG, DEFAULTS + target("nobody", "http://127.0.0.1:9/v1/chat/completions"))
    machine.run("systemctl", "enable", "--now", "chat-monitor")
    first = machine.show("chat-monitor")["MainPID"]

    output = installed(machine, packages[1])
    assert "config.toml" not in output, "dpkg asks nothing about a config that the package did not change"
    assert "nobody" in machine.path(CONFIG).read_text()
    state = machine.show("chat-monitor")
    assert (state["ActiveState"], state["MainPID"] != first) == ("active", True)

    machine.run("dpkg", "--remove", "chat-monitor")
    assert machine.show("chat-monitor")["ActiveState"] == "inactive"
    assert machine.status("test", "-e", HOME) != 0
    assert machine.path(CONFIG).exists()
    machine.run("dpkg", "--purge", "chat-monitor")
    left = "/etc/chat-monitor /var/lib/chat-monitor /var/lib/private/chat-monitor /usr/bin/chat-monitor"
    assert machine.run("sh", "-c", f"ls -d {left} 2>/dev/null || true") == ""
