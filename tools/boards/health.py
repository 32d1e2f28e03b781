"""The board of the monitor itself: whether it runs, is on time, has certain clocks, and delivers its results."""

from grafana_foundation_sdk.builders import dashboard, stat, statetimeline, timeseries

from tools.boards.parts import (
    BAD,
    BYTES,
    COUNT,
    FAIR,
    GOOD,
    SECONDS,
    SHARE,
    bars,
    board,
    described,
    instances,
    lines,
    now,
    number,
    over_time,
    own,
    states,
    steps,
    words,
)

RANGE, STEP = "$__range", "$__rate_interval"


def health() -> dashboard.Dashboard:
    """Return the board, to check before results about targets are trusted."""
    return (
        board(
            "chat-monitor-health",
            "Chat streams: monitor health",
            "The monitors themselves: whether they answer, whether they are on time, and whether what they measured "
            "arrives. Check that nothing here is red before you blame a target.",
            instances(),
        )
        .with_panel(versions())
        .with_panel(isolated())
        .with_panel(config())
        .with_panel(own_faults())
        .with_panel(watched())
        .with_panel(shards())
        .with_row(dashboard.Row("On time"))
        .with_panel(in_flight())
        .with_panel(lag())
        .with_panel(delays())
        .with_panel(staleness())
        .with_panel(skipped())
        .with_panel(uncertain())
        .with_row(dashboard.Row("Results"))
        .with_panel(sinks())
        .with_panel(probe_errors())
        .with_panel(requests())
        .with_panel(history())
        .with_row(dashboard.Row("Config and sources"))
        .with_panel(reloads())
        .with_panel(configs())
        .with_panel(secret_reloads())
        .with_panel(discovery())
        .with_row(dashboard.Row("Process"))
        .with_panel(processor())
        .with_panel(memory())
        .with_panel(descriptors())
    )


def counted(metric: str, *matchers: str, by: str = "", over: str = STEP) -> str:
    """How much one of the monitors' counters rose, added up."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (increase({own(metric, *matchers)}[{over}]))"


def percentile(rank: float, histogram: str, over: str = "$window") -> str:
    """A percentile for each monitor; no series if nothing was observed."""
    return f"histogram_quantile({rank}, sum by (instance, le) (rate({own(f'{histogram}_bucket')}[{over}]))) >= 0"


# ---- at a glance


def versions() -> stat.Panel:
    """The monitors that are scraped."""
    return (
        described(
            number(4),
            "Versions",
            "Which versions report? Monitors that are scraped now, by version. None: see the runbook of "
            "ChatMonitorAbsent.",
            COUNT,
            now(f"count by (version) ({own('chat_monitor_build_info')})", "{{version}}"),
        )
        .no_value("none")
        .thresholds(steps(GOOD))
    )


def isolated() -> stat.Panel:
    """Whether a monitor is isolated."""
    return (
        described(
            number(4),
            "Isolated",
            "Is a monitor cut off? Yes while every target of a monitor fails before its response head: then its "
            "alerts about targets are meaningless.",
            COUNT,
            now(f"max({own('chat_monitor_isolated')})"),
        )
        .mappings(words(_0=("no", GOOD), _1=("yes", BAD)))
        .thresholds(steps(GOOD, (1, BAD)))
    )


def config() -> stat.Panel:
    """Whether the last reload succeeded."""
    return (
        described(
            number(4),
            "Last reload",
            "Did the last reload succeed? No: a monitor runs with an older config than its file.",
            COUNT,
            now(f"min({own('chat_monitor_config_last_reload_successful')})"),
        )
        .mappings(words(_0=("no", BAD), _1=("yes", GOOD)))
        .thresholds(steps(BAD, (1, GOOD)))
    )


def own_faults() -> stat.Panel:
    """The monitors' internal errors."""
    return described(
        number(4),
        "Faults of monitors",
        "How often did a monitor fail? Over the whole time range: probes that could not be judged because of "
        "the monitor or its machine, and unexpected exceptions. Each should be 0.",
        COUNT,
        now(counted("chat_monitor_probe_errors_total", 'outcome="inconclusive"', over=RANGE), "probes"),
        now(counted("chat_monitor_unhandled_exceptions_total", over=RANGE), "exceptions"),
    ).thresholds(steps(GOOD, (0.5, BAD)))


