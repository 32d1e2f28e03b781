"""The boards: they agree with their code, explain themselves, and ask only for what exists."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from monitor.sinks.metrics.families import FAMILIES
from tests.dashboards.live import panels, queries, substituted
from tests.dashboards.names import METRICS, metrics_in

HERE = Path(__file__).parents[2] / "dashboards"
BOARDS = {path.name: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())


def test_the_boards_agree_with_the_code_that_builds_them() -> None:
    """The committed boards are those that tools/boards writes."""
    command = [sys.executable, "-m", "tools.boards.build", "--check"]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@every_board
def test_a_board_can_be_imported_anywhere_and_found_again(board: dict[str, Any]) -> None:
    """A board has the classic schema in version 41, a fixed uid, no id, and its tag."""
    assert board["schemaVersion"] == 41
    assert re.fullmatch(r"chat-monitor-[a-z-]{3,27}", board["uid"])
    assert board.get("id") is None
    assert "chat-monitor" in board["tags"]


def test_no_two_boards_share_a_uid() -> None:
    """A second board with a known uid would overwrite the first."""
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)


@every_board
def test_every_panel_has_a_short_title_and_asks_its_question_in_the_description(board: dict[str, Any]) -> None:
    """A noun that its panel has room for; the description, a unit and an id of its own."""
    for panel in panels(board):
        assert not panel["title"].endswith("?")
        assert re.match(r"[A-Z][^.?]+\?(?: |$)", panel["description"]), panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)


@every_board
def test_every_title_fits_its_panel(board: dict[str, Any]) -> None:
    """At 1280 pixels every title fits: a column of the grid has 51 of them, a letter about 8."""
    too_long = [one["title"] for one in panels(board) if 8 * len(one["title"]) > 51 * one["gridPos"]["w"] - 32]
    assert too_long == []


@every_board
def test_no_panel_overlaps_another_or_leaves_the_grid(board: dict[str, Any]) -> None:
    """Panels keep to 24 columns and to themselves."""
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


@every_board
def test_every_data_source_is_the_variable(board: dict[str, Any]) -> None:
    """A board works with any Prometheus: no panel, query, variable or annotation names one."""
    sources = [variable for variable in board["templating"]["list"] if variable["type"] == "datasource"]
    assert [variable["name"] for variable in sources] == ["datasource"]
    for source in found(board, "datasource"):
        assert source == {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(board):
        assert all("datasource" in part for part in (panel, *panel["targets"]))


@every_board
def test_every_variable_explains_itself(board: dict[str, Any]) -> None:
    """Each variable has a label and a description."""
    assert all(variable["label"] and variable["description"] for variable in board["templating"]["list"])


@every_board
def test_every_query_asks_for_metrics_that_exist(board: dict[str, Any]) -> None:
    """Every metric of every panel, variable and annotation is one of the contract's."""
    for query in queries(board):
        assert metrics_in(query.expr) <= METRICS, query
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert metrics_in(variable["query"]) - {"target", "instance"} <= METRICS
    for annotation in board["annotations"]["list"]:
        assert metrics_in(annotation["expr"]) <= METRICS | {"ALERTS"}, annotation


@every_board
def test_every_query_keeps_to_what_is_chosen(board: dict[str, Any]) -> None:
    """Each metric is read with a variable of the board that chooses targets or monitors, and each of these is used."""
    chosen = {variable["name"] for variable in board["templating"]["list"] if variable["type"] == "query"}
    matcher = re.compile(rf'(target|instance)=~"\$({"|".join(chosen)})"')
    used = set()
    for panel in panels(board):
        for target in panel["targets"]:
            for labels in re.findall(r"\b(?:chat_stream|chat_monitor|process)_\w+(\{[^}]*\})?", target["expr"]):
                found = matcher.search(labels)
                assert found or exempt(board, labels), target["expr"]
                used |= {found[2]} if found else set()
    assert used == chosen


def exempt(board: dict[str, Any], labels: str) -> bool:
    """The board of the monitors looks at their targets by monitor, and the pages' address is joined by monitor."""
    return (board["uid"] == "chat-monitor-health" and "$instance" in labels) or labels == '{external_url!=""}'


@every_board
def test_every_increase_and_rate_looks_back_on_a_variable_window(board: dict[str, Any]) -> None:
    """No window is fixed: it is the chosen one, the whole range, or the one that fits the step."""
    allowed = {"$window", "$__range", "$__rate_interval", "30d"}  # a month is what contracts are about
    for panel in panels(board):
        for target in panel["targets"]:
            assert set(re.findall(r"\[([^\]]+)\]", target["expr"])) <= allowed, target["expr"]


@every_board
def test_every_counter_is_read_by_its_rise(board: dict[str, Any]) -> None:
    """Counters and buckets are only used through rate or increase."""
    for query in queries(board):
        raw = re.findall(r"\b\w+_(?:total|bucket|count|sum)\{[^}]*\}(?!\[)", query.expr)
        assert raw == [], query.expr


