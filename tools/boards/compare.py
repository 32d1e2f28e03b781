"""The board of two targets side by side: a gateway and its upstream, or two paths to one model."""

from grafana_foundation_sdk.builders import bargauge, dashboard, heatmap, stat, timeseries

from tools.boards.parts import (
    BAD,
    COUNT,
    FAIR,
    GOOD,
    SECONDS,
    SHARE,
    board,
    described,
    good_share,
    heats,
    in_buckets,
    increase,
    layers,
    lines,
    now,
    number,
    of,
    one_target,
    over_time,
    quantile,
    ranking,
    setting,
    share,
    steps,
    words,
)

RANGE, STEP = "$__range", "$__rate_interval"
SIDES = ("left", "right")
FIRST_CHUNK = "chat_stream_time_to_first_chunk_seconds"


def compare() -> dashboard.Dashboard:
    """Return the board: common panels for both, and each target's own side by side."""
    made = board(
        "chat-monitor-compare",
        "Chat streams: compare two",
        "Two targets side by side, such as a gateway and its upstream model server: what only the left one shows is "
        "the gateway's.",
        one_target("left", "Left", "One of the two, such as the gateway."),
        one_target("right", "Right", "The other target, such as the upstream."),
    )
    for side in SIDES:
        made.with_panel(who(side)).with_panel(good(side)).with_panel(cut(side))
    made.with_panel(overhead()).with_panel(first_chunks()).with_panel(ratios()).with_panel(flow())
    for panel in (causes, where_time_goes, heat):
        for side in SIDES:
            made.with_panel(panel(side))
    return made


def who(side: str) -> stat.Panel:
    """The target's facts and state."""
    return (
        described(
            number(4),
            f"{side.title()}: state",
            f"Is the {side} one up? The state confirmed by several failures in a row, with its host.",
            COUNT,
            now(
                f"min by (target) ({of('chat_stream_up', side=side)})"
                f" * on (target) group_right () {of('chat_stream_target_info', side=side)}",
                "{{target}} {{host}}",
            ),
        )
        .mappings(words(_0=("down", BAD), _1=("up", GOOD)))
        .thresholds(steps(BAD, (1, GOOD)))
    )


def good(side: str) -> stat.Panel:
    """Its availability."""
    return described(
        number(4),
        f"{side.title()}: availability",
        f"{side.title()}: how many came whole? Probes that were good by the availability SLO, over the whole time "
        "range.",
        SHARE,
        now(good_share("availability", side=side), "{{target}}"),
    ).thresholds(steps(BAD, (0.95, FAIR), (0.99, GOOD)))


def cut(side: str) -> stat.Panel:
    """Its truncation ratio."""
    truncated, accepted = (
        increase(f"chat_stream_{name}_total", over=RANGE, side=side) for name in ("truncated", "accepted")
    )
    return described(
        number(4),
        f"{side.title()}: streams cut",
        f"{side.title()}: how many are cut? Accepted streams that never came to their end, by all accepted streams, "
        "over the whole time range.",
        SHARE,
        now(share(truncated, accepted), "{{target}}"),
    ).thresholds(steps(GOOD, (0.01, FAIR), (0.05, BAD)))


def overhead() -> timeseries.Panel:
    """The difference of the means, which are exact."""

    def mean(side: str) -> str:
        total, number_of = (increase(f"{FIRST_CHUNK}_{part}", by="", side=side) for part in ("sum", "count"))
        return f"({total} / {number_of})"

    return described(
        lines(12, signed=True),
        "First chunk, left minus right",
        "How much later is the left one's first chunk? The difference of the mean times to the first chunk over the"
        " chosen window: the latency of a gateway, if it is on the left and its upstream on the right.",
        SECONDS,
        over_time(f"{mean('left')} - {mean('right')}", "left less right"),
    )


def first_chunks() -> timeseries.Panel:
    """Both percentiles of both."""
    queries = [
        over_time(quantile(rank, FIRST_CHUNK, side=side), f"{{{{target}}}} {name}")
        for side in SIDES
        for rank, name in ((0.95, "p95"), (0.5, "p50"))
    ]
    return described(
        lines(12),
        "Time to first chunk",
        "Which first chunk is later? Median and 95th percentile over the chosen window, of every stream that had"
        " a first chunk.",
        SECONDS,
        *queries,
    )


def ratios() -> timeseries.Panel:
    """If both are cut alike, the cause is the upstream."""
    queries = [
        over_time(
            share(
                increase("chat_stream_truncated_total", side=side), increase("chat_stream_accepted_total", side=side)
            ),
            "{{target}}",
        )
        for side in SIDES
    ]
    return described(
        lines(12),
        "Truncation ratio",
        "Which of the two is cut? The share of accepted streams that were cut, over the chosen window. Both alike: "
        "the upstream; the left alone: the gateway.",
        SHARE,
        *queries,
    )


def flow() -> timeseries.Panel:
    """Whether the gateway bundles."""
    queries = [
        over_time(quantile(0.9, "chat_stream_max_gap_seconds", side=side), "{{target}} longest pause, p90")
        for side in SIDES
    ]
    rates = [
        over_time(
            f"max by (target) ({of('chat_stream_output_tokens_per_second', side=side)})", "{{target}} tokens per second"
        )
        for side in SIDES
    ]
    return described(
        lines(12),
        "Longest gap and output rate",
        "Which of the two pauses longer? The longest pause of one stream in ten over the chosen window, and the last "
        "probe's output rate (right axis). Longer pauses at the same rate: the gateway bundles.",
        SECONDS,
        *queries,
        *rates,
    ).override_by_regexp("/ tokens per second$/", [setting("unit", "tps"), setting("custom.axisPlacement", "right")])


def causes(side: str) -> bargauge.Panel:
    """The failures of each."""
    failures = increase("chat_stream_failures_total", by="target, outcome, cause", over=RANGE, side=side)
    return (
        described(
            ranking(12),
            f"{side.title()}: failures by cause",
            f"How does the {side} one fail? Failed probes over the whole time range, the most frequent cause first.",
            COUNT,
            now(f"sort_desc({failures} > 0)", "{{outcome}}/{{cause}}"),
        )
        .decimals(0)
        .no_value("nothing failed")
        .thresholds(steps(FAIR))
    )


def where_time_goes(side: str) -> timeseries.Panel:
    """The steps of each."""
    return described(
        layers(12),
        f"{side.title()}: time by step",
        f"How long does each step of the {side} one take? The steps of the last probe, stacked.",
        SECONDS,
        over_time(f"max by (step) ({of('chat_stream_last_step_seconds', side=side)})", "{{step}}"),
    )


def heat(side: str) -> heatmap.Panel:
    """The distribution of each."""
    return described(
        heats(12),
        f"{side.title()}: time to first chunk",
        f"How are the {side} one's times to the first chunk distributed? How many probes fell into which bucket.",
        COUNT,
        in_buckets(increase(f"{FIRST_CHUNK}_bucket", by="le", over=STEP, side=side)),
    )
