"""Every metric of the contract in one table: name, type, labels with their closed values, and its description.

`docs/metrics.md`, the storage and the text format are derived from it; it imports no library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Literal

from monitor.judge.verdict import CAUSES, OUR_OWN, TRUNCATED, Outcome, Unclean
from monitor.record.parts import Suspect
from monitor.settings import Buckets


class MetricKind(StrEnum):
    """The Prometheus metric types that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(Enum):
    """The subject of a metric: each target, or the monitor itself."""

    TARGET = "target"
    MONITOR = "monitor"


class Lean(StrEnum):
    """How `[metrics] detail = "lean"` changes a family."""

    SAME = "same"
    OUT = "left out"


Values = tuple[str, ...]
Bounds = Literal["latency", "gap", "cut_after", "fine"]

COUNTER, GAUGE, HISTOGRAM = MetricKind
TARGET, MONITOR = Scope
SAME, OUT = Lean

ONE: tuple[Values, ...] = ((),)
"""The one series of a family without its own labels."""


def _each(*words: str) -> tuple[Values, ...]:
    return tuple((word,) for word in words)


def _pairs(outcomes: frozenset[Outcome]) -> tuple[Values, ...]:
    return tuple(
        (outcome.value, cause) for outcome, causes in CAUSES.items() if outcome in outcomes for cause in causes
    )


OUTCOMES = _each(*(outcome.value for outcome in Outcome if outcome not in OUR_OWN))
CUTS = tuple(pair for pair in _pairs(frozenset(CAUSES)) if (Outcome(pair[0]), pair[1]) in TRUNCATED)
OWN_FAULTS = _pairs(OUR_OWN)
CAUSES_OF_FAILURE = _pairs(frozenset(Outcome) - OUR_OWN)
UNCLEAN = _each(*Unclean)
STEPS = _each("dns", "connect", "tls", "request", "headers", "first_chunk", "stream")
SLOS = _each("availability", "first_chunk")
SUSPECTS = _each(*Suspect)
SKIPS = _each("overlap", "concurrency", "budget", "paused", "maintenance", "missed", "backoff")
THRESHOLDS = _each("truncation", "cuts", "wrong_content", "rate_limited", "gap", "certificate_expiry")
SINKS = _each("metrics", "log", "history")

FINE_BUCKETS = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
"""Buckets for the monitor's own timing errors, which are normally microseconds."""

MOST_FAILURES = 25
"""The most pairs of `chat_stream_failures_total` of one target, the most recent ones: it limits a target's series."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: `labels` are its own, beyond those of every series of its scope; `values` exist from the start.

    A label without `values` is open: its series appear when they are first used, and at most `most` are kept. `start`
    is a gauge's value before anything was measured; None is absent. `otel` is the corresponding OpenTelemetry metric.
    """

    name: str
    kind: MetricKind
    help: str
    labels: Values = ()
    values: tuple[Values, ...] = ONE
    lean: Lean = OUT
    bounds: Bounds | None = None
    start: float | None = None
    most: int | None = None
    otel: str = ""

    @property
    def scope(self) -> Scope:
        """The subject, by the prefix."""
        return TARGET if self.name.startswith("chat_stream_") else MONITOR

    @property
    def first(self) -> float | None:
        """The initial value of each series: 0 for counters and histograms, absent for a gauge without `start`."""
        return self.start if self.kind is GAUGE else 0.0


