"""Monitors in two locations that share discovered targets, a lab, Prometheus and VictoriaMetrics, all on loopback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from monitor.cli.assets import ExportRequest, export
from monitor.target import Target
from tests.alerts.stack import Monitor, answers, asked, program, prometheus, until
from tests.dashboards.live import free_port

PLACES = ("eu", "us")
INTERVAL = 60.0
"""Seconds between the probes of one monitor of a target."""
WINDOW = 4.0
"""Seconds of the interval to which the rules are fitted: 5m of the rules are 20 s."""

CONFIG = """\
[monitor]
location = "{place}"
locations = {places}
[metrics]
detail = "lean"
[limits]
concurrency = 200
per_host = 200
[defaults]
protocol = "openai-chat"
model = "lab"
replicas = {replicas}
interval = "{interval:.0f}s"
check = "none"
timeouts = {{ total = "9s", first_chunk = "5s", headers = "5s", idle = "5s" }}
[[discovery]]
name = "fleet"
http_sd = ["http://127.0.0.1:{inventory}/"]
"""


def inventory_of(count: int, lab: int) -> str:
    """Return the targets as an inventory lists them: of the streams of each, one in four is cut."""
    url = f"http://127.0.0.1:{lab}/openai-chat/mix?of=ok:n=6:gap=0:ttfc=400ms,ok:n=6:gap=0:ttfc=400ms,ok:n=6:gap=0:ttfc=400ms,cut:after=3:gap=0:ttfc=400ms"
    return json.dumps([{"targets": [url], "labels": {"__name__": f"t{number:03}"}} for number in range(count)])


@contextmanager
def serving(text: str) -> Iterator[int]:
    """Serve a text on loopback as JSON; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        """Answers every request with the inventory."""

        def do_GET(self) -> None:
            """Send it."""
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="inventory")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def lab() -> Iterator[int]:
    """Run the fault lab as a process; yield its port."""
    command = [sys.executable, "-m", "monitor", "lab", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            assert found, line
            yield int(found[1])
        finally:
            process.kill()


@contextmanager
def victoria(directory: Path) -> Iterator[str]:
    """Run VictoriaMetrics; yield its address."""
    binary = program("victoria-metrics", package="victoria-metrics")
    address = f"127.0.0.1:{free_port()}"
    command = [binary, f"-httpListenAddr={address}", f"-storageDataPath={directory / 'vm'}"]
    with (directory / "vm.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: answers(f"http://{address}/health"), 120, "VictoriaMetrics")
            yield address
        finally:
            process.terminate()


def query(address: str, expr: str) -> list[tuple[dict[str, str], float]]:
    """Return labels and value of each series of an instant query; nothing if there is no answer in time."""
    try:
        answer: Any = asked(f"http://{address}/api/v1/query?{urlencode({'query': expr})}", within=150)
    except OSError:  # a busy machine: whoever waits for a state asks again
        return []
    return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]


def alerts(address: str) -> set[str]:
    """Return the names of the alerts that fire."""
    return {labels["alertname"] for labels, _ in query(address, 'ALERTS{alertstate="firing"}')}


@dataclass
class Fleet:
    """The shards of every location, and the one daemon that has all targets for itself."""

    directory: Path
    config: Mapping[str, str]
    monitors: dict[str, Monitor] = field(default_factory=dict)
    prometheus: str = ""
    store: str = ""

    @property
    def discovered(self) -> Path:
        """The file in which Prometheus finds the shards."""
        return self.directory / "shards.json"

    def start(self, place: str, number: int, count: int) -> None:
        """Start a shard, under a name that it keeps when their number changes."""
        name = f"{place}-{number}"
        if name not in self.monitors:
            self.monitors[name] = Monitor(name, self.directory, self.config[place], location=place)
        self.monitors[name].options = ("--shard", f"{number}/{count}")
        self.monitors[name].start()

    def stop(self) -> None:
        """End every shard, at once."""
        for one in self.monitors.values():
            one.stop()

    def announce(self, *without: str) -> None:
        """Let Prometheus discover all shards but some."""
        found = [
            {"targets": [one.address], "labels": {"location": one.location}}
            for name, one in self.monitors.items()
            if name not in without
        ]
        new = self.discovered.with_suffix(".new")
        new.write_text(json.dumps(found))
        new.replace(self.discovered)

    def probes(self, place: str) -> dict[str, list[float]]:
        """Return when each target was probed from a location, in Unix seconds, by the monitors' own events."""
        times = defaultdict(list)
        for one in self.monitors.values():
            if one.location == place:
                for line in (self.directory / f"{one.name}.log").read_text().splitlines():
                    event = json.loads(line) if line.endswith("}") else {}
                    if event.get("event") == "probe":
                        times[event["target"]].append(datetime.fromisoformat(event["timestamp"]).timestamp())
        return {target: sorted(several) for target, several in times.items()}


@contextmanager
def fleet(directory: Path, targets: int, shards: int) -> Iterator[Fleet]:
    """Start all of it: `shards` in each location, the daemon alone, Prometheus that discovers them and writes on."""
    with ExitStack() as stack:
        port = stack.enter_context(serving(inventory_of(targets, stack.enter_context(lab()))))
        config = {
            place: CONFIG.format(place=place, places=list(PLACES), replicas=2, interval=INTERVAL, inventory=port)
            for place in PLACES
        }
        config["alone"] = CONFIG.format(
            place="alone", places=["alone"], replicas=1, interval=INTERVAL / 4, inventory=port
        )
        found = Fleet(directory, config)
        stack.callback(found.stop)
        wanted = [(place, number, shards) for place in PLACES for number in range(1, shards + 1)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda one: found.start(*one), [*wanted, ("alone", 1, 1)]))
        found.announce()
        found.store = stack.enter_context(victoria(directory))
        [rules] = export(
            "rules", directory / "rules", ExportRequest([Target("t", "raw", "http://127.0.0.1/", interval=WINDOW)])
        )
        found.prometheus = stack.enter_context(
            prometheus(
                {
                    "global": {"scrape_interval": "10s", "scrape_timeout": "10s", "evaluation_interval": "15s"},
                    "rule_files": [str(rules)],
                    "remote_write": [{"url": f"http://{found.store}/api/v1/write"}],
                    "scrape_configs": [
                        {
                            "job_name": "chat-monitor",
                            "file_sd_configs": [{"files": [str(found.discovered)], "refresh_interval": "5s"}],
                        }
                    ],
                },
                directory,
            )
        )
        yield found
