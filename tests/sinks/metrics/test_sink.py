"""The metrics sink: series before the first probe, changes of targets, the monitor's own metrics, and formats."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from monitor import settings
from monitor.record.parts import Tokens
from monitor.sinks.metrics.exposition import Subject
from monitor.sinks.metrics.families import CUTS, FAMILIES, OUTCOMES, SKIPS, Scope
from monitor.sinks.metrics.sink import OPENMETRICS, PLAIN, Metrics, openmetrics_version
from monitor.stream.events import Fault
from monitor.target import ModelPrice, Thresholds
from tests.sinks.metrics.numbers import series, series_names, value_of
from tests.sinks.samples import GATEWAY, cut, failed, refused, whole

# -- before the first probe --------------------------------------------------------------------------------------------


def test_counters_and_histograms_are_there_at_zero(metrics: Metrics) -> None:
    """Each counter and histogram exists at 0 from the start, with all closed label values."""
    for family in FAMILIES:
        if family.scope is Scope.TARGET and family.bounds:
            assert value_of(metrics, f"{family.name}_count") == 0
            assert value_of(metrics, f"{family.name}_bucket", le="+Inf") == 0
    assert series(metrics, "chat_stream_probes_total") == dict.fromkeys(OUTCOMES, 0)
    assert series(metrics, "chat_stream_truncated_total") == dict.fromkeys(CUTS, 0)
    assert series(metrics, "chat_stream_probes_skipped_total") == dict.fromkeys(SKIPS, 0)
    assert series(metrics, "chat_stream_accepted_total") == {(): 0}


def test_pairs_of_failures_and_gauges_are_absent(metrics: Metrics) -> None:
    """Failures appear when first seen, gauges of a probe with the first probe."""
    for name in ("failures_total", "up", "last_probe_success", "last_step_seconds", "tokens_estimated"):
        assert series(metrics, f"chat_stream_{name}") == {}


def test_suspects_stand_at_zero(metrics: Metrics) -> None:
    """Each suspect of the closed list is 0 from the start."""
    assert len(series(metrics, "chat_stream_suspect")) == 9
    assert set(series(metrics, "chat_stream_suspect").values()) == {0.0}


def test_the_config_is_exported_at_once(metrics: Metrics) -> None:
    """Interval, pause, objectives and what the target is are known before any probe; user-info is not shown."""
    info = {"protocol": "openai-chat", "host": "gateway.example.com:8443", "model": "m", "upstream": ""}
    assert value_of(metrics, "chat_stream_target_info", **info) == 1
    assert value_of(metrics, "chat_stream_interval_seconds") == 60
    assert value_of(metrics, "chat_stream_paused") == 0
    assert value_of(metrics, "chat_stream_slo_objective_ratio", slo="availability") == 0.99
    assert value_of(metrics, "chat_stream_slo_objective_ratio", slo="first_chunk") == 0.95
    assert value_of(metrics, "chat_stream_slo_first_chunk_threshold_seconds") == 2


# -- targets that come, change and go ----------------------------------------------------------------------------------


def test_labels_of_the_config_are_one_set_for_all() -> None:
    """A target without one of the config's labels has it empty."""
    metrics = Metrics(labels=["team", "env"])
    metrics.add(replace(GATEWAY, labels={"team": "search"}))
    assert value_of(metrics, "chat_stream_accepted_total", team="search", env="") == 0


def test_label_names_are_refused() -> None:
    """A reserved or malformed name is refused with its reason, all at once."""
    with pytest.raises(ValueError, match=r"'model' is reserved; .*'a-b' is not"):
        Metrics(labels=["model", "a-b"])


@pytest.mark.parametrize("wrong", [{"name": "\ud800"}, {"labels": {"team": "\ud800"}}, {"model": "\ud800"}])
def test_label_values_have_to_be_text(wrong: dict[str, Any]) -> None:
    """A lone surrogate in any label value is refused: it would fail every scrape."""
    metrics = Metrics(labels=["team"])
    with pytest.raises(ValueError, match="not Unicode text"):
        metrics.add(replace(GATEWAY, **wrong))
    assert value_of(metrics, "chat_monitor_targets") == 0


