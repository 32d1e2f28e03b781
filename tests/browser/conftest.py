"""A real browser, and a real daemon with a history that probes every fault of the lab."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from monitor.lab.scenarios import FAULTS
from tests.cli.commands import COMMAND

PATIENCE = 240.0
"""Seconds after which what a test waits for will never come."""
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
WIDTHS = (1280, 390)
CONFIG = """
[web]
listen = "127.0.0.1:{port}"
[history]
path = "history.db"
[limits]
per_host = 50
[defaults]
protocol = "openai-chat"
model = "lab"
interval = "20s"
record = "tail"
check = {{kind = "count", to = 20}}
timeouts = {{connect = "2s", headers = "3s", first_chunk = "3s", idle = "2s", total = "8s", drain = "500ms"}}
"""
TARGET = """
[[targets]]
name = {name}
url = "{url}"
labels = {{team = {kind}}}
"""
_CHROMIUM = shutil.which("chromium")


@dataclass
class Watched:
    """A daemon that is killed and started again, on one port, and the pages of it that a browser looks at."""

    directory: Path
    process: subprocess.Popen[str]
    base: str
    complaints: list[str] = field(default_factory=list)
    """Messages of the console, and requests to other hosts."""

    def api(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return a resource of the API."""
        with urlopen(f"{self.base}api/v1/{path}", timeout=PATIENCE) as answer:  # noqa: S310 - our own address
            return json.load(answer)

    def until_all_are_probed(self, times: int = 1) -> list[dict[str, Any]]:
        """Return all targets once each has been probed so often by schedule since the start."""
        deadline = time.monotonic() + PATIENCE
        while True:
            targets: list[dict[str, Any]] = self.api("targets")["targets"]
            if all(it["probes"] >= times for it in targets):
                return targets
            assert time.monotonic() < deadline, "some target was never probed"
            select.select([], [], [], 0.2)

    def restart(self) -> None:
        """Kill the daemon, and start it again at the same address."""
        self.process.kill()
        self.process.wait()
        self.process = _run(self.directory)
        _address(self.directory, self.process)


def _run(directory: Path) -> subprocess.Popen[str]:
    """Start the daemon; what it writes goes into files."""
    with (directory / "events").open("w") as events, (directory / "log").open("a") as log:
        command = [*COMMAND, "run", "--config", str(directory / "config.toml")]
        return subprocess.Popen(command, stdout=events, stderr=log, text=True, cwd=directory)


def _address(directory: Path, process: subprocess.Popen[str]) -> str:
    """Return the address of a daemon once it is ready."""
    while process.poll() is None:
        for line in (directory / "events").read_text().splitlines(keepends=True):
            if line.endswith("\n") and (event := json.loads(line))["event"] == "started":
                return str(event["address"])
        select.select([], [], [], 0.05)
    raise AssertionError(f"it ended before it was ready: {(directory / 'log').read_text()[-300:]}")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Yield a daemon that watches every fault of the lab, with a label that is markup."""
    directory = tmp_path_factory.mktemp("browser")
    command = [*COMMAND, "lab", "--listen", "127.0.0.1:0"]
    lab = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert lab.stderr is not None
    url = next(word for line in lab.stderr for word in line.split() if word.startswith("http://"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    targets = [(name, name) for name in FAULTS] + [("hostile", "cut")]
    config = [CONFIG.format(port=port)]
    config += [
        TARGET.format(name=json.dumps(name), url=f"{url}openai-chat/{fault}", kind=json.dumps(HOSTILE))
        for name, fault in targets
    ]
    (directory / "config.toml").write_text("\n".join(config))
    process = _run(directory)
    watched = Watched(directory, process, f"http://{_address(directory, process)}/")
    yield watched
    for one in (watched.process, lab):
        one.kill()
        one.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield Debian's Chromium."""
    if _CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=arguments)
        yield browser
        browser.close()


def _elsewhere(url: str, base: str) -> list[str]:
    return [] if url.startswith((base, "data:")) else [f"a request to {url}"]


@pytest.fixture(params=WIDTHS)
def page(browser: Browser, daemon: Watched, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Yield a page of a wide and of a narrow window; what it complains about fails the test."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=daemon.base)
    page = context.new_page()
    daemon.complaints = []
    page.on(
        "console",
        lambda message: daemon.complaints.append(message.text) if message.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: daemon.complaints.append(str(error)))
    page.on("request", lambda asked: daemon.complaints.extend(_elsewhere(asked.url, daemon.base)))
    page.on("dialog", lambda dialog: daemon.complaints.append(f"a dialog: {dialog.message}"))
    yield page
    context.close()
    assert daemon.complaints == []