def watched() -> stat.Panel:
    """The number of targets."""
    return described(
        number(4),
        "Targets",
        "How many targets are probed? Targets of all chosen monitors together; one that two of them probe counts "
        "twice.",
        COUNT,
        now(f"sum({own('chat_monitor_targets')})"),
    )


def shards() -> stat.Panel:
    """The shards, expected and reporting."""
    return described(
        number(4),
        "Shards",
        "Is a shard missing? The number of shards by the monitors' configs, and how many different ones report.",
        COUNT,
        now(f"max({own('chat_monitor_shards')})", "wanted"),
        now(f"count({different('chat_monitor_shard_index')})", "there"),
    )


def different(metric: str) -> str:
    """One series for each value that any monitor has."""
    return f'count_values("value", {own(metric)})'


# ---- on time


def in_flight() -> timeseries.Panel:
    """The probes in flight."""
    return described(
        lines(12),
        "Probes in flight",
        "How many probes are in flight? Probes that are running now. At the limit of `[limits] concurrency` others "
        "wait, and may be skipped.",
        COUNT,
        over_time(f"sum by (instance) ({own('chat_monitor_probes_in_flight')})", "{{instance}}"),
    )


def lag() -> timeseries.Panel:
    """The lag of the event loop."""
    return described(
        lines(12),
        "Event loop lag, p99",
        "How late does the event loop wake up? The 99th percentile. From 100 ms on the alert ChatMonitorLoopLag warns:"
        " timings then depend as much on the monitor's machine as on the targets.",
        SECONDS,
        over_time(percentile(0.99, "chat_monitor_event_loop_lag_seconds", STEP), "{{instance}}"),
    )


def delays() -> timeseries.Panel:
    """Whether the clocks can be trusted."""
    return described(
        lines(12),
        "Start delay and uncertainty, p99",
        "How late do probes start, and how certain are their clocks? 99th percentiles over the chosen window: how late"
        " scheduled probes start, how long the monitor itself delayed them until the request was sent, and the "
        "largest uncertainty among the clocks of a probe, which is normally microseconds.",
        SECONDS,
        over_time(percentile(0.99, "chat_monitor_schedule_delay_seconds"), "{{instance}} starts late"),
        over_time(percentile(0.99, "chat_monitor_own_delay_seconds"), "{{instance}} own delay"),
        over_time(percentile(0.99, "chat_monitor_timing_uncertainty_seconds"), "{{instance}} uncertainty"),
    )


def staleness() -> timeseries.Panel:
    """The age of the oldest result."""
    age = f"(time() - {own('chat_stream_last_probe_timestamp_seconds')})"
    return described(
        lines(12),
        "Age of the oldest result",
        "How many intervals old is the oldest result of a target? About one is normal, plus the time a probe "
        "takes. More: a target is paused, its probes are skipped, or the monitor hangs.",
        COUNT,
        over_time(f"max by (instance) ({age} / {own('chat_stream_interval_seconds')})", "{{instance}}"),
    ).decimals(1)


def skipped() -> timeseries.Panel:
    """Skipped probes."""
    return described(
        bars(12),
        "Skipped probes",
        "Which probes were skipped, and why? Probes that were due and not made, one bar for at least five minutes.",
        COUNT,
        over_time(f"{counted('chat_stream_probes_skipped_total', by='reason')} > 0", "{{reason}}"),
    ).no_value("none was skipped")


def uncertain() -> timeseries.Panel:
    """Timings that are too uncertain to count."""
    return described(
        bars(12),
        "Discarded timings",
        "How many timings were too uncertain to count? Timings left out of the histograms, because the monitor was "
        "too busy to measure them exactly.",
        COUNT,
        over_time(counted("chat_stream_timings_discarded_total", by="kind"), "{{kind}}"),
    )


# ---- what becomes of results


def sinks() -> timeseries.Panel:
    """Whether results arrive."""
    return described(
        bars(6),
        "Sink errors and drops",
        "Do results reach the log and the history? Failures of a sink, and events it dropped; both should be 0.",
        COUNT,
        over_time(counted("chat_monitor_sink_errors_total", by="sink"), "{{sink}} failed"),
        over_time(counted("chat_monitor_events_dropped_total", by="sink"), "{{sink}} dropped"),
    )


