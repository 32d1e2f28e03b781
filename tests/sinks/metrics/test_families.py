"""The table of metrics: as in the contract, within its limits, and the same as in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from monitor.judge.verdict import TRUNCATED
from monitor.settings import Buckets, MetricsSettings
from monitor.sinks.metrics.families import (
    FAMILIES,
    FINE_BUCKETS,
    RESERVED,
    Family,
    MetricKind,
    Scope,
    bounds_of,
    chosen,
    label_mistakes,
    markdown,
)
from monitor.sinks.metrics.sink import bytes_per_target, series_per_target

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
BY_NAME = {family.name: family for family in FAMILIES}


def test_names_are_unique_and_counters_say_total() -> None:
    """Names are unique, and exactly the counters end in _total."""
    assert len(BY_NAME) == len(FAMILIES)
    assert all(family.name.endswith("_total") is (family.kind is MetricKind.COUNTER) for family in FAMILIES)


def test_exactly_the_histograms_have_bounds() -> None:
    """Every histogram has bucket bounds, and no other metric has."""
    assert all((family.bounds is not None) is (family.kind is MetricKind.HISTOGRAM) for family in FAMILIES)


def test_values_fit_their_labels() -> None:
    """Every closed label value has a label, and a gauge alone may start at something."""
    for family in FAMILIES:
        assert {len(values) for values in family.values} <= {len(family.labels)}
        assert family.start is None or family.kind is MetricKind.GAUGE


def test_truncated_has_the_pairs_of_the_ratio() -> None:
    """The series of the truncation ratio exist at 0 from the start."""
    assert set(BY_NAME["chat_stream_truncated_total"].values) == {(o.value, c) for o, c in TRUNCATED}


@pytest.mark.parametrize(("detail", "most"), [("full", 250), ("lean", 120)])
def test_a_target_has_at_most_so_many_series(detail: Literal["full", "lean"], most: int) -> None:
    """With every cause and a budget, a target has at most the contract's number of series."""
    assert series_per_target(MetricsSettings(detail=detail)) == most


def test_fewer_buckets_are_fewer_series() -> None:
    """The number follows the configured buckets: three histograms lose fifteen of seventeen."""
    buckets = Buckets(latency=(1.0, 10.0))
    assert series_per_target(MetricsSettings(buckets=buckets)) == 250 - 3 * 15


def test_bytes_follow_labels_and_detail() -> None:
    """A scrape grows with the labels and shrinks with the detail."""
    plain = bytes_per_target()
    labelled = bytes_per_target(labels={"target": "target-0001", "team": "search"})
    assert labelled - plain == 250 * len(',team="search"')
    assert bytes_per_target(MetricsSettings(detail="lean")) < plain / 2


def test_lean_keeps_only_the_contracts_buckets() -> None:
    """At lean detail no histogram but TTFC, duration and the longest gap has buckets."""
    kept = {
        family.name
        for family, is_kept in chosen(Scope.TARGET, "lean").items()
        if is_kept and bounds_of(family, Buckets())
    }
    assert kept == {
        "chat_stream_time_to_first_chunk_seconds",
        "chat_stream_duration_seconds",
        "chat_stream_max_gap_seconds",
    }


def test_lean_leaves_the_monitor_alone() -> None:
    """The detail is about targets: the monitor's own metrics are all there."""
    assert all(chosen(Scope.MONITOR, "lean").values())


def test_the_monitors_own_errors_have_buckets_of_microseconds() -> None:
    """Timing uncertainty is far below what a stream is measured in."""
    assert bounds_of(BY_NAME["chat_monitor_timing_uncertainty_seconds"], Buckets()) == FINE_BUCKETS


@pytest.mark.parametrize("bounds", [(2.0, 1.0), (1.0, 1.0), (1.0, float("inf")), (float("nan"),)])
def test_buckets_have_to_rise(bounds: tuple[float, ...]) -> None:
    """Bounds that do not rise, or are not finite, are refused."""
    with pytest.raises(ValueError, match="must rise"):
        bounds_of(BY_NAME["chat_stream_chunk_gap_seconds"], Buckets(gap=bounds))


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (["team", "env_2"], []),
        (["team-name"], ["label name 'team-name' is not [a-zA-Z_][a-zA-Z0-9_]*"]),
        (["2nd"], ["label name '2nd' is not [a-zA-Z_][a-zA-Z0-9_]*"]),
        (["täm"], ["label name 'täm' is not [a-zA-Z_][a-zA-Z0-9_]*"]),
        (["team\n"], ["label name 'team\\n' is not [a-zA-Z_][a-zA-Z0-9_]*"]),
        (["__name__"], ["label name '__name__' is reserved"]),
        (["target", "le"], ["label name 'target' is reserved", "label name 'le' is reserved"]),
        (["a", "a"], ["label name 'a' is given twice", "label name 'a' is given twice"]),
    ],
)
def test_label_names_are_checked(names: list[str], wrong: list[str]) -> None:
    """Names outside the classic character set, reserved names and duplicates are reported."""
    assert list(label_mistakes(names)) == wrong


def test_reserved_are_the_labels_of_targets() -> None:
    """A name that only the monitor's own metrics use is free."""
    assert {"target", "outcome", "cause", "model", "le", "quantile"} <= RESERVED
    assert "sink" not in RESERVED


def test_docs_hold_the_table() -> None:
    """docs/metrics.md holds `markdown` of both scopes, line by line."""
    text = DOCS.read_text()
    assert [scope for scope in Scope if markdown(scope) not in text] == []


def test_docs_name_no_metric_that_does_not_exist() -> None:
    """Every name in backticks that looks like ours is in the table, but for the two families of prefixes."""
    words = {word for word in DOCS.read_text().split("`") if word.startswith(("chat_stream_", "chat_monitor_"))}
    assert {word for word in words if word.replace("_", "").isalnum()} - set(BY_NAME) == set()


def test_the_first_value_of_a_family() -> None:
    """Counters and histograms begin at 0, gauges absent or at what they start from."""
    assert Family("chat_stream_a_total", MetricKind.COUNTER, "").first == 0.0
    assert Family("chat_stream_b", MetricKind.GAUGE, "").first is None
    assert Family("chat_monitor_c", MetricKind.GAUGE, "", start=1.0).first == 1.0
