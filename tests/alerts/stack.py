"""Real programs on loopback: monitors, Prometheus, Alertmanager, and the webhook that alerts end up at."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.dashboards.live import free_port


def program(*names: str, package: str) -> str:
    """The path of a program, or the reason and the cure for its absence."""
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"{names[0]} is not installed: apt-get install -y {package}")
    return path


def until(condition: Callable[[], bool], within: float, what: str, every: float = 0.1) -> None:
    """Wait for another program's state, which nothing tells us of, and no longer than `within`."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {within} s")
        time.sleep(every)


def answers(url: str) -> bool:
    """Whether something there answers with success."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - loopback
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def asked(url: str, body: bytes | None = None, within: float = 10) -> Any:  # noqa: ANN401 - JSON of any shape
    """The JSON that something answers with."""
    request = Request(url, data=body)  # noqa: S310 - loopback
    with urlopen(request, timeout=within) as response:  # noqa: S310
        return json.loads(response.read() or b"null")


# ---- monitors


@dataclass
class Monitor:
    """One daemon with its own config, whose process can be ended, frozen and restarted."""

    name: str
    directory: Path
    config: str
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    """Further options of `run`."""
    location: str = ""
    """The label of its series, if it is not empty."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def file(self) -> Path:
        """The path of its config."""
        return self.directory / f"{self.name}.toml"

    @property
    def address(self) -> str:
        """The address of its metrics."""
        return f"127.0.0.1:{self.port}"

    def write(self, config: str) -> None:
        """Write another config, for the next start or reload."""
        self.file.write_text(f'[web]\nlisten = "{self.address}"\n{config}')

    def start(self) -> None:
        """Begin, and be ready."""
        if not self.file.exists():
            self.write(self.config)
        log = self.directory / f"{self.name}.log"
        command = [sys.executable, "-m", "monitor", "run", "--config", str(self.file), *self.options]
        with log.open("ab") as out, (self.directory / f"{self.name}.err").open("ab") as err:
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        until(self._ready, 240, f"monitor {self.name}")

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            error = (self.directory / f"{self.name}.err").read_text()
            raise RuntimeError(f"monitor {self.name} ended with {self.process.returncode}: {error}")
        return answers(f"http://{self.address}/-/ready")

    def room(self, size: int) -> None:
        """Limit the size of its files: with 0 every write fails as on a full disk."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self.process is not None
        return self.process.pid

    def reload(self) -> None:
        """Have it read its config again."""
        os.kill(self.pid, signal.SIGHUP)

    def stop(self) -> None:
        """End it, at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


@contextmanager
def freezing(monitor: Monitor, stop: threading.Event) -> Iterator[None]:
    """Stop a process repeatedly for a moment, as an overloaded machine does, until the context ends."""

    def freeze() -> None:
        while not stop.is_set():
            os.kill(monitor.pid, signal.SIGSTOP)
            stop.wait(0.6)  # the fault itself, no wait for anything
            os.kill(monitor.pid, signal.SIGCONT)
            stop.wait(0.6)

    thread = threading.Thread(target=freeze, name="freezer")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# ---- the webhook


class Webhook:
    """Keeps every alert that Alertmanager sends, by whom it was sent to."""

    def __init__(self) -> None:
        self.received = deque[dict[str, Any]]()
        """Alertmanager's payloads, as they come."""
        self.notifications: list[dict[str, Any]] = []
        """The same, all of them."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            """Takes a payload and says nothing."""

            def do_POST(self) -> None:
                """Keep it."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        return Handler

    def news(self) -> Iterator[dict[str, Any]]:
        """All alerts that were sent since the last time, each with its receiver."""
        while self.received:
            payload = self.received.popleft()
            self.notifications.append(payload)
            yield from ({**alert, "receiver": payload["receiver"]} for alert in payload["alerts"])

    @contextmanager
    def running(self) -> Iterator[Webhook]:
        """Listen."""
        thread = threading.Thread(target=self._server.serve_forever, name="webhook")
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


# ---- Alertmanager and Prometheus


@contextmanager
def alertmanager(config: str, directory: Path) -> Iterator[str]:
    """Run Alertmanager with a config, alone; yield its address."""
    binary = program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")
    file = directory / "alertmanager.yml"
    file.write_text(config)
    address = f"127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={file}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with _running(command, directory / "alertmanager.log"):
        until(lambda: answers(f"http://{address}/-/ready"), 30, "Alertmanager")
        yield address


@contextmanager
def prometheus(config: Mapping[str, Any], directory: Path) -> Iterator[str]:
    """Run Prometheus with a config on existing storage; yield its address."""
    binary = program("prometheus", package="prometheus")
    file = directory / "prometheus.yml"
    file.write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    with _running(command, directory / "prometheus.log"):
        until(lambda: answers(f"http://{address}/-/ready"), 60, "Prometheus")
        yield address


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()


def yesterday(series: Mapping[str, float], directory: Path) -> None:
    """Put values into Prometheus' storage that it recorded at this time yesterday, half an hour around."""
    promtool = program("promtool", package="prometheus")
    middle = int(time.time()) - 86400
    rows = ["# TYPE yesterday gauge"]
    for name, value in series.items():
        rows += [f"{name} {value} {middle + seconds}" for seconds in range(-1800, 1800, 30)]
    text = directory / "yesterday.om"
    text.write_text("\n".join([*rows[1:], "# EOF"]) + "\n")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(directory / "tsdb")]
    subprocess.run(command, check=True, capture_output=True)
