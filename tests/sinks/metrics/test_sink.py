"""What observations and the monitor's own doings come to in the numbers that are scraped."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from monitor import settings
from monitor.judge.content_check import CheckResult
from monitor.record.parts import Suspect, Suspicion, Tokens
from monitor.record.target_state import ConfirmedState
from monitor.sinks.metrics.exposition import Subject
from monitor.sinks.metrics.families import CUTS, FAMILIES, MOST_FAILURES, OUTCOMES, SKIPS, Scope
from monitor.sinks.metrics.sink import OPENMETRICS, PLAIN, Metrics, openmetrics_version
from monitor.stream.endings import EndKind
from monitor.stream.events import Fault, Finish, Malformed, Output, Part
from monitor.target import CountCheck, FirstChunkSlo, ModelPrice, Slo, Thresholds
from tests.sinks.samples import (
    GATEWAY,
    START,
    begun,
    chunks,
    counted,
    cut,
    end,
    failed,
    line,
    observed,
    refused,
    stopped,
    whole,
)

BEGAN = START.timestamp()


@pytest.fixture
def metrics() -> Metrics:
    """One target, nothing probed yet."""
    made = Metrics()
    made.add(GATEWAY)
    return made


def value_of(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of a series, by default of the target `gateway`; None if it is absent."""
    if name.startswith("chat_stream_"):
        labels = {"target": "gateway", **labels}
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return every series of one sample name, by the values of its labels other than target."""
    return {
        tuple(value for label, value in sample.labels.items() if label != "target"): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


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


# -- what a probe does -------------------------------------------------------------------------------------------------


def test_a_whole_chat(metrics: Metrics) -> None:
    """A complete chat counts as accepted and good, and its timings are observed."""
    metrics(whole())
    assert value_of(metrics, "chat_stream_probes_total", outcome="ok") == 1
    assert value_of(metrics, "chat_stream_accepted_total") == 1
    assert series(metrics, "chat_stream_failures_total") == {}
    assert value_of(metrics, "chat_stream_chunks_total") == 3
    assert value_of(metrics, "chat_stream_received_bytes_total") == 400
    assert value_of(metrics, "chat_stream_time_to_first_chunk_seconds_sum") == 0.2
    assert value_of(metrics, "chat_stream_time_to_first_chunk_seconds_bucket", le="0.16") == 0
    assert value_of(metrics, "chat_stream_time_to_first_chunk_seconds_bucket", le="0.32") == 1
    assert value_of(metrics, "chat_stream_time_to_first_content_seconds_count") == 1
    assert value_of(metrics, "chat_stream_chunk_gap_seconds_count") == 2
    assert value_of(metrics, "chat_stream_max_gap_seconds_sum") == pytest.approx(0.3)
    assert value_of(metrics, "chat_stream_duration_seconds_sum") == pytest.approx(0.8)
    assert value_of(metrics, "chat_stream_cut_after_seconds_count") == 0


def test_a_whole_chat_sets_the_gauges_of_the_last_probe(metrics: Metrics) -> None:
    """State, times, steps and rate are those of the probe that just ended."""
    metrics.observe(whole(certificate_expiry=1.9e9, check=CheckResult("count", None, 1.0)))
    assert value_of(metrics, "chat_stream_last_probe_success") == 1
    assert value_of(metrics, "chat_stream_up") == 1
    assert value_of(metrics, "chat_stream_consecutive_failures") == 0
    assert value_of(metrics, "chat_stream_last_probe_timestamp_seconds") == pytest.approx(BEGAN + 0.8)
    assert value_of(metrics, "chat_stream_last_success_timestamp_seconds") == pytest.approx(BEGAN + 0.8)
    assert value_of(metrics, "chat_stream_last_step_seconds", step="tls") == pytest.approx(0.008)
    assert value_of(metrics, "chat_stream_output_tokens_per_second") == pytest.approx(2 / 0.4)
    assert value_of(metrics, "chat_stream_progress_ratio") == 1.0
    assert value_of(metrics, "chat_stream_certificate_expiry_timestamp_seconds") == 1.9e9


def test_a_truncated_chat(metrics: Metrics) -> None:
    """A cut is a failure with its cause, counts in the ratio, and its age is observed instead of a duration."""
    metrics.observe(cut())
    assert series(metrics, "chat_stream_failures_total") == {("truncated", "incomplete_body"): 1}
    assert value_of(metrics, "chat_stream_truncated_total", outcome="truncated", cause="incomplete_body") == 1
    assert value_of(metrics, "chat_stream_accepted_total") == 1
    assert value_of(metrics, "chat_stream_cut_after_seconds_sum") == pytest.approx(0.7)
    assert value_of(metrics, "chat_stream_duration_seconds_count") == 0
    assert value_of(metrics, "chat_stream_time_to_first_chunk_seconds_count") == 1
    assert value_of(metrics, "chat_stream_consecutive_truncations") == 1
    assert value_of(metrics, "chat_stream_last_success_timestamp_seconds") is None


def test_nobody_listening(metrics: Metrics) -> None:
    """A probe without a stream is in no ratio of streams, and has no steps that were not reached."""
    metrics.observe(whole())
    metrics.observe(refused())
    assert series(metrics, "chat_stream_failures_total") == {("unreachable", "refused"): 1}
    assert value_of(metrics, "chat_stream_accepted_total") == 1
    assert sum(series(metrics, "chat_stream_truncated_total").values()) == 0
    assert series(metrics, "chat_stream_last_step_seconds") == {}
    assert value_of(metrics, "chat_stream_output_tokens_per_second") is None
    assert value_of(metrics, "chat_stream_last_success_timestamp_seconds") == pytest.approx(BEGAN + 0.8)


def test_an_unclean_end_is_counted_and_no_failure(metrics: Metrics) -> None:
    """A probe with an unclean end is ok, and the end is counted."""
    recording = line(*chunks(0.2, 0.3), (0.3, Finish("stop")), ending=EndKind.RESET)
    metrics.observe(observed(recording))
    assert value_of(metrics, "chat_stream_unclean_ends_total", cause="reset") == 1
    assert value_of(metrics, "chat_stream_probes_total", outcome="ok") == 1


def test_buffered_and_malformed_are_counted(metrics: Metrics) -> None:
    """Chunks in one piece are a buffered stream; events that do not decode are counted one by one."""
    recorder = begun((0.2, Output("x")))
    for offset in range(96, 100):
        recorder.record(Output("x"), offset)
    recorder.record(Malformed("no JSON"), 100)
    metrics.observe(observed(end(recorder, EndKind.COMPLETE, 0.3)))
    assert value_of(metrics, "chat_stream_buffered_total") == 1
    assert value_of(metrics, "chat_stream_malformed_events_total") == 1
    assert value_of(metrics, "chat_stream_max_gap_seconds_count") == 0


def test_reasoning_comes_before_content(metrics: Metrics) -> None:
    """The first chunk may be reasoning; the first content is the first visible text."""
    metrics.observe(observed(line((0.2, Output("hm", Part.REASONING)), (0.9, Output("so")))))
    assert value_of(metrics, "chat_stream_time_to_first_chunk_seconds_sum") == 0.2
    assert value_of(metrics, "chat_stream_time_to_first_content_seconds_sum") == 0.9


def test_uncertain_timings_are_left_out_and_counted(metrics: Metrics) -> None:
    """More than 1 ms and more than a tenth: gaps of 100 ms with 12 ms are discarded, a first chunk of 200 ms is not."""
    metrics.observe(observed(line(*chunks(0.2, 0.3, 0.4, 0.9), unsure=0.006)))
    assert value_of(metrics, "chat_stream_timings_discarded_total", kind="gap") == 2
    assert value_of(metrics, "chat_stream_timings_discarded_total", kind="first_chunk") == 0
    assert value_of(metrics, "chat_stream_chunk_gap_seconds_sum") == pytest.approx(0.5)
    assert value_of(metrics, "chat_stream_max_gap_seconds_sum") == pytest.approx(0.5)


def test_an_uncertain_first_chunk_is_left_out(metrics: Metrics) -> None:
    """A first chunk that may be a tenth off is in no histogram, and first content is judged likewise."""
    metrics.observe(observed(line(*chunks(0.2), unsure=0.03)))
    assert value_of(metrics, "chat_stream_timings_discarded_total", kind="first_chunk") == 1
    assert value_of(metrics, "chat_stream_time_to_first_chunk_seconds_count") == 0
    assert value_of(metrics, "chat_stream_time_to_first_content_seconds_count") == 0


def test_a_millisecond_is_always_certain_enough(metrics: Metrics) -> None:
    """A gap of 2 ms known to 1 ms is observed."""
    metrics.observe(observed(line(*chunks(0.2, 0.202), unsure=0.0005)))
    assert value_of(metrics, "chat_stream_chunk_gap_seconds_count") == 1


def test_objectives_are_decided_probe_by_probe(metrics: Metrics) -> None:
    """A slow but whole chat is available and late; a refused one is neither."""
    slow = replace(GATEWAY, slo=Slo(first_chunk=FirstChunkSlo(0.1)))
    metrics.observe(whole(slow))
    metrics.observe(refused(slow))
    metrics.observe(whole())
    assert series(metrics, "chat_stream_slo_probes_total") == {("availability",): 3, ("first_chunk",): 3}
    assert series(metrics, "chat_stream_slo_good_total") == {("availability",): 2, ("first_chunk",): 1}


def test_a_failed_check_is_available_unless_required(metrics: Metrics) -> None:
    """Wrong content is counted as a failure of the check, and makes the target unavailable only if it is required."""
    wrong = CheckResult("count", "missing", 0.9)
    metrics.observe(whole(counted(), check=wrong))
    assert value_of(metrics, "chat_stream_last_probe_success") == 1
    metrics.observe(whole(counted(check=CountCheck(required=True)), check=wrong))
    assert value_of(metrics, "chat_stream_last_probe_success") == 0
    assert series(metrics, "chat_stream_failures_total") == {("wrong_content", "missing"): 2}


def test_up_wants_failures_confirmed(metrics: Metrics) -> None:
    """With `confirm` 2, up is 0 after the second failure in a row, and 1 after the next success."""
    states = []
    for probe in (cut(), whole(), refused(), cut(), cut(), whole()):
        metrics.observe(probe)
        states.append((value_of(metrics, "chat_stream_up"), value_of(metrics, "chat_stream_consecutive_failures")))
    assert states == [(1, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 0)]


def test_a_state_goes_on_after_a_restart(metrics: Metrics) -> None:
    """The streaks of before are exported at once, and the next failure is one more; the state itself is not shared."""
    before = ConfirmedState(up=False, failures=68, truncations=3)
    metrics.restore("gateway", before)
    metrics.restore("nobody", before)
    assert (value_of(metrics, "chat_stream_up"), value_of(metrics, "chat_stream_consecutive_failures")) == (0, 68)
    metrics(refused())
    assert value_of(metrics, "chat_stream_consecutive_failures") == 69
    assert value_of(metrics, "chat_stream_consecutive_truncations") == 0
    assert before.failures == 68


def test_truncations_in_a_row(metrics: Metrics) -> None:
    """Another failure breaks a row of truncations, as a success does."""
    rows = []
    for probe in (cut(), failed(), refused(), cut(), whole()):
        metrics.observe(probe)
        rows.append(value_of(metrics, "chat_stream_consecutive_truncations"))
    assert rows == [1, 2, 0, 1, 0]


def test_suspects_change_with_another_target(metrics: Metrics) -> None:
    """Evidence arrives late: the gauge follows it between two probes, and a target that is not watched has none."""
    metrics.observe(cut())
    metrics.suspects("gateway", (Suspicion(Suspect.UPSTREAM, "its upstream failed"),))
    assert value_of(metrics, "chat_stream_suspect", suspect="upstream") == 1
    metrics.suspects("gateway", ())
    assert value_of(metrics, "chat_stream_suspect", suspect="upstream") == 0
    metrics.suspects("none-such", ())


def test_suspects_are_those_of_the_last_diagnosis(metrics: Metrics) -> None:
    """A suspect is 1 while it is named."""
    metrics.observe(cut(diagnosis=(Suspicion(Suspect.PROXY_TIMEOUT, "60 s each"),)))
    assert value_of(metrics, "chat_stream_suspect", suspect="proxy_timeout") == 1
    assert value_of(metrics, "chat_stream_suspect", suspect="restart") == 0
    metrics.observe(whole())
    assert value_of(metrics, "chat_stream_suspect", suspect="proxy_timeout") == 0


def test_a_certificate_once_seen_is_remembered(metrics: Metrics) -> None:
    """The expiry stays while later probes do not get as far as the certificate."""
    metrics.observe(whole(certificate_expiry=1.9e9))
    metrics.observe(refused())
    assert value_of(metrics, "chat_stream_certificate_expiry_timestamp_seconds") == 1.9e9


def test_only_the_schedule_feeds_the_target(metrics: Metrics) -> None:
    """A probe of another trigger spends tokens and changes nothing else of the target."""
    before = series_names(metrics)
    for trigger in ("signal", "api", "scrape", "cli"):
        metrics.observe(cut(trigger=trigger, tokens=Tokens(20, 3, reasoning=1, estimated=True)))
    assert value_of(metrics, "chat_stream_tokens_total", kind="input") == 80
    assert value_of(metrics, "chat_stream_tokens_total", kind="output") == 12
    assert value_of(metrics, "chat_stream_reasoning_tokens_total") == 4
    assert value_of(metrics, "chat_stream_tokens_estimated") == 1
    assert sum(series(metrics, "chat_stream_probes_total").values()) == 0
    assert series_names(metrics) - before == {"chat_stream_tokens_estimated"}


def test_up_again_wants_successes_in_a_row(metrics: Metrics) -> None:
    """With `recover` 3, three successes in a row end an outage; a failure between them restarts the count."""
    target = replace(GATEWAY, recover=3)
    states = []
    for story in (cut, cut, whole, whole, cut, whole, whole, whole, cut):
        metrics.observe(replace(story(), target=target))
        states.append(value_of(metrics, "chat_stream_up"))
    assert states == [1, 0, 0, 0, 0, 0, 0, 1, 1]


def test_a_confirming_probe_counts_for_the_state_alone(metrics: Metrics) -> None:
    """A probe that confirms a failure takes `up` down and bends no ratio."""
    metrics.observe(cut())
    assert value_of(metrics, "chat_stream_up") == 1
    metrics.observe(cut(trigger="confirm"))
    assert value_of(metrics, "chat_stream_up") == 0
    assert value_of(metrics, "chat_stream_consecutive_truncations") == 2
    assert value_of(metrics, "chat_stream_accepted_total") == 1
    assert value_of(metrics, "chat_stream_last_probe_success") == 0
    before = value_of(metrics, "chat_stream_last_probe_timestamp_seconds")
    metrics.observe(whole(trigger="confirm"))
    assert value_of(metrics, "chat_stream_up") == 1
    assert value_of(metrics, "chat_stream_last_probe_success") == 0
    assert value_of(metrics, "chat_stream_last_probe_timestamp_seconds") == before
    assert "chat_stream_last_success_timestamp_seconds" not in series_names(metrics)
    assert sum(series(metrics, "chat_stream_probes_total").values()) == 1


def series_names(metrics: Metrics) -> set[str]:
    """Return the names of every sample of a target."""
    return {
        sample.name
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("chat_stream_")
    }


@pytest.mark.parametrize(
    ("kind", "outcome", "cause"),
    [(EndKind.ABORTED, "aborted", "client"), (EndKind.RESOURCES, "inconclusive", "resources")],
)
def test_our_own_doing_counts_nowhere_else(metrics: Metrics, kind: EndKind, outcome: str, cause: str) -> None:
    """Aborted and inconclusive probes count only as errors of the monitor: no ratio, no gauge, no token."""
    before = metrics.render()[0]
    metrics.observe(stopped(kind, schedule_delay=0.5))
    changed = set(metrics.render()[0].splitlines()) - set(before.splitlines())
    changed = {row for row in changed if not row.startswith(b"process_")}
    assert changed == {f'chat_monitor_probe_errors_total{{cause="{cause}",outcome="{outcome}"}} 1.0'.encode()}


def test_the_monitors_own_errors_exist_at_zero(metrics: Metrics) -> None:
    """Every pair of aborted and inconclusive is there before it happens."""
    assert len(series(metrics, "chat_monitor_probe_errors_total")) == 5
    assert series(metrics, "chat_monitor_sink_errors_total") == {("metrics",): 0, ("log",): 0, ("history",): 0}


def test_a_target_keeps_the_pairs_of_failures_seen_last() -> None:
    """Beyond its bound a target forgets the pair that was seen longest ago, and its exemplar with it."""
    metrics = Metrics()
    metrics.add(GATEWAY)
    subject = metrics._watched["gateway"].subject
    for number in range(40):
        subject.add("chat_stream_failures_total", values=("truncated", f"cause{number % 39}"))
    found = {cause for _, cause in series(metrics, "chat_stream_failures_total")}
    assert len(found) == MOST_FAILURES
    assert {"cause0", "cause38"} <= found
    assert "cause1" not in found


def test_what_is_not_finite_is_never_observed(metrics: Metrics) -> None:
    """NaN and infinity leave histograms and counters alone, and make a gauge absent."""
    metrics.lag(float("nan"))
    metrics.lag(float("inf"))
    subject = metrics._watched["gateway"].subject
    subject.add("chat_stream_chunks_total", float("nan"))
    subject.add("chat_stream_chunks_total", -1)
    metrics.observe(whole(certificate_expiry=float("nan"), check=CheckResult("count", None, float("inf"))))
    assert value_of(metrics, "chat_monitor_event_loop_lag_seconds_count") == 0
    assert value_of(metrics, "chat_monitor_event_loop_lag_seconds_sum") == 0
    assert value_of(metrics, "chat_stream_chunks_total") == 3
    assert value_of(metrics, "chat_stream_progress_ratio") is None
    assert value_of(metrics, "chat_stream_certificate_expiry_timestamp_seconds") is None


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
