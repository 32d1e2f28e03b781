"""What one probe, and the config, change in the numbers of a target.

Only scheduled probes count, except for tokens; a probe that confirms a failure counts for the state alone (contract,
section 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.judge.verdict import Outcome
from monitor.record.observation import Observation
from monitor.record.parts import Suspicion
from monitor.record.rollup import certain
from monitor.record.target_state import ConfirmedState
from monitor.sinks.metrics.exposition import Subject, Trace
from monitor.sinks.metrics.families import STEPS, SUSPECTS, THRESHOLDS
from monitor.stream.endings import Mark
from monitor.stream.statistics import buffered, end_uncertainty, first_chunk, first_content, gaps
from monitor.target import Target

_LONGEST_ID = 100
"""The most characters of a probe's id, of the 128 of an exemplar."""


@dataclass(slots=True)
class TargetMetrics:
    """One target's numbers and its state."""

    subject: Subject
    state: ConfirmedState = field(default_factory=ConfirmedState)


def observe(metrics: TargetMetrics, observation: Observation) -> None:
    """Update a target's numbers with one of its probes."""
    trace = _trace(observation)
    if observation.trigger == "schedule":  # first, so that the outcome is counted even if something below fails
        _count_verdict(metrics.subject, observation, trace)
    _count_tokens(metrics.subject, observation)
    if observation.trigger == "schedule":
        _count_traffic(metrics.subject, observation)
        _observe_first(metrics.subject, observation, trace)
        _observe_gaps(metrics.subject, observation, trace)
        _observe_length(metrics.subject, observation, trace)
        _judge_objectives(metrics.subject, observation)
        _export_last(metrics.subject, observation)
    if observation.trigger in {"schedule", "confirm"}:
        _take_state(metrics, observation)


def _count_tokens(subject: Subject, observation: Observation) -> None:
    if observation.tokens is not None:
        subject.add("chat_stream_tokens_total", observation.tokens.input, ("input",))
        subject.add("chat_stream_tokens_total", observation.tokens.output, ("output",))
        subject.add("chat_stream_reasoning_tokens_total", observation.tokens.reasoning)
        subject.set("chat_stream_tokens_estimated", float(observation.tokens.estimated))
        if (price := observation.target.price) is not None:
            money = price.of(observation.tokens.input, observation.tokens.output)
            subject.add("chat_stream_price_total", money, (price.currency,))


def _count_verdict(subject: Subject, observation: Observation, trace: Trace | None) -> None:
    verdict = observation.verdict
    subject.add("chat_stream_probes_total", values=(verdict.outcome.value,))
    if verdict.cause is not None:
        pair = (verdict.outcome.value, verdict.cause)
        subject.add("chat_stream_failures_total", values=pair, trace=trace)
        if verdict.truncated:
            subject.add("chat_stream_truncated_total", values=pair, trace=trace)
    if verdict.accepted:
        subject.add("chat_stream_accepted_total")
    if verdict.unclean is not None:
        subject.add("chat_stream_unclean_ends_total", values=(verdict.unclean.value,))


def _count_traffic(subject: Subject, observation: Observation) -> None:
    recording = observation.recording
    subject.add("chat_stream_buffered_total", float(buffered(recording)))
    subject.add("chat_stream_malformed_events_total", recording.end.malformed_events)
    subject.add("chat_stream_chunks_total", recording.chunks)
    subject.add("chat_stream_received_bytes_total", recording.bytes)


def _observe_first(subject: Subject, observation: Observation, trace: Trace | None) -> None:
    if (chunk := first_chunk(observation.recording)) is not None:
        _observe_certain(subject, "first_chunk", chunk.time, chunk.uncertainty, trace)
    if (
        Mark.FIRST_CONTENT in observation.recording.marks
        and (content := first_content(observation.recording)) is not None
    ):
        _observe_certain(subject, "first_content", content.time, content.uncertainty, trace)


def _observe_gaps(subject: Subject, observation: Observation, trace: Trace | None) -> None:
    every = gaps(observation.recording)
    kept = [gap for gap, unsure in every if certain(gap, unsure)]
    subject.observe("chat_stream_chunk_gap_seconds", *kept, trace=trace)
    subject.add("chat_stream_timings_discarded_total", len(every) - len(kept), ("gap",))
    if every:
        _observe_certain(subject, "max_gap", *max(every), trace)