FAMILIES: tuple[Family, ...] = (
    # -- what was measured of a target -----------------------------------------------------------------------------
    Family("chat_stream_probes_total", COUNTER, "Scheduled probes, by outcome.",
           ("outcome",), OUTCOMES, SAME),
    Family("chat_stream_failures_total", COUNTER, "Failed scheduled probes (not ok or unverified), by cause.",
           ("outcome", "cause"), (), most=MOST_FAILURES),
    Family("chat_stream_accepted_total", COUNTER,
           "Scheduled probes answered with a 2xx head and a readable stream: the denominator of the truncation ratio.",
           lean=SAME),
    Family("chat_stream_truncated_total", COUNTER, "Accepted streams whose end never came, by outcome and cause.",
           ("outcome", "cause"), CUTS, SAME),
    Family("chat_stream_unclean_ends_total", COUNTER,
           "Complete streams whose connection or body failed after the protocol's end.", ("cause",), UNCLEAN),
    Family("chat_stream_buffered_total", COUNTER,
           "Streams of five or more chunks that arrived in one or two pieces: a proxy buffers."),
    Family("chat_stream_malformed_events_total", COUNTER, "Events that did not decode."),
    Family("chat_stream_time_to_first_chunk_seconds", HISTOGRAM,
           "From the request to the first output (text, reasoning or tool call), wherever it was reached.",
           lean=SAME, bounds="latency", otel="gen_ai.client.operation.time_to_first_chunk"),
    Family("chat_stream_time_to_first_content_seconds", HISTOGRAM,
           "From the request to the first visible text, wherever it was reached.", bounds="latency"),
    Family("chat_stream_chunk_gap_seconds", HISTOGRAM, "Time between two network arrivals that carried output.",
           bounds="gap", otel="gen_ai.client.operation.time_per_output_chunk"),
    Family("chat_stream_max_gap_seconds", HISTOGRAM, "The longest gap of each stream.", lean=SAME, bounds="gap"),
    Family("chat_stream_duration_seconds", HISTOGRAM, "From the request to the end, of ok and unverified probes.",
           lean=SAME, bounds="latency", otel="gen_ai.client.operation.duration"),
    Family("chat_stream_cut_after_seconds", HISTOGRAM, "From the request to the moment a truncated stream ended.",
           bounds="cut_after"),
    Family("chat_stream_timings_discarded_total", COUNTER,
           "Timings left out of the histograms: less certain than 1 ms and than a tenth of their value.",
           ("kind",), _each("gap", "max_gap", "first_chunk", "first_content", "duration", "cut_after")),
    Family("chat_stream_last_step_seconds", GAUGE, "How long each step of the last probe took; absent if not reached.",
           ("step",), STEPS),
    Family("chat_stream_chunks_total", COUNTER, "Output events received."),
    Family("chat_stream_received_bytes_total", COUNTER, "Payload bytes received."),
    Family("chat_stream_tokens_total", COUNTER,
           "Tokens of all probes, whatever started them; output includes reasoning.",
           ("kind",), _each("input", "output"), SAME, otel="gen_ai.client.token.usage"),
    Family("chat_stream_price_total", COUNTER,
           "Money that these tokens cost; only if the config has a price for the model.",
           ("currency",), (), most=1),
    Family("chat_stream_reasoning_tokens_total", COUNTER, "Output tokens of all probes that were reasoning."),
    Family("chat_stream_tokens_estimated", GAUGE, "1 if the server counted no tokens and they were estimated."),
    Family("chat_stream_output_tokens_per_second", GAUGE,
           "Output rate of the last probe: (output - 1) / (last chunk - first chunk)."),
    Family("chat_stream_progress_ratio", GAUGE, "The share of the requested answer that the last probe received."),
    Family("chat_stream_last_probe_success", GAUGE, "1 if the last scheduled probe was available, else 0."),
    Family("chat_stream_up", GAUGE, "0 after `confirm` failures in a row, 1 again after `recover` successes in a row.",
           lean=SAME),
    Family("chat_stream_consecutive_failures", GAUGE, "Scheduled probes in a row, up to the last, that failed.",
           lean=SAME),
    Family("chat_stream_consecutive_truncations", GAUGE,
           "Scheduled probes in a row, up to the last, that were truncated.", lean=SAME),
    Family("chat_stream_last_probe_timestamp_seconds", GAUGE, "Unix time at which the last scheduled probe ended.",
           lean=SAME),
    Family("chat_stream_last_success_timestamp_seconds", GAUGE,
           "Unix time at which the last successful scheduled probe ended."),
    Family("chat_stream_certificate_expiry_timestamp_seconds", GAUGE,
           "Unix time at which the last known leaf certificate expires.", lean=SAME),
    Family("chat_stream_target_info", GAUGE, "The target's protocol, host, model and upstream; always 1.",
           ("protocol", "host", "model", "upstream"), (), SAME, most=1),
    Family("chat_stream_interval_seconds", GAUGE, "The configured interval.", lean=SAME),
    Family("chat_stream_paused", GAUGE, "1 while the target is paused.", lean=SAME),
    Family("chat_stream_slo_probes_total", COUNTER, "Scheduled probes that an objective judged.",
           ("slo",), SLOS, SAME),
    Family("chat_stream_slo_good_total", COUNTER, "Scheduled probes that an objective found good.",
           ("slo",), SLOS, SAME),
    Family("chat_stream_slo_objective_ratio", GAUGE, "The configured objective.", ("slo",), SLOS, SAME),
    Family("chat_stream_slo_first_chunk_threshold_seconds", GAUGE, "The threshold of a good first chunk.", lean=SAME),
    Family("chat_stream_alerts_info", GAUGE, "Which alerts the target may raise; always 1.",
           ("alerts",), (), SAME, most=1),
    Family("chat_stream_threshold", GAUGE,
           "What the target's alerts compare with: ratios, cuts in a row, and seconds of a gap or before an expiry.",
           ("kind",), THRESHOLDS, SAME),
    Family("chat_stream_budget_tokens_limit", GAUGE, "Tokens a day, if the target has a budget.", lean=SAME),
    Family("chat_stream_budget_tokens_remaining", GAUGE, "What is left of them today.", lean=SAME),
    Family("chat_stream_suspect", GAUGE, "1 while the target's incident points at this suspect; 0 after its end.",
           ("suspect",), SUSPECTS, start=0.0),
    Family("chat_stream_probes_skipped_total", COUNTER, "Scheduled probes that were not made, by reason.",
           ("reason",), SKIPS),
    # -- the monitor itself ----------------------------------------------------------------------------------------
    Family("chat_monitor_build_info", GAUGE, "The versions; always 1.", ("version", "python", "aiohttp"), (), most=1),
    Family("chat_monitor_info", GAUGE, "The monitor's location and the URL of its pages; always 1.",
           ("location", "external_url"), (), most=1),
    Family("chat_monitor_config_last_reload_successful", GAUGE, "1 if the last (re)load of the config succeeded."),
    Family("chat_monitor_config_last_reload_success_timestamp_seconds", GAUGE,
           "Unix time of the last successful (re)load of the config."),
    Family("chat_monitor_config_hash", GAUGE, "The first 48 bits of the digest of the config in use."),
    Family("chat_monitor_secret_reloads_total", COUNTER,
           "Changed files of secrets, CAs and certificates that were loaded (success) or could not be used (failure).",
           ("result",), _each("success", "failure")),
    Family("chat_monitor_probes_in_flight", GAUGE, "Probes in flight.", start=0.0),
    Family("chat_monitor_targets", GAUGE, "Targets that this monitor probes.", start=0.0),
    Family("chat_monitor_shard_index", GAUGE, "Which shard this monitor is, from 0.", start=0.0),
    Family("chat_monitor_shards", GAUGE, "How many monitors share the targets.", start=1.0),
    Family("chat_monitor_isolated", GAUGE,
           "1 while every target fails before its head: most likely the monitor's own network.", start=0.0),
    Family("chat_monitor_schedule_delay_seconds", HISTOGRAM, "How late scheduled probes started.", bounds="gap"),
    Family("chat_monitor_own_delay_seconds", HISTOGRAM,
           "The monitor's own delay until each request was sent; it is not part of any time of a target.",
           bounds="gap"),
    Family("chat_monitor_event_loop_lag_seconds", HISTOGRAM, "How late the event loop woke.", bounds="gap"),
    Family("chat_monitor_timing_uncertainty_seconds", HISTOGRAM,
           "The largest uncertainty among the clocks of each probe that read a body.", bounds="fine"),
    Family("chat_monitor_probe_errors_total", COUNTER,
           "Probes that the monitor stopped or that failed by its own fault; no other metric counts them.",
           ("outcome", "cause"), OWN_FAULTS),
    Family("chat_monitor_sink_errors_total", COUNTER, "Times that a sink failed.", ("sink",), SINKS),
    Family("chat_monitor_events_dropped_total", COUNTER, "Events or messages that a sink dropped.", ("sink",), SINKS),
    Family("chat_monitor_unhandled_exceptions_total", COUNTER, "Unexpected exceptions: bugs."),
    Family("chat_monitor_discovery_last_refresh_successful", GAUGE,
           "1 if the last refresh of this source of targets succeeded.", ("source",), ()),
    Family("chat_monitor_history_bytes", GAUGE, "Size of the history on disk."),
    Family("chat_monitor_http_requests_total", COUNTER, "Requests answered, by handler and status.",
           ("handler", "code"), ()),
)  # fmt: skip

