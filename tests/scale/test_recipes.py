"""The recipes of docs/scaling.md as they are printed there: remote write, agent mode and federation, on loopback."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.stack import Monitor, answers, program, prometheus, until
from tests.dashboards.live import free_port
from tests.scale.fleet import lab, query, victoria

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
CONFIG = """\
[[targets]]
name = "t"
protocol = "openai-chat"
url = "http://127.0.0.1:{lab}/openai-chat/ok?n=4&gap=0"
interval = "5s"
check = "none"
timeouts = {{ total = "5s", first_chunk = "5s", headers = "5s", idle = "5s" }}
"""
FOUND = 'chat_stream_probes_total{target="t",outcome="ok"} > 0'

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def recipe(name: str, **addresses: str) -> Any:  # noqa: ANN401 - YAML of any shape
    """Return the block of YAML that begins with a comment of that name, with other addresses."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    [text] = [block for block in blocks if block.startswith(f"# {name}\n")]
    for shown, real in addresses.items():
        example = {"monitor": "127.0.0.1:9877", "store": "victoria:8428", "below": "prometheus:9090"}[shown]
        assert example in text
        text = text.replace(example, real)
    return yaml.safe_load(text)


@contextmanager
def agent(config: Any, directory: Path) -> Iterator[str]:  # noqa: ANN401 - a config of Prometheus
    """Run Prometheus as an agent, which stores nothing that can be asked for; yield its address."""
    file, address = directory / "agent.yml", f"127.0.0.1:{free_port()}"
    file.write_text(yaml.safe_dump(config))
    command = [
        program("prometheus", package="prometheus"), "--enable-feature=agent", f"--config.file={file}",
        f"--storage.agent.path={directory / 'agent'}", f"--web.listen-address={address}",
    ]  # fmt: skip
    with (directory / "agent.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: answers(f"http://{address}/-/ready"), 120, "agent")
            yield address
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    """A daemon that probes one target of the lab."""
    with ExitStack() as stack:
        port = stack.enter_context(lab())
        one = Monitor("one", tmp_path_factory.mktemp("monitor"), CONFIG.format(lab=port))
        stack.callback(one.stop)
        one.start()
        yield one


@pytest.mark.parametrize("mode", ["remote write", "agent mode"])
def test_what_is_scraped_is_written_to_victoriametrics(monitor: Monitor, tmp_path: Path, mode: str) -> None:
    """A Prometheus with storage, and an agent without, write all scraped series to VictoriaMetrics."""
    with victoria(tmp_path) as store:
        config = recipe(mode, monitor=monitor.address, store=store)
        with (agent if mode == "agent mode" else prometheus)(config, tmp_path):
            until(lambda: bool(query(store, FOUND)), 240, "series in VictoriaMetrics")
            [(labels, _)] = query(store, FOUND)
            assert (labels["job"], labels["location"]) == ("chat-monitor", "eu-1")


def test_a_prometheus_above_takes_the_recordings_of_those_below(monitor: Monitor, tmp_path: Path) -> None:
    """A federating Prometheus has the recordings and alerts of each location with its label, and no raw series."""
    below, above = tmp_path / "below", tmp_path / "above"
    for place in (below, above):
        place.mkdir()
    rules = PAGE.parents[1] / "dashboards" / "rules" / "chat-monitor.rules.yml"
    scraping = recipe("remote write", monitor=monitor.address, store="127.0.0.1:1")
    del scraping["remote_write"]
    with prometheus({**scraping, "rule_files": [str(rules)]}, below) as lower:
        config = recipe("federation", below=lower)
        with prometheus(config, above) as upper:
            until(lambda: bool(query(upper, "target:chat_stream_up:min")), 300, "recordings above")
            [(labels, value)] = query(upper, "target:chat_stream_up:min")
            assert (labels["target"], labels["location"], value) == ("t", "eu-1", 1.0)
            assert not query(upper, "chat_stream_probes_total")
