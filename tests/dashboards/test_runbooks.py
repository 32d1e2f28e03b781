"""The runbooks, read by a machine: their queries, boards and panels exist; tests/test_docs.py has their commands."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.dashboards.live import panels
from tests.dashboards.names import METRICS, metrics_in

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs" / "runbooks").glob("*.md")),
    ROOT / "docs" / "alerting.md",
    ROOT / "docs" / "operations.md",
]
BOARDS = [json.loads(file.read_text()) for file in sorted((ROOT / "dashboards").glob("*.json"))]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def queries(text: str) -> list[str]:
    """Every query that a page shows."""
    return re.findall(r"^```promql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@every_page
def test_every_query_that_a_page_shows_parses_and_asks_for_what_exists(
    page: Path, promtool: str, tmp_path: Path
) -> None:
    """Each query parses, with NAME in place of a target's name."""
    rules = (ROOT / "dashboards" / "rules" / "chat-monitor.rules.yml").read_text()
    recorded = set(re.findall(r"record: (\S+)", rules))
    shown = queries(page.read_text())
    for query in shown:
        assert metrics_in(query) <= METRICS | recorded, query
    file = tmp_path / "queries.yml"
    group = {"name": "shown", "rules": [{"record": f"shown:{n}", "expr": query} for n, query in enumerate(shown)]}
    file.write_text(json.dumps({"groups": [group]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@every_page
def test_every_board_and_panel_that_a_page_names_is_shipped(page: Path) -> None:
    """Each board and panel that a runbook names is shipped under that name."""
    boards = {board["title"] for board in BOARDS}
    titles = {panel["title"] for board in BOARDS for panel in panels(board)}
    rows = {panel["title"] for board in BOARDS for panel in board["panels"] if panel["type"] == "row"}
    text = " ".join(page.read_text().split())
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", text))
    assert named <= boards | titles | rows, named - boards - titles - rows
