"""A real Prometheus against a real /metrics on loopback, and the queries of a board as Grafana would send them."""

import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

JOB = "chat-monitor"

# What Grafana fills in by itself, for a range of a quarter of an hour that is scraped every second.
BUILT_IN = {"__range": "15m", "__rate_interval": "1m", "__interval": "15s"}

VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::\w+)?\}|\$(?P<bare>\w+)|\[\[(?P<old>\w+)\]\]")


# ---- Prometheus


@dataclass(frozen=True)
class Sample:
    """One series of an answer: its labels and its value."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus, by its address."""

    address: str

    def query(self, expr: str) -> list[Sample]:
        """Return every series of an instant query; ValueError with Prometheus' text if it refuses the expression."""
        answer = self._get("/api/v1/query", query=expr)
        return [Sample(series["metric"], float(series["value"][1])) for series in answer["result"]]

    def range_query(self, expr: str, seconds: int = 60, step: int = 1) -> list[Sample]:
        """Every point of a range query that ends now, as one sample each."""
        now = time.time()
        answer = self._get("/api/v1/query_range", query=expr, start=str(now - seconds), end=str(now), step=str(step))
        return [Sample(series["metric"], float(value)) for series in answer["result"] for _, value in series["values"]]

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing."""
        alerts: list[dict[str, Any]] = self._get("/api/v1/alerts")["alerts"]
        return alerts

    def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - each endpoint answers in a shape of its own
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request("GET", f"{path}?{urlencode(parameters)}")
            body = connection.getresponse().read()
        finally:
            connection.close()
        answer = json.loads(body)
        if answer["status"] != "success":
            raise ValueError(f"{parameters.get('query', path)}: {answer.get('error')}")
        return answer["data"]


@contextmanager
def prometheus(
    metrics: str, directory: Path, *, binary: str = "prometheus", rules: Path | None = None, within: float = 20.0
) -> Iterator[Prometheus]:
    """Run Prometheus on a free port of loopback, scraping `metrics` (HOST:PORT) each second; it has scraped once."""
    config = directory / "prometheus.yml"
    config.write_text(json.dumps(configuration(metrics, rules)))
    address = f"127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            server = Prometheus(address)
            _await_first_scrape(server, process, log, within)
            yield server
        finally:
            process.terminate()


def configuration(metrics: str, rules: Path | None) -> dict[str, Any]:
    """Return Prometheus' config as JSON, which is YAML."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules.resolve())] if rules else [],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [metrics]}]}],
    }


def free_port() -> int:
    """Return a port of loopback on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_first_scrape(server: Prometheus, process: subprocess.Popen[bytes], log: Path, within: float) -> None:
    deadline = time.monotonic() + within
    while not _scraped(server):
        if process.poll() is not None:
            raise RuntimeError(f"prometheus ended with {process.returncode}: {log.read_text()}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"prometheus made no scrape within {within} s: {log.read_text()}")
        time.sleep(0.05)  # another process is waited for: there is nothing to be woken by


def _scraped(server: Prometheus) -> bool:
    try:
        return any(sample.value == 1 for sample in server.query(f'up{{job="{JOB}"}}'))
    except (OSError, http.client.HTTPException, ValueError):
        return False  # not listening yet, or still reading its storage


# ---- boards


@dataclass(frozen=True)
class PanelQuery:
    """One query of one panel, with nothing left to fill in."""

    panel: str
    ref: str
    expr: str
    legend: str

    @property
    def legend_labels(self) -> set[str]:
        """The labels that the legend wants to name."""
        return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", self.legend))


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel of a board but its rows, folded ones among them."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panels(panel | {"panels": panel.get("panels") or []})
        else:
            yield panel


def queries(board: Mapping[str, Any], **values: str) -> Iterator[PanelQuery]:
    """Every query of every panel: built-in variables as for a short range, others at their defaults or as given."""
    filled = BUILT_IN | defaults(board) | values
    for panel in panels(board):
        for target in panel["targets"]:
            expr = substituted(target["expr"], filled)
            yield PanelQuery(panel["title"], target["refId"], expr, target.get("legendFormat", ""))


def defaults(board: Mapping[str, Any]) -> dict[str, str]:
    """Return the default values of the board's variables; one of many values for each without a default."""
    return {
        variable["name"]: standing(variable)
        for variable in board["templating"]["list"]
        if variable["type"] in {"custom", "query"}
    }


def standing(variable: Mapping[str, Any]) -> str:
    """Return the default value of a variable: all, its first choice, or any value that Grafana finds."""
    value: str = variable.get("current", {}).get("value", ".+")
    return variable["allValue"] if value == "$__all" else value


def substituted(expr: str, values: Mapping[str, str]) -> str:
    """An expression with its variables filled in; KeyError for one that has no value."""
    return VARIABLE.sub(lambda match: values[match["braced"] or match["bare"] or match["old"]], expr)