@every_board
def test_every_list_of_a_variable_follows_the_time_range(board: dict[str, Any]) -> None:
    """A target that is gone can be looked at in its own time."""
    lists = [variable for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert {variable["refresh"] for variable in lists} == {2}


@every_board
def test_what_is_counted_by_bars_looks_back_on_one_bar(board: dict[str, Any]) -> None:
    """A longer window would count each event in several bars: these and heatmaps use $__rate_interval alone."""
    for panel in panels(board):
        style = panel["fieldConfig"]["defaults"].get("custom", {}).get("drawStyle")
        if panel["type"] == "heatmap" or style == "bars":
            windows = {found for one in panel["targets"] for found in re.findall(r"\[([^\]]+)\]", one["expr"])}
            assert windows == {"$__rate_interval"}, panel["title"]
            assert panel["interval"] == "5m", panel["title"]


@every_board
def test_every_link_leads_to_a_board_of_ours(board: dict[str, Any]) -> None:
    """All boards are linked by their tag, with time and variables; a link of a table goes to a uid that exists."""
    link = board["links"][0]
    assert (link["type"], link["tags"]) == ("dashboards", ["chat-monitor"])
    assert link["keepTime"]
    assert link["includeVars"]
    uids = {other["uid"] for other in BOARDS.values()}
    assert set(re.findall(r"/d/([\w-]+)", json.dumps(board))) <= uids


@every_board
def test_alerts_and_reloads_are_marked_on_every_board(board: dict[str, Any]) -> None:
    """Alerts and reloads are annotations of every graph, with their names, and only for the selected targets."""
    for annotation in board["annotations"]["list"]:
        assert annotation["titleFormat"]
        assert annotation["textFormat"]
    chosen = {variable["name"] for variable in board["templating"]["list"] if variable["type"] == "query"}
    [alerts] = [one["expr"] for one in board["annotations"]["list"] if one["name"] == "Alerts"]
    assert set(re.findall(r"\$(\w+)\|", alerts)) == chosen
    names = [annotation["name"] for annotation in board["annotations"]["list"]]
    assert [name for name in names if name != "Annotations & Alerts"] == ["Alerts", "Reloads"]


def test_the_overview_is_one_screen() -> None:
    """The panels before the first row end within 21 rows of the grid, as 1080 lines show them; none is folded."""
    shown = BOARDS["overview.json"]["panels"]
    [row] = [panel for panel in shown if panel["type"] == "row"]
    first = [panel for panel in shown if panel["gridPos"]["y"] < row["gridPos"]["y"]]
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in first) <= 21
    assert not row.get("collapsed")


@every_board
def test_no_table_is_wider_than_its_panel(board: dict[str, Any]) -> None:
    """At 1280 pixels each table's columns have widths whose sum leaves a margin."""
    for panel in panels(board):
        if panel["type"] == "table":
            settings = [one for override in panel["fieldConfig"]["overrides"] for one in override["properties"]]
            widths = [one["value"] for one in settings if one["id"] == "custom.width"]
            assert len(widths) == len(panel["transformations"][-1]["options"]["renameByName"])
            assert sum(widths) <= 51 * panel["gridPos"]["w"]


def test_no_panel_of_the_overview_has_a_line_for_each_of_a_thousand_targets() -> None:
    """A line or a bar a target is bounded by topk or bottomk, or by what was down."""
    shown = [target for panel in panels(BOARDS["overview.json"]) for target in panel["targets"]]
    each = [target["expr"] for target in shown if "{{target}}" in target.get("legendFormat", "")]
    assert each
    assert [expression for expression in each if not re.search(r"topk|bottomk|min_over_time", expression)] == []


def test_every_metric_is_used_by_a_board_or_a_rule_and_documented() -> None:
    """Every exported metric is used by a board or a rule, and is in docs/metrics.md."""
    asked = {name for board in BOARDS.values() for query in queries(board) for name in metrics_in(query.expr)}
    rules = (HERE / "rules" / "chat-monitor.rules.yml").read_text()
    page = (HERE.parent / "docs" / "metrics.md").read_text()
    for row in FAMILIES:
        parts = {row.name, *(f"{row.name}_{part}" for part in ("bucket", "count", "sum"))}
        assert parts & asked or row.name in rules, row.name
        assert f"`{row.name}`" in page, row.name


@every_board
def test_every_query_is_accepted_by_promtool(board: dict[str, Any], promtool: str, tmp_path: Path) -> None:
    """Each expression parses with its variables filled in."""
    rules = [{"record": f"query:{number}", "expr": query.expr} for number, query in enumerate(queries(board))]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_variables_are_filled_in_however_they_are_written() -> None:
    """All three ways to write a variable are understood."""
    filled = substituted('a{b=~"$c", d="${e:regex}"}[[[w]]]', {"c": "1", "e": "2", "w": "5m"})
    assert filled == 'a{b=~"1", d="2"}[5m]'


def test_a_variable_without_a_value_is_an_error() -> None:
    """A misspelt variable fails the test that meets it, rather than matching nothing."""
    with pytest.raises(KeyError, match="tragte"):
        substituted('a{b=~"$tragte"}', {"target": ".+"})


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two places on the grid share a cell."""
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def found(part: object, key: str) -> list[object]:
    """Every value under a key, at any depth."""
    if isinstance(part, list):
        return [value for item in part for value in found(item, key)]
    if isinstance(part, dict):
        here = [part[key]] if key in part else []
        return here + [value for item in part.values() for value in found(item, key)]
    return []
