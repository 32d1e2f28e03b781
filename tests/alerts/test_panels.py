"""Every query of every panel, and every annotation, in the Prometheus of the fire drill: parses, has data, finite."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.alerts.stack import answers, asked
from tests.alerts.stage import PATIENCE, Stage
from tests.dashboards.live import BUILT_IN, PanelQuery, Prometheus, defaults, panels, queries, substituted
from tests.dashboards.names import metrics_in

BOARDS = {
    path.name: json.loads(path.read_text()) for path in sorted(Path(__file__).parents[2].glob("dashboards/*.json"))
}
TARGETS = {"target": "wire|odd|pausing", "left": "wire", "right": "late"}
"""A board of one target is looked at with one that was cut, one that is odd and one that is skipped."""

pytestmark = [pytest.mark.real, pytest.mark.timeout(PATIENCE + 180)]
every_board = pytest.mark.parametrize("name", BOARDS)


def filled(board: dict[str, Any]) -> Iterator[PanelQuery]:
    """The queries of a board as Grafana sends them; an overview looks at all targets, another at one or two."""
    chosen = {} if board["uid"] == "chat-monitor-overview" else TARGETS
    return queries(board, **chosen, window="5m")


@every_board
def test_every_query_returns_finite_data_with_the_labels_its_legend_names(drill: Stage, name: str) -> None:
    """After the drill no panel is broken, is NaN, or has a series without a name; only unexported metrics are empty."""
    board, server = BOARDS[name], Prometheus(drill.prometheus)
    says_so = {panel["title"]: panel["fieldConfig"]["defaults"].get("noValue") for panel in panels(board)}
    for query in filled(board):
        where = f"{query.panel} {query.ref}: {query.expr}"
        samples = server.query(query.expr) + server.range_query(query.expr, seconds=900, step=15)
        assert samples or says_so[query.panel] or unknown(server, query.expr), where
        assert [sample for sample in samples if not math.isfinite(sample.value)] == [], where
        assert [sample for sample in samples if query.legend_labels - set(sample.labels)] == [], where


def unknown(server: Prometheus, expr: str) -> bool:
    """Whether a metric of the expression is one that no monitor exports now: such a panel is empty with good reason."""
    return any(not server.query(metric) for metric in metrics_in(expr))


@every_board
def test_every_annotation_and_every_variable_finds_something(drill: Stage, name: str) -> None:
    """Alerts and reloads of the last quarter of an hour are marked, and each list of a variable has entries."""
    server = Prometheus(drill.prometheus)
    for annotation in BOARDS[name]["annotations"]["list"]:
        expr = substituted(annotation["expr"], defaults(BOARDS[name]) | TARGETS)
        assert server.range_query(expr, seconds=900, step=15), annotation["name"]
    for variable in BOARDS[name]["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = variable["query"].removeprefix("label_values(").removesuffix(")").split(", ")
            values = asked(f"http://{drill.prometheus}/api/v1/label/{label}/values?match[]={quote(metric)}")
            assert values["data"], variable["name"]


def test_an_exemplar_leads_to_the_page_of_its_probe(drill: Stage) -> None:
    """The exemplars in Prometheus have the ids of probes, and the monitor has a page for each."""
    board = BOARDS["target.json"]
    [query] = [
        substituted(target["expr"], BUILT_IN | defaults(board) | {"target": "well"})
        for panel in panels(board)
        for target in panel["targets"]
        if target.get("exemplar")
    ]
    found = asked(f"http://{drill.prometheus}/api/v1/query_exemplars?query={quote(query)}&start=0&end=4102444800")[
        "data"
    ]
    ids = {
        exemplar["labels"]["probe_id"]: series["seriesLabels"]["instance"]
        for series in found
        for exemplar in series["exemplars"][-1:]
    }
    assert ids
    assert any(answers(f"http://{instance}/probes/{probe}") for probe, instance in ids.items())
