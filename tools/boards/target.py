"""The board of one target: steps, gaps, causes, and links from points to their probes."""

from grafana_foundation_sdk.builders import bargauge, dashboard, heatmap, stat, statetimeline, timeseries

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
    budget_left,
    described,
    dots,
    good_share,
    heats,
    in_buckets,
    increase,
    layers,
    limit,
    lines,
    now,
    number,
    objective,
    of,
    one_target,
    over_time,
    quantile,
    ranking,
    setting,
    share,
    states,
    steps,
    with_exemplars,
    words,
)

RANGE, STEP = "$__range", "$__rate_interval"


def target() -> dashboard.Dashboard:
    """Return the board, from the current state to the costs."""
    return (
        board(
            "chat-monitor-target",
            "Chat streams: target",
            "One target: the time of each step, its cuts and causes, its answers. A point of the first-chunk panel "
            "that is an exemplar links to the page of its probe.",
            one_target("target", "Target", "The target to show."),
        )
        .with_panel(state())
        .with_panel(cut())
        .with_panel(good("availability", "Availability", "How many answers were complete?"))
        .with_panel(good("first_chunk", "First chunks in time", "Did first chunks come in time?"))
        .with_panel(left())
        .with_panel(identity())
        .with_row(dashboard.Row("Time"))
        .with_panel(where_time_goes())
        .with_panel(first_chunk_percentiles())
        .with_panel(first_chunk_heat())
        .with_panel(gap_heat())
        .with_panel(pauses())
        .with_panel(durations())
        .with_row(dashboard.Row("Truncation"))
        .with_panel(causes())
        .with_panel(cuts())
        .with_panel(cut_after())
        .with_panel(progress())
        .with_panel(suspects())
        .with_panel(oddities())
        .with_row(dashboard.Row("Traffic and cost"))
        .with_panel(outcomes())
        .with_panel(throughput())
        .with_panel(tokens())
        .with_panel(volume())
        .with_panel(skipped())
        .with_panel(token_budget())
        .with_panel(money())
        .with_row(dashboard.Row("Deadlines and trust"))
        .with_panel(streaks())
        .with_panel(burn())
        .with_panel(certificate())
        .with_panel(discarded())
    )


# ---- now


def state() -> stat.Panel:
    """Up, down or paused."""
    return (
        described(
            number(4),
            "State",
            "Is it up? The state confirmed by several failures in a row, and the last probe alone.",
            COUNT,
            now(f"min by (target) ({of('chat_stream_up')})", "confirmed"),
            now(f"min by (target) ({of('chat_stream_last_probe_success')})", "last probe"),
            now(f"1 - max by (target) ({of('chat_stream_paused')})", "running"),
        )
        .mappings(words(_0=("no", BAD), _1=("yes", GOOD)))
        .thresholds(steps(BAD, (1, GOOD)))
    )


def cut() -> stat.Panel:
    """Its truncation ratio."""
    truncated, accepted = (
        increase(f"chat_stream_{name}_total", by="", over=RANGE) for name in ("truncated", "accepted")
    )
    return described(
        number(4),
        "Streams cut",
        "How many streams are cut short? Accepted streams that did not reach their end, by all accepted streams, "
        "over the whole time range.",
        SHARE,
        now(share(truncated, accepted)),
    ).thresholds(steps(GOOD, (0.01, FAIR), (0.05, BAD)))


def good(slo: str, title: str, question: str) -> stat.Panel:
    """One objective; exact, because each probe is judged by it."""
    return described(
        number(4),
        title,
        f"{question} Probes that were good by the SLO `{slo}`, over the whole time range, beside the objective.",
        SHARE,
        now(good_share(slo), "reached"),
        now(objective(slo), "objective"),
    ).decimals(2)


def left() -> bargauge.Panel:
    """Both error budgets."""
    return (
        described(
            ranking(4, 4),
            "Error budget left",
            "How much error budget is left? Of the failures that each objective allows over the chosen time range, "
            "the share not used up; below 0 the budget is spent.",
            SHARE,
            now(budget_left("availability"), "availability"),
            now(budget_left("first_chunk"), "first chunk"),
        )
        .min(-1)
        .max(1)
        .thresholds(steps(BAD, (0, FAIR), (0.25, GOOD)))
    )