def probe_errors() -> timeseries.Panel:
    """Probes without a result."""
    return described(
        bars(6),
        "Aborted and inconclusive probes",
        "Which probes have no result because of the monitor? Probes that the monitor stopped (aborted) or could not "
        "judge (inconclusive). They count in no ratio.",
        COUNT,
        over_time(counted("chat_monitor_probe_errors_total", by="outcome, cause"), "{{outcome}}/{{cause}}"),
    )


def requests() -> timeseries.Panel:
    """The HTTP requests to the monitor."""
    return described(
        bars(6),
        "HTTP requests",
        "Which requests does the monitor get, and how does it answer? Requests by route and status, scrapes included.",
        COUNT,
        over_time(f"{counted('chat_monitor_http_requests_total', by='handler, code')} > 0", "{{handler}} {{code}}"),
    )


def history() -> timeseries.Panel:
    """The size of the history."""
    return described(
        lines(6),
        "History size",
        "How large is the history on disk? The file of recent probes, which `[history] max_bytes` bounds. Empty "
        "if it is kept in memory.",
        BYTES,
        over_time(f"max by (instance) ({own('chat_monitor_history_bytes')})", "{{instance}}"),
    ).no_value("in memory")


# ---- config and sources


def reloads() -> stat.Panel:
    """How old the config is."""
    return described(
        number(6).height(7),
        "Age of the config",
        "When was the config last loaded? How long ago each monitor last loaded a valid config.",
        SECONDS,
        now(f"time() - {own('chat_monitor_config_last_reload_success_timestamp_seconds')}", "{{instance}}"),
    )


def configs() -> stat.Panel:
    """Whether all monitors use the same config."""
    return described(
        number(6).height(7),
        "Different configs",
        "How many different configs are in use? By their digests. Monitors that share one config and differ here "
        "have not all been reloaded.",
        COUNT,
        now(f"count({different('chat_monitor_config_hash')})"),
    ).thresholds(steps(GOOD, (2, FAIR)))


def secret_reloads() -> timeseries.Panel:
    """Whether changed keys and certificates are in use."""
    return described(
        lines(6, 7),
        "Changed secrets",
        "Are changed keys, CAs and certificates in use? Failure: a file cannot be used, and the old secret stays.",
        COUNT,
        over_time(counted("chat_monitor_secret_reloads_total", by="result"), "{{result}}"),
    )


def discovery() -> statetimeline.Panel:
    """Whether the sources of targets can be read."""
    return (
        described(
            states(6, 7),
            "Discovery",
            "Can the sources of targets be read? The last refresh of each `[[discovery]]`; empty if there are none.",
            COUNT,
            over_time(f"min by (source) ({own('chat_monitor_discovery_last_refresh_successful')})", "{{source}}"),
        )
        .no_value("no discovery")
        .mappings(words(_0=("failed", BAD), _1=("read", GOOD)))
        .thresholds(steps(BAD, (1, GOOD)))
    )


# ---- process


def processor() -> timeseries.Panel:
    """Whether one core is enough."""
    seconds = own("process_cpu_seconds_total", 'job=~".*chat-monitor.*"')
    return described(
        lines(8),
        "CPU",
        "How much of a core does each monitor use? At 100% it is overloaded, and its timings suffer: divide the "
        "targets among several (`--shard`).",
        SHARE,
        over_time(f"rate({seconds}[{STEP}])", "{{instance}}"),
    )


def memory() -> timeseries.Panel:
    """The memory of each monitor."""
    return described(
        lines(8),
        "Memory",
        "How much memory does each monitor take? Resident memory.",
        BYTES,
        over_time(own("process_resident_memory_bytes", 'job=~".*chat-monitor.*"'), "{{instance}}"),
    )


def descriptors() -> timeseries.Panel:
    """The file descriptors in use."""
    job = 'job=~".*chat-monitor.*"'
    return described(
        lines(8),
        "File descriptors",
        "How many of its file descriptors are in use? If none are left, probes are inconclusive.",
        SHARE,
        over_time(f"{own('process_open_fds', job)} / {own('process_max_fds', job)}", "{{instance}}"),
    )