RESERVED = frozenset(
    {"target", "le", "quantile"} | {label for row in FAMILIES if row.scope is TARGET for label in row.labels}
)
"""Label names that the config must not use: ours and those of the formats."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def label_mistakes(names: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the config's label names, one sentence each."""
    for name in names:
        if not _LABEL_NAME.fullmatch(name):
            yield f"label name {name!r} is not [a-zA-Z_][a-zA-Z0-9_]*"
        elif name.startswith("__") or name in RESERVED:
            yield f"label name {name!r} is reserved"
        elif names.count(name) > 1:
            yield f"label name {name!r} is given twice"


def chosen(scope: Scope, detail: str) -> dict[Family, bool]:
    """Return the families of `scope` in order, each with whether it is exported at this detail."""
    lean = detail == "lean" and scope is TARGET
    return {row: not (lean and row.lean is OUT) for row in FAMILIES if row.scope is scope}


def bounds_of(family: Family, buckets: Buckets) -> tuple[float, ...] | None:
    """Return a histogram's upper bounds without +Inf; None for other types."""
    if family.bounds is None:
        return None
    bounds: tuple[float, ...] = FINE_BUCKETS if family.bounds == "fine" else getattr(buckets, family.bounds)
    if not all(map(math.isfinite, bounds)) or list(bounds) != sorted(set(bounds)):
        raise ValueError(f"buckets of {family.bounds} must rise, and +Inf is implied: {bounds}")
    return bounds


def markdown(scope: Scope) -> str:
    """Return the table of one scope's metrics for the docs; only a target's depend on the detail."""
    columns = ("metric", "type", "labels", "says", *(("lean", "OpenTelemetry") if scope is TARGET else ()))
    rows = [columns, ("---",) * len(columns)]
    for row in FAMILIES:
        if row.scope is scope:
            labels = "; ".join(_label_column(row)) or "-"
            otel = f"`{row.otel}`" if row.otel else ""
            cells = (f"`{row.name}`", row.kind.value, labels, row.help, row.lean.value, otel)
            rows.append(cells[: len(columns)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _label_column(row: Family) -> Iterator[str]:
    for index, label in enumerate(row.labels):
        words = dict.fromkeys(values[index] for values in row.values)
        yield f"`{label}`: {', '.join(words)}" if words else f"`{label}`"