def test_a_reload_keeps_counters_and_takes_what_changed() -> None:
    """Adding a target again under its name updates its config and labels, and its counters go on."""
    metrics = Metrics(labels=["team"])
    metrics.add(GATEWAY)
    metrics.observe(cut())
    metrics.add(replace(GATEWAY, labels={"team": "search"}, interval=5.0, model="m-2", tokens_per_day=1000))
    assert value_of(metrics, "chat_stream_accepted_total", team="") is None
    assert value_of(metrics, "chat_stream_accepted_total", team="search") == 1
    assert value_of(metrics, "chat_stream_interval_seconds", team="search") == 5
    assert len(series(metrics, "chat_stream_target_info")) == 1
    assert value_of(metrics, "chat_stream_budget_tokens_limit", team="search") == 1000


def test_other_label_names_keep_the_counters() -> None:
    """The config's label names can change while it runs: every number goes on, and the text is what it is to be."""
    metrics = Metrics(labels=["team"])
    metrics.add(replace(GATEWAY, labels={"team": "search"}))
    metrics.observe(cut())
    metrics.relabel(["team"])
    metrics.relabel(["tier", "zone"])
    metrics.add(replace(GATEWAY, labels={"tier": "gold"}))
    assert value_of(metrics, "chat_stream_accepted_total", tier="gold", zone="") == 1
    assert value_of(metrics, "chat_stream_accepted_total", team="search") is None
    assert b'chat_stream_accepted_total{target="gateway",tier="gold",zone=""} 1.0' in metrics.render()[0]
    with pytest.raises(ValueError, match="le"):
        metrics.relabel(["le"])


