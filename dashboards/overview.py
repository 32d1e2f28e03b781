"""The overview board: who is failing, what is cut and by what, how late first chunks come, how the monitor fares."""

from grafana_foundation_sdk.builders import bargauge, dashboard, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as model
from parts import (
    BAD,
    COUNT,
    FAIR,
    GOOD,
    SECONDS,
    SHARE,
    asks,
    bars,
    board,
    column,
    increase,
    limit,
    lines,
    now,
    number,
    of,
    over_time,
    quantile,
    ranking,
    setting,
    share,
    states,
    steps,
    words,
)

RANGE = "$__range"


def overview() -> dashboard.Dashboard:
    """One screen to see whether anyone has to act, and the rest below it to see on what."""
    return (
        board(
            "chat-monitor-overview",
            "Chat streams: overview",
            "Who is failing, what is cut short and by what, how late first chunks come. Every number is of synthetic "
            "probes, a few to a few hundred an hour: shares are taken over the chosen window or the whole range.",
        )
        .with_panel(down())
        .with_panel(cut())
        .with_panel(streak())
        .with_panel(available())
        .with_panel(watched())
        .with_panel(failing())
        .with_panel(state())
        .with_row(dashboard.Row("Truncation"))
        .with_panel(truncation_ratio())
        .with_panel(truncations_over_time())
        .with_panel(truncation_causes())
        .with_row(dashboard.Row("Time to first chunk"))
        .with_panel(slow_first_chunks())
        .with_panel(usual_first_chunks())
        .with_panel(first_chunks_in_time())
        .with_row(dashboard.Row("What probes came to"))
        .with_panel(outcomes())
        .with_panel(pauses())
        .with_panel(budget())
        .with_row(dashboard.Row("Monitor health"))
        .with_panel(monitors())
        .with_panel(in_flight())
        .with_panel(own_faults())
        .with_panel(staleness())
        .with_panel(lag())
        .with_panel(skipped())
    )


# ---- what several panels ask


def good_share(slo: str, by: str = "target") -> str:
    """The share of probes that were good by one SLO, over the whole time range."""
    label = f'slo="{slo}"'
    good = increase("chat_stream_slo_good_total", label, by=by, over=RANGE)
    return share(good, increase("chat_stream_slo_probes_total", label, by=by, over=RANGE))


def objective(slo: str) -> str:
    """The share that ought to be good."""
    label = f'slo="{slo}"'
    return f"max by (target) ({of('chat_stream_slo_objective_ratio', label)})"


# ---- one screen


def down() -> stat.Panel:
    """How many are down, by the worst that any monitor sees of each."""
    return asks(
        number(5),
        "How many targets are down?",
        "Targets whose state, confirmed by several failures in a row, is down now. Where several monitors watch a "
        "target, the one that sees it worst counts.",
        COUNT,
        now(f"sum(1 - min by (target) ({of('chat_stream_up')}))"),
    ).thresholds(steps(GOOD, (1, BAD)))


def cut() -> stat.Panel:
    """The truncation ratio of everything chosen."""
    truncated = increase("chat_stream_truncated_total", by="", over=RANGE)
    accepted = increase("chat_stream_accepted_total", by="", over=RANGE)
    return asks(
        number(5),
        "What share of streams was cut short?",
        "Streams that were accepted and never came to their end, by all accepted streams, over the whole time range.",
        SHARE,
        now(share(truncated, accepted)),
    ).thresholds(steps(GOOD, (0.01, FAIR), (0.05, BAD)))


def streak() -> stat.Panel:
    """The longest run of cuts that is still going on."""
    return asks(
        number(5),
        "How many cuts in a row has the worst target?",
        "The longest run of cut streams that is still going on. From three on the alert ChatStreamTruncations pages.",
        COUNT,
        now(f"max({of('chat_stream_consecutive_truncations')})"),
    ).thresholds(steps(GOOD, (1, FAIR), (3, BAD)))


def available() -> stat.Panel:
    """The availability of everything chosen."""
    return asks(
        number(5),
        "What share of probes got a whole answer?",
        "Probes that were good by the availability SLO, by all probes it counts, over the whole time range.",
        SHARE,
        now(good_share("availability", by="")),
    ).thresholds(steps(BAD, (0.95, FAIR), (0.99, GOOD)))


def watched() -> stat.Panel:
    """How many there are to begin with."""
    return asks(
        number(4),
        "How many targets are watched?",
        "Targets that some monitor has in its config, paused ones among them.",
        COUNT,
        now(f"count(count by (target) ({of('chat_stream_interval_seconds')}))"),
    )


