"""One probe as gauges in its own registry: the response of `GET /probe`, as in blackbox_exporter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from monitor.record.observation import Observation
from monitor.stream.endings import Mark
from monitor.stream.statistics import buffered, gap_figures, uncertainty

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Gauge(NamedTuple):
    """A gauge: its name, description, and number for each set of labels; None is omitted."""

    name: str
    about: str
    numbers: Mapping[tuple[str, ...], float | None]
    labels: tuple[str, ...] = ()


def exposition(observation: Observation) -> tuple[bytes, str]:
    """Return the text of one probe's gauges and its content type; steps that were not reached are absent."""
    registry = CollectorRegistry()
    for name, about, numbers, labels in _gauges(observation):
        present = {values: number for values, number in numbers.items() if number is not None}
        if not present:
            continue
        gauge = Gauge(name, about, labels, registry=registry)
        for values, number in present.items():
            (gauge.labels(*values) if values else gauge).set(number)
    return generate_latest(registry), CONTENT_TYPE


def _gauges(observation: Observation) -> Iterator[_Gauge]:
    line, verdict = observation.recording, observation.verdict
    yield _one("probe_success", "Whether the target was available.", observation.available)
    yield _one("probe_duration_seconds", "From the request to the stream's end.", observation.duration)
    yield _one("probe_http_status_code", "The status of the response.", line.head.status if line.head else None)
    yield _Gauge(
        "chat_stream_outcome",
        "The outcome and cause of the probe; always 1.",
        {(verdict.outcome.value, verdict.cause or "", verdict.phase.value): 1.0},
        ("outcome", "cause", "phase"),
    )
    yield _one("chat_stream_accepted", "Whether the head was 2xx and the stream could be read.", verdict.accepted)
    yield _one("chat_stream_truncated", "Whether it was accepted and its end never came.", verdict.truncated)
    yield _one("chat_stream_unclean_end", "Whether the connection failed after the end.", verdict.unclean is not None)
    yield _one("chat_stream_buffered", "Whether a proxy held the stream back.", buffered(line))
    yield _one("chat_stream_time_to_first_chunk_seconds", "Time to the first output.", line.marks.get(Mark.FIRST_CHUNK))
    yield _one(
        "chat_stream_time_to_first_content_seconds",
        "Time to the first visible text.",
        line.marks.get(Mark.FIRST_CONTENT),
    )
    apart = gap_figures(line)
    yield _one("chat_stream_max_gap_seconds", "The longest gap.", apart.max if apart else None)
    yield _Gauge(
        "chat_stream_last_step_seconds",
        "How long each step took.",
        {(step,): seconds for step, seconds in observation.steps.items()},
        ("step",),
    )
    yield _one("chat_stream_chunks", "Pieces of output received.", line.chunks)
    yield _one("chat_stream_received_bytes", "Bytes of the body received.", line.bytes)
    yield from _tokens(observation)
    yield _one(
        "chat_stream_progress_ratio",
        "The share of the answer that was received.",
        observation.check.progress if observation.check else None,
    )
    yield _one(
        "chat_stream_certificate_expiry_timestamp_seconds",
        "When the certificate expires.",
        observation.certificate_expiry,
    )
    yield _one("chat_stream_timing_uncertainty_seconds", "The uncertainty of these times.", uncertainty(line))
    ended = observation.timestamp.timestamp() + observation.duration
    yield _one("chat_stream_last_probe_timestamp_seconds", "Unix time at which this probe ended.", ended)


def _tokens(observation: Observation) -> Iterator[_Gauge]:
    if observation.tokens is None:
        return
    numbers: dict[tuple[str, ...], float | None] = {
        ("input",): observation.tokens.input,
        ("output",): observation.tokens.output,
    }
    yield _Gauge("chat_stream_tokens", "Tokens that the probe spent.", numbers, ("kind",))
    yield _one("chat_stream_reasoning_tokens", "Those of the output that were reasoning.", observation.tokens.reasoning)
    yield _one("chat_stream_tokens_estimated", "Whether the server counted none.", observation.tokens.estimated)
    yield _one("chat_stream_output_tokens_per_second", "The rate of the output.", observation.output_rate)


def _one(name: str, about: str, number: float | None) -> _Gauge:
    return _Gauge(name, about, {(): number})