def test_other_label_names_hold_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No target is touched when the names change, but each when it is written; a scrape that has begun is finished."""
    metrics, touched = Metrics(labels=["team"]), 0
    for number in range(3):
        metrics.add(replace(GATEWAY, name=f"t{number}", labels={"team": "search"}))
    metrics.render()
    relabel = Subject.relabel

    def counted(subject: Subject, labels: Mapping[str, str]) -> None:
        nonlocal touched
        touched += 1
        relabel(subject, labels)

    monkeypatch.setattr(Subject, "relabel", counted)
    metrics.observe(cut(target=replace(GATEWAY, name="t0")))
    metrics.relabel(["team", "zone"])
    assert touched == 0
    begun, _ = metrics.pieces()
    next(iter(begun))
    assert touched == 1
    metrics.relabel(["zone"])
    text = b"".join(begun)
    assert text.count(b"chat_stream_paused{") == 3
    assert metrics.render()[0].count(b'chat_stream_paused{target="t1",zone=""} 0.0') == 1
    assert b'team="' not in metrics.render()[0]
    assert value_of(metrics, "chat_stream_accepted_total", target="t0", zone="") == 1


def test_a_removed_target_leaves_nothing(metrics: Metrics) -> None:
    """The series of a removed target disappear, and a probe that ends later adds none."""
    metrics.remove("gateway")
    metrics.remove("gateway")
    metrics.observe(cut())
    metrics.skipped("gateway", "overlap")
    metrics.budget("gateway", 5)
    assert series_names(metrics) == set()
    assert value_of(metrics, "chat_monitor_targets") == 0


def test_budgets_are_there_where_one_is_configured(metrics: Metrics) -> None:
    """Limit and rest appear with a budget and go with it; the rest is never negative."""
    assert value_of(metrics, "chat_stream_budget_tokens_limit") is None
    metrics.add(replace(GATEWAY, tokens_per_day=1000))
    metrics.budget("gateway", -5)
    assert value_of(metrics, "chat_stream_budget_tokens_limit") == 1000
    assert value_of(metrics, "chat_stream_budget_tokens_remaining") == 0
    metrics.add(GATEWAY)
    assert value_of(metrics, "chat_stream_budget_tokens_limit") is None
    assert value_of(metrics, "chat_stream_budget_tokens_remaining") is None


def test_pauses_and_skips(metrics: Metrics) -> None:
    """A pause is exported while it lasts; skips are counted by their closed set of reasons."""
    metrics.paused("gateway", now=True)
    metrics.skipped("gateway", "paused")
    assert value_of(metrics, "chat_stream_paused") == 1
    assert value_of(metrics, "chat_stream_probes_skipped_total", reason="paused") == 1
    with pytest.raises(ValueError, match="'tired' is not a reason"):
        metrics.skipped("gateway", "tired")


def test_lean_leaves_out_what_it_says() -> None:
    """At lean detail, omitted series are not stored either."""
    metrics = Metrics(settings.MetricsSettings(detail="lean"))
    metrics.add(GATEWAY)
    metrics.observe(cut())
    left_out = {"chat_stream_failures_total", "chat_stream_suspect", "chat_stream_chunk_gap_seconds_count"}
    assert series_names(metrics) & left_out == set()


def test_money_is_counted_if_there_is_a_price(metrics: Metrics) -> None:
    """Cost is 0 from the start and counts probes of every trigger; without a price there is no series."""
    assert value_of(metrics, "chat_stream_price_total", currency="USD") is None
    priced = replace(GATEWAY, price=ModelPrice(1_000_000.0, 2_000_000.0, "USD"))
    metrics.remove("gateway")
    metrics.add(priced)
    assert value_of(metrics, "chat_stream_price_total", currency="USD") == 0
    metrics.observe(whole(priced, trigger="api", tokens=Tokens(3, 5)))
    assert value_of(metrics, "chat_stream_price_total", currency="USD") == 3 + 2 * 5


def test_what_alerts_compare_with_is_exported(metrics: Metrics) -> None:
    """Each threshold is a series, and of the words for `alerts` the one that holds now."""
    assert value_of(metrics, "chat_stream_threshold", kind="truncation") == 0.05
    assert value_of(metrics, "chat_stream_threshold", kind="certificate_expiry") == 14 * 86400
    assert value_of(metrics, "chat_stream_alerts_info", alerts="page") == 1
    metrics.add(replace(GATEWAY, alerts="none", thresholds=Thresholds(cuts=7)))
    assert value_of(metrics, "chat_stream_threshold", kind="cuts") == 7
    assert value_of(metrics, "chat_stream_alerts_info", alerts="none") == 1
    assert value_of(metrics, "chat_stream_alerts_info", alerts="page") is None


# -- the monitor itself ------------------------------------------------------------------------------------------------


def test_what_the_monitor_says_of_itself(metrics: Metrics) -> None:
    """Each word of the daemon reaches its metric."""
    metrics.in_flight(3)
    metrics.isolated(True)
    metrics.shard(1, 4)
    metrics.discovered("file", ok=False)
    metrics.history_bytes(4096)
    metrics.lag(0.003)
    metrics.http_request("metrics", 200)
    metrics.unhandled()
    assert value_of(metrics, "chat_monitor_probes_in_flight") == 3
    assert value_of(metrics, "chat_monitor_isolated") == 1
    assert value_of(metrics, "chat_monitor_shard_index") == 1
    assert value_of(metrics, "chat_monitor_shards") == 4
    assert value_of(metrics, "chat_monitor_discovery_last_refresh_successful", source="file") == 0
    assert value_of(metrics, "chat_monitor_history_bytes") == 4096
    assert value_of(metrics, "chat_monitor_event_loop_lag_seconds_bucket", le="0.005") == 1
    assert value_of(metrics, "chat_monitor_http_requests_total", handler="metrics", code="200") == 1
    assert value_of(metrics, "chat_monitor_unhandled_exceptions_total") == 1
    assert value_of(metrics, "chat_monitor_targets") == 1


def test_a_failed_reload_keeps_the_last_good_ones_hash(metrics: Metrics) -> None:
    """A failed reload changes the success gauge, but neither time nor hash of the last good one."""
    metrics.config_loaded("0123456789abcdef", True, 5.0)
    metrics.config_loaded("fedcba9876543210", False, 9.0)
    assert value_of(metrics, "chat_monitor_config_last_reload_successful") == 0
    assert value_of(metrics, "chat_monitor_config_last_reload_success_timestamp_seconds") == 5
    assert value_of(metrics, "chat_monitor_config_hash") == 0x0123456789AB


def test_a_probes_delay_and_uncertainty_are_the_monitors(metrics: Metrics) -> None:
    """Delay and uncertainty are observed for every probe that has them, also of a removed target."""
    metrics.remove("gateway")
    metrics.observe(whole(schedule_delay=0.002, trigger="api"))
    metrics.observe(refused())
    assert value_of(metrics, "chat_monitor_schedule_delay_seconds_count") == 1
    assert value_of(metrics, "chat_monitor_timing_uncertainty_seconds_bucket", le="1e-05") == 1
    assert value_of(metrics, "chat_monitor_timing_uncertainty_seconds_count") == 1


def test_sinks_may_report_from_their_own_threads(metrics: Metrics) -> None:
    """No report is lost if several threads report at once."""

    def report() -> None:
        for _ in range(500):
            metrics.sink_error("log")
            metrics.dropped("log")

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value_of(metrics, "chat_monitor_sink_errors_total", sink="log") == 2000
    assert value_of(metrics, "chat_monitor_events_dropped_total", sink="log") == 2000


def test_the_registry_is_an_argument() -> None:
    """Two monitors in one process share nothing, and the global registry is left alone."""
    registry = CollectorRegistry()
    first, second = Metrics(registry=registry), Metrics()
    first.in_flight(7)
    assert registry.get_sample_value("chat_monitor_probes_in_flight") == 7
    assert second.registry.get_sample_value("chat_monitor_probes_in_flight") == 0
    assert first.registry is registry


# -- which format a scraper wants --------------------------------------------------------------------------------------

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,/;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("", None),
        ("*/*", None),
        ("text/html, */*", None),
        (PROMETHEUS_2, "1.0.0"),
        (PROMETHEUS_3, "1.0.0"),
        ("application/openmetrics-text", "1.0.0"),
        ('Application/OpenMetrics-Text; version="1.0.0"', "1.0.0"),
        ("application/openmetrics-text;version=0.0.1", "0.0.1"),
        ("application/openmetrics-text;version=2.0.0", None),
        ("application/openmetrics-text;version=2.0.0, application/openmetrics-text;q=0.9", "1.0.0"),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.4", None),
        ("text/plain;q=0.4, application/openmetrics-text;q=0.5", "1.0.0"),
        ("application/openmetrics-text;q=0, text/plain;q=0.1", None),
        ("application/openmetrics-text;q=much", None),
        ("application/openmetrics-text;q=nan", None),
    ],
)
def test_the_accept_header_chooses(accept: str, version: str | None) -> None:
    """The best liked range that we have wins; what is malformed counts for nothing."""
    assert openmetrics_version(accept) == version


def test_content_types(metrics: Metrics) -> None:
    """Each format says what it is."""
    assert metrics.render()[1] == PLAIN
    assert metrics.render("application/openmetrics-text;version=0.0.1")[1] == OPENMETRICS.format("0.0.1")


def test_stream_errors_are_counted_by_cause(metrics: Metrics) -> None:
    """An error inside a stream is a truncation with the error's cause."""
    metrics.observe(failed(Fault.RATE_LIMITED))
    assert value_of(metrics, "chat_stream_truncated_total", outcome="stream_error", cause="rate_limited") == 1


def test_where_the_monitor_stands_is_one_series() -> None:
    """Boards and alerts join it for links: an address that is not configured is empty."""
    metrics = Metrics()
    metrics.place("eu-1", "https://monitor.example/chat")
    assert series(metrics, "chat_monitor_info") == {("eu-1", "https://monitor.example/chat"): 1}
    other = Metrics()
    other.place("", None)
    assert series(other, "chat_monitor_info") == {("", ""): 1}