def failing() -> table.Panel:
    """One row a target, the failing ones first."""
    failures = increase("chat_stream_failures_total", by="target, outcome, cause", over=RANGE)
    truncated = increase("chat_stream_truncated_total", over=RANGE)
    accepted = increase("chat_stream_accepted_total", over=RANGE)
    names = {
        "target": "Target",
        "Value #A": "State",
        "Value #B": "Failures in a row",
        "Value #C": "Cuts in a row",
        "Value #D": "Cut",
        "Value #E": "Last good",
        "outcome": "Mostly",
        "cause": "because",
    }
    return (
        asks(
            table.Panel().span(14).height(10),
            "Who is failing, for how long, and with what?",
            "The state and the streaks are of now. Cut is the share of accepted streams that were cut, and Mostly "
            "the most frequent failure, both over the whole time range. Last good is how long ago a probe last "
            "succeeded.",
            COUNT,
            column(f"min by (target) ({of('chat_stream_up')})"),
            column(f"max by (target) ({of('chat_stream_consecutive_failures')})"),
            column(f"max by (target) ({of('chat_stream_consecutive_truncations')})"),
            column(share(truncated, accepted)),
            column(f"time() - max by (target) ({of('chat_stream_last_success_timestamp_seconds')})"),
            column(f"topk by (target) (1, {failures} > 0)"),
        )
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "Value #F": True},
                    "indexByName": {name: place for place, name in enumerate(names)},
                    "renameByName": names,
                },
            )
        )
        .override_by_name(
            "State",
            [
                setting("mappings", words(_0=("down", BAD), _1=("up", GOOD))),
                setting("custom.cellOptions", {"type": "color-text"}),
            ],
        )
        .override_by_name("Cut", [setting("unit", SHARE), setting("decimals", 1)])
        .override_by_name("Last good", [setting("unit", SECONDS), setting("decimals", 0)])
    )


def state() -> statetimeline.Panel:
    """Up and down over time."""
    return (
        asks(
            states(10, 10),
            "Who was down, and when?",
            "The confirmed state of each target, by the worst that any monitor sees of it. A gap is a time without "
            "a monitor.",
            COUNT,
            over_time(f"min by (target) ({of('chat_stream_up')})", "{{target}}"),
        )
        .mappings(words(_0=("down", BAD), _1=("up", GOOD)))
        .thresholds(steps(BAD, (1, GOOD)))
    )


# ---- truncation


def truncation_ratio() -> timeseries.Panel:
    """The ratio the alert is about, over time."""
    ratio = share(increase("chat_stream_truncated_total"), increase("chat_stream_accepted_total"))
    return (
        asks(
            lines(10),
            "What share of each target's streams is cut short?",
            "Each point looks back on the chosen window. Above the dashed 5% the alert ChatStreamTruncations warns, "
            "given 20 accepted streams; with fewer in the window a point says little.",
            SHARE,
            over_time(ratio, "{{target}}"),
            over_time("vector(0.05)", "warning"),
        )
        .override_by_name("warning", limit())
        .axis_soft_max(0.1)
    )


def truncations_over_time() -> timeseries.Panel:
    """Counts and not rates: a cut is an event."""
    cuts = increase("chat_stream_truncated_total", by="outcome, cause", over="$__rate_interval")
    return asks(
        bars(8),
        "When were streams cut, and by what?",
        "Cut streams, one bar for at least five minutes. Empty where nothing was cut. Each cause calls for another "
        "person: see the runbook of ChatStreamTruncations.",
        COUNT,
        over_time(f"{cuts} > 0", "{{outcome}}/{{cause}}"),
    )


def truncation_causes() -> bargauge.Panel:
    """What to fix first."""
    cuts = increase("chat_stream_truncated_total", by="outcome, cause", over=RANGE)
    return (
        asks(
            ranking(6),
            "By what are streams cut most?",
            "Cut streams over the whole time range, the most frequent cause first.",
            COUNT,
            now(f"sort_desc({cuts} > 0)", "{{outcome}}/{{cause}}"),
        )
        .decimals(0)
        .no_value("nothing was cut")
        .thresholds(steps(FAIR))
    )


# ---- time to first chunk


def slow_first_chunks() -> timeseries.Panel:
    """The slow end, with each target's limit."""
    return asks(
        lines(10),
        "How late do the slowest first chunks come, and what is allowed?",
        "The 95th percentile over the chosen window, of every stream that had a first chunk; dashed: the SLO's "
        "threshold. The buckets double, so a percentile is right to a factor of two at worst; the panel of shares "
        "is exact.",
        SECONDS,
        over_time(quantile(0.95, "chat_stream_time_to_first_chunk_seconds"), "{{target}}"),
        over_time(f"max by (target) ({of('chat_stream_slo_first_chunk_threshold_seconds')})", "{{target}} allowed"),
    ).override_by_regexp("/ allowed$/", limit())


def usual_first_chunks() -> timeseries.Panel:
    """The middle: what most users see."""
    return asks(
        lines(7),
        "How long does a first chunk usually take?",
        "The median over the chosen window, of every stream that had a first chunk.",
        SECONDS,
        over_time(quantile(0.5, "chat_stream_time_to_first_chunk_seconds"), "{{target}}"),
    )


def first_chunks_in_time() -> bargauge.Panel:
    """The SLO itself, exact, since it was decided probe by probe."""
    return (
        asks(
            ranking(7),
            "How far is each target from its objective for first chunks?",
            "The share of probes with a first chunk in time, less the objective, over the whole time range: below 0 "
            "the SLO is missed. A first chunk that never came is not in time.",
            SHARE,
            now(f"sort(({good_share('first_chunk')}) - {objective('first_chunk')})", "{{target}}"),
        )
        .min(-1)
        .max(1)
        .thresholds(steps(BAD, (0, GOOD)))
    )


