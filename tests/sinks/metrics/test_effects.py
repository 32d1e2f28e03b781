"""The changes that one probe makes to the metrics of its target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.judge.content_check import CheckResult
from monitor.record.parts import Suspect, Suspicion, Tokens
from monitor.record.target_state import ConfirmedState
from monitor.sinks.metrics.families import MOST_FAILURES
from monitor.sinks.metrics.sink import Metrics
from monitor.stream.endings import EndKind
from monitor.stream.events import Finish, Malformed, Output, Part
from monitor.target import CountCheck, FirstChunkSlo, Slo
from tests.sinks.metrics.numbers import series, series_names, value_of
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


def test_a_refused_connection(metrics: Metrics) -> None:
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
    """A probe that confirms a failure sets `up` to 0 and counts in no ratio."""
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


def test_a_target_keeps_the_last_pairs_of_failures() -> None:
    """Beyond its bound a target forgets the pair that was seen longest ago, and its exemplar with it."""
    metrics = Metrics()
    metrics.add(GATEWAY)
    subject = metrics._targets["gateway"].subject
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
    subject = metrics._targets["gateway"].subject
    subject.add("chat_stream_chunks_total", float("nan"))
    subject.add("chat_stream_chunks_total", -1)
    metrics.observe(whole(certificate_expiry=float("nan"), check=CheckResult("count", None, float("inf"))))
    assert value_of(metrics, "chat_monitor_event_loop_lag_seconds_count") == 0
    assert value_of(metrics, "chat_monitor_event_loop_lag_seconds_sum") == 0
    assert value_of(metrics, "chat_stream_chunks_total") == 3
    assert value_of(metrics, "chat_stream_progress_ratio") is None
    assert value_of(metrics, "chat_stream_certificate_expiry_timestamp_seconds") is None
