"""Every panel's query of every board, run by a real Prometheus on the demo's own numbers."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboards.live import PanelQuery, Prometheus, free_port, prometheus, queries

BOARDS = sorted((Path(__file__).parents[2] / "dashboards").glob("*.json"))
PATIENCE = 120.0

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[str]:
    """The demo on a free port, by its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "monitor", "demo", "--listen", address]
    with (
        (tmp_path / "demo.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path) as process,
    ):
        try:
            yield address
        finally:
            process.terminate()


@pytest.fixture
def server(demo: str, tmp_path: Path, prometheus_binary: str, rules: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the demo and evaluates the rules."""
    with prometheus(demo, tmp_path, binary=prometheus_binary, rules=rules / "chat-monitor.rules.yml") as running:
        yield running


def test_every_query_of_every_board_returns_finite_data_with_the_labels_its_legend_names(server: Prometheus) -> None:
    """On the demo, which has every common outcome, no panel is empty, broken or NaN, nor has a nameless line."""
    wanted = [query for board in BOARDS for query in queries(json.loads(board.read_text()), window="5m")]
    missing = wait_for_data(server, wanted)
    assert missing == []
    assert [fault for query in wanted for fault in faults(server, query)] == []


def test_the_demo_raises_the_alerts_on_targets(server: Prometheus) -> None:
    """Targets that always fail bring the alerts on being down and on cuts in a row to pending or firing."""
    expected = {"ChatStreamTargetDown", "ChatStreamTruncations"}
    deadline = time.monotonic() + PATIENCE
    while not expected <= (seen := {alert["labels"]["alertname"] for alert in server.alerts()}):
        assert time.monotonic() < deadline, f"only {seen or 'none'} of {expected}"
        time.sleep(0.5)  # what is waited for is another program's next evaluation


def wait_for_data(server: Prometheus, wanted: list[PanelQuery]) -> list[str]:
    """The queries without an answer after all patience: the demo needs a while to probe each target twice."""
    deadline = time.monotonic() + PATIENCE
    while empty := [query for query in wanted if not server.query(query.expr)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)  # what is waited for is another program's next scrape
    return [f"{query.panel} {query.ref}: no data from {query.expr}" for query in empty]


def faults(server: Prometheus, query: PanelQuery) -> list[str]:
    """What is wrong with the answer to one query, at this moment and over the last minute."""
    where = f"{query.panel} {query.ref}"
    samples = server.query(query.expr) + server.range_query(query.expr)
    infinite = [f"{where}: {sample.value} for {sample.labels}" for sample in samples if not math.isfinite(sample.value)]
    unnamed = [
        f"{where}: no {query.legend_labels - set(sample.labels)}"
        for sample in samples
        if query.legend_labels - set(sample.labels)
    ]
    return infinite + unnamed