# ---- what probes came to


def outcomes() -> timeseries.Panel:
    """Everything that was asked and how it went."""
    probes = increase("chat_stream_probes_total", by="outcome", over="$__rate_interval")
    return asks(
        bars(10),
        "What did the probes come to?",
        "Probes by outcome, one bar for at least five minutes; outcomes that did not occur are left out.",
        COUNT,
        over_time(f"{probes} > 0", "{{outcome}}"),
    ).override_by_name("ok", [setting("color", {"mode": "fixed", "fixedColor": GOOD})])


def pauses() -> timeseries.Panel:
    """How it feels to read along."""
    return asks(
        lines(7),
        "How long does a stream pause at its worst?",
        "The longest gap between two chunks of a stream: its 95th percentile over the chosen window.",
        SECONDS,
        over_time(quantile(0.95, "chat_stream_max_gap_seconds"), "{{target}}"),
    )


def budget() -> bargauge.Panel:
    """What is left to spend."""
    return (
        asks(
            ranking(7),
            "How much of its error budget has each target left?",
            "Of the failures that the availability objective allows over the chosen time range, the share not used "
            "up; at -100% and below twice the budget or more is gone. Choose the range your objective is meant for, "
            "30 days for instance.",
            SHARE,
            now(f"sort(1 - (1 - ({good_share('availability')})) / (1 - {objective('availability')}))", "{{target}}"),
        )
        .min(-1)
        .max(1)
        .thresholds(steps(BAD, (0, FAIR), (0.25, GOOD)))
    )


# ---- monitor health


def monitors() -> stat.Panel:
    """Who is speaking at all."""
    return (
        asks(
            number(8),
            "Which monitors report, and in which version?",
            "Monitors that are scraped now, by version. None: see the runbook of ChatMonitorAbsent.",
            COUNT,
            now("count by (version) (chat_monitor_build_info)", "{{version}}"),
        )
        .no_value("none")
        .thresholds(steps(GOOD))
    )


def in_flight() -> stat.Panel:
    """The work at hand."""
    return asks(
        number(8),
        "How many probes are in flight?",
        "Probes that are running now, by all monitors.",
        COUNT,
        now("sum(chat_monitor_probes_in_flight)"),
    )


def own_faults() -> stat.Panel:
    """What the monitor itself got wrong."""
    inconclusive = f'sum(increase(chat_monitor_probe_errors_total{{outcome="inconclusive"}}[{RANGE}]))'
    return asks(
        number(8),
        "How often did the monitor itself fail?",
        "Over the whole time range: probes that could not be judged, by a fault of the monitor or of its machine; "
        "results that a log, a history or a metric did not take; and exceptions nobody handled. Each should be 0.",
        COUNT,
        now(inconclusive, "probes"),
        now(f"sum(increase(chat_monitor_sink_errors_total[{RANGE}]))", "sinks"),
        now(f"sum(increase(chat_monitor_unhandled_exceptions_total[{RANGE}]))", "exceptions"),
    ).thresholds(steps(GOOD, (0.5, BAD)))


def staleness() -> timeseries.Panel:
    """Whether what is shown is of now."""
    age = f"(time() - max by (target) ({of('chat_stream_last_probe_timestamp_seconds')}))"
    interval = f"min by (target) ({of('chat_stream_interval_seconds')})"
    return asks(
        lines(8),
        "How many intervals ago was each target last probed?",
        "About one is right, and as long as a probe takes on top of it. More: the target is paused, its probes are "
        "skipped, or the monitor stands still.",
        COUNT,
        over_time(f"{age} / {interval}", "{{target}}"),
    ).decimals(1)


def lag() -> timeseries.Panel:
    """Whether the clocks can be trusted."""
    return asks(
        lines(8),
        "How late is the monitor itself?",
        "The 99th percentile of how late its event loop turns, and, over the chosen window, of how late probes "
        "start and how uncertain timings are. From 100 ms on its timings say as much about its own machine as about "
        "the targets.",
        SECONDS,
        over_time(_own(0.99, "chat_monitor_event_loop_lag_seconds", "$__rate_interval"), "event loop"),
        over_time(_own(0.99, "chat_monitor_schedule_delay_seconds", "$window"), "schedule"),
        over_time(_own(0.99, "chat_monitor_timing_uncertainty_seconds", "$window"), "uncertainty"),
    )


def skipped() -> timeseries.Panel:
    """What was not asked although it was time."""
    skips = increase("chat_stream_probes_skipped_total", by="reason", over="$__rate_interval")
    return asks(
        bars(8),
        "Which probes were skipped, and why?",
        "Probes that were due and not made, one bar for at least five minutes.",
        COUNT,
        over_time(skips, "{{reason}}"),
    )


def _own(rank: float, histogram: str, over: str) -> str:
    """A percentile over all monitors; nothing at all where nothing was observed."""
    return f"histogram_quantile({rank}, sum by (le) (rate({histogram}_bucket[{over}]))) >= 0"