def identity() -> stat.Panel:
    """The target's facts, and its interval."""
    return described(
        number(4),
        "Target and interval",
        "What is probed, and how often? Its protocol, host and model; the number is the interval.",
        SECONDS,
        now(
            f"max by (target) ({of('chat_stream_interval_seconds')})"
            f" * on (target) group_right () {of('chat_stream_target_info')}",
            "{{protocol}} {{host}} {{model}}",
        ),
    )


# ---- time


def where_time_goes() -> timeseries.Panel:
    """The steps, stacked: a step that grew is visible."""
    return described(
        layers(12),
        "Time by step",
        "Where does the time of a probe go? The steps of the last probe on top of each other, from the lookup of "
        "the name to the last chunk. A step that was not reached is missing.",
        SECONDS,
        over_time(f"max by (step) ({of('chat_stream_last_step_seconds')})", "{{step}}"),
    )


def first_chunk_percentiles() -> timeseries.Panel:
    """Percentiles, with single probes as exemplars."""
    histogram = "chat_stream_time_to_first_chunk_seconds"
    content = "chat_stream_time_to_first_content_seconds"
    return described(
        lines(12),
        "Time to first chunk",
        "How late are first chunks, and which probes were late? Percentiles over the chosen window, of every "
        "stream that had a first chunk; content is the first visible text, which reasoning models send later. A "
        "dot is one probe: its id links to the probe's page, if the data source has the link (see "
        "docs/alerting.md).",
        SECONDS,
        with_exemplars(quantile(0.95, histogram), "p95"),
        over_time(quantile(0.5, histogram), "p50"),
        over_time(quantile(0.5, content), "p50 of content"),
        over_time(f"max by (target) ({of('chat_stream_slo_first_chunk_threshold_seconds')})", "allowed"),
    ).override_by_name("allowed", limit())


def first_chunk_heat() -> heatmap.Panel:
    """The whole distribution."""
    return described(
        heats(12),
        "Time to first chunk, distribution",
        "How are the times to the first chunk distributed? How many probes fell into which bucket. Two bands mean "
        "two ways of serving: a warm cache and a cold one, or two replicas.",
        COUNT,
        in_buckets(increase("chat_stream_time_to_first_chunk_seconds_bucket", by="le", over=STEP)),
    )


def gap_heat() -> heatmap.Panel:
    """Every gap of every stream."""
    return described(
        heats(12),
        "Gaps, distribution",
        "How even does the output flow? How many gaps between two arrivals fell into which bucket. A band far above"
        " the others is a repeated pause.",
        COUNT,
        in_buckets(increase("chat_stream_chunk_gap_seconds_bucket", by="le", over=STEP)),
    )


def pauses() -> timeseries.Panel:
    """The longest pauses, as users notice them."""
    return described(
        lines(12),
        "Longest gap",
        "How long does a stream pause at its worst? The longest gap of each stream: percentiles over the chosen "
        "window. Above the dashed 5 s for one stream in ten the alert ChatStreamLongGaps warns.",
        SECONDS,
        over_time(quantile(0.9, "chat_stream_max_gap_seconds"), "p90"),
        over_time(quantile(0.5, "chat_stream_max_gap_seconds"), "p50"),
        over_time("vector(5)", "warning"),
    ).override_by_name("warning", limit())


def durations() -> timeseries.Panel:
    """How long a whole answer takes."""
    return described(
        lines(12),
        "Duration",
        "How long does a whole answer take? From the request to the end, of complete streams: percentiles over the "
        "chosen window.",
        SECONDS,
        over_time(quantile(0.95, "chat_stream_duration_seconds"), "p95"),
        over_time(quantile(0.5, "chat_stream_duration_seconds"), "p50"),
    )


# ---- truncation


def causes() -> timeseries.Panel:
    """All failures, not only cuts."""
    failures = increase("chat_stream_failures_total", by="outcome, cause", over=STEP)
    return described(
        bars(12),
        "Failures by cause",
        "With what do probes fail, and when? Probes that failed, by outcome and cause, one bar for at least five "
        "minutes. The first failure of a kind since the monitor's start is not in it: its counter only appears "
        "then.",
        COUNT,
        over_time(f"{failures} > 0", "{{outcome}}/{{cause}}"),
    )


