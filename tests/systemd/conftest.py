"""The container that all of these tests share, with the fault lab in it, and the service as each of them finds it."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.systemd.box import HOME, Box, booted, event, missing

CONFIG = "/etc/chat-monitor/config.toml"
_LEFT = "/run/systemd/system/chat-monitor* /etc/chat-monitor/* /var/lib/private/chat-monitor* /var/lib/chat-monitor*"
LAB = "http://127.0.0.1:9878/openai-chat"
DEFAULTS = """
[defaults]
protocol = "openai-chat"
model = "lab"
interval = "1s"
check = { kind = "count", to = 5 }
timeouts = { connect = "2s", headers = "5s", first_chunk = "5s", idle = "5s", total = "20s", drain = "1s" }
"""


def target(name: str, url: str = f"{LAB}/ok?gap=0&ttfc=0", **more: str) -> str:
    """Return a [[targets]]; `more` is TOML."""
    lines = [f'name = "{name}"', f'url = "{url}"', *(f"{key} = {value}" for key, value in more.items())]
    return "\n".join(["", "[[targets]]", *lines, ""])


@dataclass(frozen=True, slots=True)
class Service:
    """One of the units, in the container; what the journal held before the test began is not looked at."""

    box: Box
    since: str
    unit: str = "chat-monitor.service"

    def configure(self, *targets: str) -> None:
        """Write a config of these targets."""
        self.box.write(CONFIG, DEFAULTS + "".join(targets))

    def drop_in(self, *lines: str) -> None:
        """Write settings of the unit that a test needs to be quick, or to be given something."""
        self.box.write(f"/run/systemd/system/{self.unit}.d/test.conf", "\n".join(["[Service]", *lines, ""]))
        self.box.run("systemctl", "daemon-reload")

    def start(self) -> None:
        """Start it, and come back when it is ready."""
        self.box.run("systemctl", "start", self.unit)

    def signal(self, name: str) -> None:
        """Send its main process a signal."""
        self.box.run("systemctl", "kill", f"--signal={name}", "--kill-who=main", self.unit)

    @property
    def state(self) -> dict[str, str]:
        """The properties of the unit."""
        return self.box.show(self.unit)

    def properties(self, *names: str) -> tuple[str, ...]:
        """Return some of what systemd says of it."""
        state = self.state
        return tuple(state[name] for name in names)

    def journal(self, since: str = "") -> list[str]:
        """Return what the service, and systemd about it, wrote since then, or since the test began."""
        return self.box.journal(self.unit, since or self.since)

    def until(self, text: str, since: str = "") -> str:
        """Wait for a line with this text in it, of the service or of systemd about it."""
        return self.box.until(self.unit, lambda line: text in line, since or self.since)

    def probe(self, since: str = "", **wanted: object) -> dict[str, Any]:
        """Wait for the event of a probe with all of these values."""

        def is_it(line: str) -> bool:
            return bool(event(line)) and wanted.items() <= event(line).items()

        return event(self.box.until(self.unit, is_it, since or self.since))


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Boot the container once for all tests, and run the fault lab in it."""
    if why := missing():
        pytest.skip(why)
    with booted(tmp_path_factory.mktemp("box"), Path(sysconfig.get_path("purelib"))) as box:
        since = box.now()
        box.start_beside("lab", f"{HOME}/bin/chat-monitor", "lab")
        box.until("lab", lambda line: "fault lab on" in line, since)
        yield box


@pytest.fixture
def service(box: Box) -> Iterator[Service]:
    """Yield the service, not yet started; after the test nothing is left of it."""
    yield Service(box, box.now())
    units = ("chat-monitor.service", "chat-monitor@*.service")
    for hurry in (("stop", "--no-block"), ("kill", "--signal=KILL"), ("stop",)):
        box.run("systemctl", *hurry, *units, check=False)
    box.run("systemctl", "reset-failed")
    box.run("sh", "-c", f"rm -rf {_LEFT}")
    box.run("systemctl", "daemon-reload")
