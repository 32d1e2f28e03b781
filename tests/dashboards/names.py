"""The metrics that rules and boards may build on, and how to find the metrics in an expression."""

import re

COUNTERS_AND_GAUGES = {
    "chat_monitor_build_info",
    "chat_monitor_config_hash",
    "chat_monitor_config_last_reload_success_timestamp_seconds",
    "chat_monitor_config_last_reload_successful",
    "chat_monitor_discovery_last_refresh_successful",
    "chat_monitor_events_dropped_total",
    "chat_monitor_history_bytes",
    "chat_monitor_http_requests_total",
    "chat_monitor_isolated",
    "chat_monitor_probe_errors_total",
    "chat_monitor_probes_in_flight",
    "chat_monitor_shard_index",
    "chat_monitor_shards",
    "chat_monitor_sink_errors_total",
    "chat_monitor_targets",
    "chat_monitor_unhandled_exceptions_total",
    "chat_stream_accepted_total",
    "chat_stream_budget_tokens_limit",
    "chat_stream_budget_tokens_remaining",
    "chat_stream_buffered_total",
    "chat_stream_certificate_expiry_timestamp_seconds",
    "chat_stream_chunks_total",
    "chat_stream_consecutive_failures",
    "chat_stream_consecutive_truncations",
    "chat_stream_failures_total",
    "chat_stream_interval_seconds",
    "chat_stream_last_probe_success",
    "chat_stream_last_probe_timestamp_seconds",
    "chat_stream_last_step_seconds",
    "chat_stream_last_success_timestamp_seconds",
    "chat_stream_malformed_events_total",
    "chat_stream_output_tokens_per_second",
    "chat_stream_paused",
    "chat_stream_probes_skipped_total",
    "chat_stream_probes_total",
    "chat_stream_progress_ratio",
    "chat_stream_reasoning_tokens_total",
    "chat_stream_received_bytes_total",
    "chat_stream_slo_first_chunk_threshold_seconds",
    "chat_stream_slo_good_total",
    "chat_stream_slo_objective_ratio",
    "chat_stream_slo_probes_total",
    "chat_stream_suspect",
    "chat_stream_target_info",
    "chat_stream_timings_discarded_total",
    "chat_stream_tokens_estimated",
    "chat_stream_tokens_total",
    "chat_stream_truncated_total",
    "chat_stream_unclean_ends_total",
    "chat_stream_up",
}

HISTOGRAMS = {
    "chat_monitor_event_loop_lag_seconds",
    "chat_monitor_schedule_delay_seconds",
    "chat_monitor_timing_uncertainty_seconds",
    "chat_stream_chunk_gap_seconds",
    "chat_stream_cut_after_seconds",
    "chat_stream_duration_seconds",
    "chat_stream_max_gap_seconds",
    "chat_stream_time_to_first_chunk_seconds",
    "chat_stream_time_to_first_content_seconds",
}

METRICS = COUNTERS_AND_GAUGES | {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "count", "sum")}

STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
IN_BRACKETS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
NAMES = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "group", "stddev", "stdvar"}


def metrics_in(expr: str) -> set[str]:
    """The names of the metrics an expression reads, whether they exist or not."""
    for noise in (STRINGS, IN_BRACKETS, LABEL_LISTS):
        expr = noise.sub(" ", expr)
    return set(NAMES.findall(expr)) - KEYWORDS - AGGREGATIONS