def cuts() -> bargauge.Panel:
    """The most frequent causes."""
    truncated = increase("chat_stream_truncated_total", by="outcome, cause", over=RANGE)
    return (
        described(
            ranking(12),
            "Cuts by cause",
            "What cuts its streams most often? Cut streams over the whole time range, the most frequent cause "
            "first. Each has another owner: see the runbook of ChatStreamTruncations.",
            COUNT,
            now(f"sort_desc({truncated} > 0)", "{{outcome}}/{{cause}}"),
        )
        .decimals(0)
        .no_value("nothing was cut")
        .thresholds(steps(FAIR))
    )


def cut_after() -> heatmap.Panel:
    """The ages of cut streams; one age is one time-out."""
    return described(
        heats(8),
        "Age of cuts",
        "After how many seconds are streams cut? How many cut streams ended in which bucket after their request. "
        "The buckets are narrow around common time-outs of proxies: all cuts in one of them mean such a time-out.",
        COUNT,
        in_buckets(increase("chat_stream_cut_after_seconds_bucket", by="le", over=STEP)),
    )


def progress() -> timeseries.Panel:
    """The progress of the answers."""
    return described(
        dots(8),
        "Progress",
        "How far did the answers get? How much of the requested answer each probe got: 100% is complete. Cuts at one "
        "height mean a limit of length, scattered cuts mean accidents.",
        SHARE,
        over_time(f"min by (target) ({of('chat_stream_progress_ratio')})", "progress"),
    ).max(1)


def suspects() -> statetimeline.Panel:
    """The suspects, by the monitor's diagnosis."""
    return (
        described(
            states(8),
            "Suspects",
            "What do the recent probes point at? The monitor's own diagnosis, from several probes together. Red is "
            "a suspicion.",
            COUNT,
            over_time(f"max by (suspect) ({of('chat_stream_suspect')})", "{{suspect}}"),
        )
        .mappings(words(_0=("no", "text"), _1=("suspected", BAD)))
        .thresholds(steps("transparent", (1, BAD)))
    )


def oddities() -> timeseries.Panel:
    """Complete streams with a defect."""
    return described(
        bars(24, 7),
        "Complete streams with a defect",
        "Which complete streams have a defect? Unclean ends (an error on the wire after the protocol's end),"
        " streams that arrived in one or two pieces because a proxy buffers, and events that could not be decoded.",
        COUNT,
        over_time(f"{increase('chat_stream_unclean_ends_total', by='cause', over=STEP)} > 0", "unclean end: {{cause}}"),
        over_time(increase("chat_stream_buffered_total", by="", over=STEP), "buffered"),
        over_time(increase("chat_stream_malformed_events_total", by="", over=STEP), "malformed events"),
    ).no_value("nothing unusual")


# ---- traffic and cost


def outcomes() -> timeseries.Panel:
    """All probes by outcome."""
    probes = increase("chat_stream_probes_total", by="outcome", over=STEP)
    return described(
        bars(12),
        "Probes by outcome",
        "How did the probes end? Probes by outcome, one bar for at least five minutes; outcomes that did not "
        "occur are left out.",
        COUNT,
        over_time(f"{probes} > 0", "{{outcome}}"),
    ).override_by_name("ok", [setting("color", {"mode": "fixed", "fixedColor": GOOD})])


def throughput() -> timeseries.Panel:
    """The output rate."""
    return described(
        dots(12),
        "Output rate",
        "How fast is the output? Output tokens per second of each probe, from the first chunk to the last. "
        "Estimated is 1 if the server reports no token count and chunks are counted instead.",
        "tps",
        over_time(f"max by (target) ({of('chat_stream_output_tokens_per_second')})", "tokens per second"),
        over_time(f"max by (target) ({of('chat_stream_tokens_estimated')})", "estimated"),
    )


def tokens() -> timeseries.Panel:
    """The tokens of the probes."""
    kinds = increase("chat_stream_tokens_total", by="kind", over=STEP)
    return described(
        bars(8),
        "Tokens",
        "How many tokens do the probes cost? Tokens of all probes, whatever started them. Output includes the "
        "reasoning that is shown separately.",
        COUNT,
        over_time(kinds, "{{kind}}"),
        over_time(increase("chat_stream_reasoning_tokens_total", by="", over=STEP), "reasoning"),
    ).override_by_name("reasoning", [setting("custom.stacking", {"mode": "none"}), *limit()])


