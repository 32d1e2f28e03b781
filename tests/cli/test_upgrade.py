"""From the former version to this one and back, with its config, history, budget, boards and rules, as a user does it.

`former/` was written by the former version: a config with every key, a history, and the metrics that its rules and
boards read. The former version itself is taken from the repository, if its history is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.config import load
from monitor.lab.server import Lab
from monitor.sinks.history_store import VERSION
from tests.cli.commands import Cli, ended, logged, started
from tests.conftest import WITHIN
from tests.daemons import QUICK_CUT, QUICK_OK, ConfigFile, running, watched
from tests.dashboards.names import METRICS

FORMER = Path(__file__).parent / "former"
COMMIT = "332907e89c72d3f4b6ff7faac6982625471fba96"
"""The last one whose history has the first version of the tables."""
ROOT = Path(__file__).parents[2]
HISTORY = '[history]\npath = "history.db"\nmax_age = "3650d"\n'
ID = re.compile(r"VALUES\(\d+,'(\w{26})','(\w+)'")
KEPT = {target: probe_id for probe_id, target in ID.findall((FORMER / "history.sql").read_text())}
"""The last probe of each target in the former history."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a state directory as the former version left it: what `gateway` may spend today is spent."""
    directory = tmp_path / "state"
    directory.mkdir()
    with closing(sqlite3.connect(directory / "history.db")) as connection:
        connection.executescript((FORMER / "history.sql").read_text())
    today = datetime.now(UTC).date().isoformat()
    (directory / "budget.json").write_text(json.dumps({"day": today, "spent": {"gateway": 155}}))
    monkeypatch.setenv("STATE_DIRECTORY", str(directory))
    return directory


def versions(state: Path) -> tuple[int, int]:
    """Return the version of the history's tables, and how many probes are in them."""
    with closing(sqlite3.connect(state / "history.db")) as connection:
        [(version,), (count,)] = (
            connection.execute(question).fetchone()
            for question in ("PRAGMA user_version", "SELECT count(*) FROM probes")
        )
    return version, count


def targets(base: str) -> tuple[str, str]:
    """Return the tables of the targets."""
    return (
        watched("gateway", base + QUICK_OK, 'check = "none"', "tokens_per_day = 100"),
        watched("behind", base + QUICK_CUT),
    )


def test_every_key_of_the_former_version_is_known(tmp_path: Path) -> None:
    """A config with each of its keys loads, without a word about deprecated ones."""
    for name in ("gateway.token", "gateway.key"):
        (tmp_path / name).write_text("secret")
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).write_text("-----BEGIN X-----")
    file = tmp_path / "config.toml"
    file.write_text((FORMER / "every-key.toml").read_text())
    config = load(file, {"GATEWAY_KEY": "k"})
    assert not [one for one in config.warnings if "deprecated" in str(one)]


def test_the_former_rules_and_boards_find_their_metrics() -> None:
    """Each metric of the previous rules and boards is still exported."""
    assert set((FORMER / "metrics.txt").read_text().split()) <= METRICS


@pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")
async def test_the_state_is_taken_over(lab: Lab, tmp_path: Path, state: Path) -> None:
    """The history is migrated, its probes and states are shown and counted, and what was spent today stays spent."""
    file = ConfigFile(tmp_path / "config.toml")
    file.write(*targets(lab.url), rest=HISTORY)
    async with running(config=await file.first()) as daemon:
        assert (await daemon.line(event="probe"))["target"] == "behind"
        await daemon.until('chat_stream_probes_total{outcome="truncated",target="behind"}', 1)
        assert await daemon.metric('chat_stream_consecutive_failures{target="behind"}') == 2
        assert await daemon.metric('chat_stream_up{target="behind"}') == 0
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="budget",target="gateway"}') == 1
        for probe_id in KEPT.values():
            assert (await daemon.get(f"/api/v1/probes/{probe_id}"))[0] == 200
        _, page = await daemon.get("/targets/behind?from=2026-11-29&to=2026-12-01")
        assert KEPT["behind"] in page
    assert await asyncio.to_thread(versions, state) == (VERSION, 5)


# -- and back ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tree of the former version."""
    tree = tmp_path_factory.mktemp("former")
    archive = subprocess.run(["git", "archive", COMMIT, "monitor"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip("the repository's history is not here")
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    return tree


@contextmanager
def of_former(tree: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a command of the former version."""
    environ = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "monitor", *map(str, arguments)]
    with subprocess.Popen(command, cwd=tree, env=environ, text=True, stdout=-1, stderr=-1) as process:
        yield process
        process.kill()


@pytest.mark.real
def test_there_and_back(cli: Cli, config: Path, state: Path, former: Path) -> None:
    """The former version runs on this one's state, without the history, which it leaves alone; then this one goes on.

    Its own check accepts a config without new keys, and names a new key.
    """
    text = config.read_text() + HISTORY
    config.write_text(text)
    with started("run", "--config", config) as process:
        logged(process, event="probe", target="good")
        process.terminate()
        assert ended(process).status == 0
    before = versions(state)
    assert before[0] == VERSION
    with of_former(former, "check", "--config", config) as process:
        assert process.wait(WITHIN) == 0
    with of_former(former, "run", "--config", config) as process:
        assert "was written by a newer chat-monitor" in logged(process, event="the history cannot be written")["why"]
        process.terminate()
        assert process.wait(WITHIN) == 0
    assert versions(state) == before
    config.write_text(text + '[network]\nno_proxy = ["a.test"]\n')
    with of_former(former, "check", "--config", config) as process:
        assert "network.no_proxy: unknown key" in process.communicate(timeout=WITHIN)[1]
    config.write_text(text)
    assert cli("history", "gateway", "--db", state / "history.db").status == 0
    with started("run", "--config", config) as process:
        logged(process, event="probe", target="good")
        process.terminate()
        assert ended(process).status == 0
    assert versions(state) > before
