"""Tests of one probe's gauges: literal observations, read by prometheus_client's own parser."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from monitor.record.observation import Observation
from monitor.sinks.metrics.one_probe import exposition
from tests.web import samples

Series = tuple[str, tuple[tuple[str, str], ...]]


def read(observation: Observation) -> dict[Series, float]:
    """Return every series of an observation's exposition; each is a gauge."""
    text, content_type = exposition(observation)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(text.decode()))
    assert {family.type for family in families} == {"gauge"}
    return {(it.name, tuple(sorted(it.labels.items()))): it.value for family in families for it in family.samples}


def test_a_complete_probe() -> None:
    """The probe succeeded; times, tokens and the rate are those of its event."""
    series = read(replace(samples.complete(), certificate_expiry=1.8e9))
    assert series["probe_success", ()] == 1
    assert series["probe_duration_seconds", ()] == samples.complete().duration
    assert series["probe_http_status_code", ()] == 200
    assert series["chat_stream_outcome", (("cause", ""), ("outcome", "ok"), ("phase", "end"))] == 1
    assert series["chat_stream_time_to_first_chunk_seconds", ()] == 0.21
    assert series["chat_stream_last_step_seconds", (("step", "dns"),)] == 0.001
    assert series["chat_stream_tokens", (("kind", "output"),)] == 41
    assert series["chat_stream_chunks", ()] == 41
    assert series["chat_stream_progress_ratio", ()] == 1
    assert series["chat_stream_certificate_expiry_timestamp_seconds", ()] == 1.8e9


def test_a_cut_probe() -> None:
    """The probe failed, with outcome and cause of its event; without a token count there are no tokens."""
    series = read(samples.cut())
    assert (series["probe_success", ()], series["chat_stream_truncated", ()]) == (0, 1)
    labels = (("cause", "incomplete_body"), ("outcome", "truncated"), ("phase", "stream"))
    assert series["chat_stream_outcome", labels] == 1
    assert not any(name.startswith("chat_stream_tokens") for name, _ in series)


def test_what_was_not_reached_is_absent() -> None:
    """Without a connection, status, first chunk and gap are absent, not 0."""
    names = {name for name, _ in read(samples.unreachable())}
    assert not names & {
        "probe_http_status_code", "chat_stream_time_to_first_chunk_seconds", "chat_stream_max_gap_seconds",
        "chat_stream_progress_ratio", "chat_stream_certificate_expiry_timestamp_seconds",
    }  # fmt: skip