def volume() -> timeseries.Panel:
    """Events and bytes received."""
    return described(
        lines(8),
        "Chunks and bytes",
        "How much is received? Output events and payload bytes received, by the chosen window. Fewer chunks of more "
        "bytes: a proxy or the server began to bundle.",
        COUNT,
        over_time(increase("chat_stream_chunks_total", by=""), "chunks"),
        over_time(increase("chat_stream_received_bytes_total", by=""), "bytes"),
    ).override_by_name("bytes", [setting("unit", BYTES), setting("custom.axisPlacement", "right")])


def skipped() -> timeseries.Panel:
    """Skipped probes."""
    return described(
        bars(8),
        "Skipped probes",
        "Which probes were skipped, and why? Probes that were due and not made, one bar for at least five minutes.",
        COUNT,
        over_time(f"{increase('chat_stream_probes_skipped_total', by='reason', over=STEP)} > 0", "{{reason}}"),
    ).no_value("none was skipped")


def money() -> timeseries.Panel:
    """The price of the probes."""
    return described(
        bars(8, 7),
        "Money",
        "What do the probes cost? Money by the prices of the config, one bar for at least five minutes.",
        "none",
        over_time(increase("chat_stream_price_total", by="currency", over=STEP), "{{currency}}"),
    ).no_value("no price is set")


def token_budget() -> timeseries.Panel:
    """The tokens left today."""
    return (
        described(
            lines(16, 7),
            "Token budget",
            "How many tokens may its probes still spend today? What is left of the target's tokens a day, if it "
            "has such a budget; dashed: all of them. If none are left its probes are skipped until the day ends in "
            "UTC.",
            COUNT,
            over_time(f"min by (target) ({of('chat_stream_budget_tokens_remaining')})", "left"),
            over_time(f"max by (target) ({of('chat_stream_budget_tokens_limit')})", "a day"),
        )
        .override_by_name("a day", limit())
        .no_value("no budget is set")
    )


# ---- deadlines and trust


def streaks() -> timeseries.Panel:
    """Current failures in a row."""
    return described(
        lines(6),
        "Failures in a row",
        "How many failures in a row? Failures and cuts up to the last probe. The third cut in a row pages, and as "
        "many failures as `confirm` says.",
        COUNT,
        over_time(f"max by (target) ({of('chat_stream_consecutive_failures')})", "failures"),
        over_time(f"max by (target) ({of('chat_stream_consecutive_truncations')})", "cuts"),
    )


def burn() -> timeseries.Panel:
    """The burn rate of the budgets."""
    bad = f"1 - ({good_share('availability', over='$window')})"
    allowed = f"(1 - {objective('availability')})"
    return (
        described(
            lines(6),
            "Burn rate",
            "How fast is the availability budget spent? Failures over the chosen window as a multiple of what the "
            "objective allows: at 1 the budget lasts exactly its time, at 14.4 (dashed) over an hour the alert "
            "ChatStreamErrorBudgetBurn pages.",
            COUNT,
            over_time(f"({bad}) / {allowed}", "times as fast as allowed"),
            over_time("vector(14.4)", "page"),
        )
        .override_by_name("page", limit())
        .decimals(1)
    )


def certificate() -> stat.Panel:
    """The one deadline that is known long before."""
    return (
        described(
            number(6).height(9),
            "Certificate expiry",
            "How long is its certificate valid? Until the last known leaf certificate expires; the alert warns "
            "at 14 days and pages at 3. A target without TLS has none.",
            SECONDS,
            now(f"min by (target) ({of('chat_stream_certificate_expiry_timestamp_seconds')}) - time()", "left"),
        )
        .no_value("no TLS")
        .thresholds(steps(BAD, (3 * 86400, FAIR), (14 * 86400, GOOD)))
    )


def discarded() -> timeseries.Panel:
    """Timings that are too uncertain to count."""
    return described(
        bars(6),
        "Discarded timings",
        "Which timings were too uncertain to count? Timings left out of the histograms, because the monitor itself "
        "was too busy to be sure of them.",
        COUNT,
        over_time(increase("chat_stream_timings_discarded_total", by="kind", over=STEP), "{{kind}}"),
    )