def _observe_length(subject: Subject, observation: Observation, trace: Trace | None) -> None:
    unsure = end_uncertainty(observation.recording) + observation.recording.zero_uncertainty
    if observation.verdict.outcome in {Outcome.OK, Outcome.UNVERIFIED}:
        _observe_certain(subject, "duration", observation.duration, unsure, trace)
    if observation.verdict.truncated:
        _observe_certain(subject, "cut_after", observation.duration, unsure, trace)


_HISTOGRAMS = {
    "first_chunk": "chat_stream_time_to_first_chunk_seconds",
    "first_content": "chat_stream_time_to_first_content_seconds",
    "max_gap": "chat_stream_max_gap_seconds",
    "duration": "chat_stream_duration_seconds",
    "cut_after": "chat_stream_cut_after_seconds",
}


def _observe_certain(subject: Subject, kind: str, value: float, unsure: float, trace: Trace | None) -> None:
    """Observe a timing, or count it as discarded if it is too uncertain."""
    if certain(value, unsure):
        subject.observe(_HISTOGRAMS[kind], value, trace=trace)
    else:
        subject.add("chat_stream_timings_discarded_total", values=(kind,))


def _judge_objectives(subject: Subject, observation: Observation) -> None:
    for slo, good in (("availability", observation.available), ("first_chunk", observation.first_chunk_good)):
        subject.add("chat_stream_slo_probes_total", values=(slo,))
        subject.add("chat_stream_slo_good_total", float(good), (slo,))


def _export_last(subject: Subject, observation: Observation) -> None:
    """Set the gauges of the last probe; steps that it did not reach are absent."""
    ended = _ended(observation)
    subject.set("chat_stream_last_probe_success", float(observation.available))
    subject.set("chat_stream_last_probe_timestamp_seconds", ended)
    if observation.available:
        subject.set("chat_stream_last_success_timestamp_seconds", ended)
    steps = observation.steps
    for (step,) in STEPS:
        subject.set("chat_stream_last_step_seconds", steps.get(step), (step,))
    subject.set("chat_stream_output_tokens_per_second", observation.output_rate)
    subject.set("chat_stream_progress_ratio", observation.check.progress if observation.check else None)
    if observation.certificate_expiry is not None:
        subject.set("chat_stream_certificate_expiry_timestamp_seconds", observation.certificate_expiry)
    export_suspects(subject, observation.diagnosis)


def export_suspects(subject: Subject, suspicions: Iterable[Suspicion]) -> None:
    """Set the suspects of a target's incident."""
    suspects = {suspicion.suspect for suspicion in suspicions}
    for (suspect,) in SUSPECTS:
        subject.set("chat_stream_suspect", float(suspect in suspects), (suspect,))


def _take_state(metrics: TargetMetrics, observation: Observation) -> None:
    """Set the gauges that depend on several probes in a row."""
    metrics.state.take(
        available=observation.available,
        truncated=observation.verdict.truncated,
        confirm=observation.target.confirm,
        recover=observation.target.recover,
    )
    export_state(metrics)


def export_state(metrics: TargetMetrics) -> None:
    """Set the gauges of a target's state."""
    subject, state = metrics.subject, metrics.state
    subject.set("chat_stream_up", float(state.up))
    subject.set("chat_stream_consecutive_failures", state.failures)
    subject.set("chat_stream_consecutive_truncations", state.truncations)


def export_config(subject: Subject, target: Target, info: tuple[str, ...]) -> None:
    """Set the gauges of a target's config."""
    subject.set("chat_stream_target_info", 1, info)
    subject.set("chat_stream_interval_seconds", target.interval)
    subject.set("chat_stream_paused", float(target.paused))
    subject.set("chat_stream_slo_objective_ratio", target.slo.availability, ("availability",))
    subject.set("chat_stream_slo_objective_ratio", target.slo.first_chunk.objective, ("first_chunk",))
    subject.set("chat_stream_slo_first_chunk_threshold_seconds", target.slo.first_chunk.threshold)
    subject.set("chat_stream_alerts_info", 1, (target.alerts,))
    for (kind,) in THRESHOLDS:
        subject.set("chat_stream_threshold", getattr(target.thresholds, kind), (kind,))
    subject.set("chat_stream_budget_tokens_limit", target.tokens_per_day)
    if target.tokens_per_day is None:
        subject.set("chat_stream_budget_tokens_remaining", None)


def _ended(observation: Observation) -> float:
    return observation.timestamp.timestamp() + observation.duration


def _trace(observation: Observation) -> Trace | None:
    """Return the exemplar; None if the probe's id is not a text within OpenMetrics' limit."""
    if len(observation.probe_id) > _LONGEST_ID or not observation.probe_id.isprintable():
        return None
    return observation.probe_id, round(_ended(observation), 3)
