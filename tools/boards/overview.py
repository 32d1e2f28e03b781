"""The overview board: one screen that says who is failing, what is cut and by what, how late, and what is left."""

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as model

from tools.boards.parts import (
    BAD,
    COUNT,
    FAIR,
    GOOD,
    SECONDS,
    SHARE,
    asks,
    bars,
    board,
    budget_left,
    column,
    good_share,
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
    targets,
    words,
)

RANGE = "$__range"


def overview() -> dashboard.Dashboard:
    """Everything at a glance; what lies behind it is on the other boards."""
    return (
        board(
            "chat-monitor-overview",
            "Chat streams: overview",
            "Who is failing, what is cut short and by what, how late first chunks come. Every number is of synthetic "
            "probes, a few to a few hundred an hour: shares are taken over the chosen window or the whole range.",
            targets(),
        )
        .with_panel(down())
        .with_panel(cut())
        .with_panel(streak())
        .with_panel(available())
        .with_panel(late())
        .with_panel(watched())
        .with_panel(failing())
        .with_panel(state())
        .with_panel(truncation_ratio())
        .with_panel(truncations_over_time())
        .with_panel(first_chunks())
        .with_panel(budget())
    )


# ---- first row: numbers


def down() -> stat.Panel:
    """How many are down, by the worst that any monitor sees of each."""
    return asks(
        number(4),
        "How many targets are down?",
        "Targets whose state, confirmed by several failures in a row, is down now. Where several monitors watch a "
        "target, the one that sees it worst counts. Paused ones are left out.",
        COUNT,
        now(f"sum(1 - min by (target) ({running()}))"),
    ).thresholds(steps(GOOD, (1, BAD)))


def running() -> str:
    """The state of each target that is not paused."""
    return f"{of('chat_stream_up')} unless {of('chat_stream_paused')} == 1"


def cut() -> stat.Panel:
    """The truncation ratio of everything chosen."""
    truncated = increase("chat_stream_truncated_total", by="", over=RANGE)
    accepted = increase("chat_stream_accepted_total", by="", over=RANGE)
    return asks(
        number(4),
        "How many streams are cut short?",
        "Streams that were accepted and never came to their end, by all accepted streams, over the whole time range.",
        SHARE,
        now(share(truncated, accepted)),
    ).thresholds(steps(GOOD, (0.01, FAIR), (0.05, BAD)))


def streak() -> stat.Panel:
    """The longest run of cuts that is still going on."""
    return asks(
        number(4),
        "How many cuts in a row at worst?",
        "The longest run of cut streams that is still going on. From three on the alert ChatStreamTruncations pages.",
        COUNT,
        now(f"max({of('chat_stream_consecutive_truncations')})"),
    ).thresholds(steps(GOOD, (1, FAIR), (3, BAD)))


def available() -> stat.Panel:
    """The availability of everything chosen."""
    return asks(
        number(4),
        "How many answers came whole?",
        "Probes that were good by the availability SLO, by all probes it counts, over the whole time range.",
        SHARE,
        now(good_share("availability", by="")),
    ).thresholds(steps(BAD, (0.95, FAIR), (0.99, GOOD)))


def late() -> stat.Panel:
    """The promptness of everything chosen."""
    return asks(
        number(4),
        "Did first chunks come in time?",
        "Probes that were good by the first-chunk SLO, by all probes it counts, over the whole time range. A first "
        "chunk that never came is not in time.",
        SHARE,
        now(good_share("first_chunk", by="")),
    ).thresholds(steps(BAD, (0.9, FAIR), (0.95, GOOD)))


def watched() -> stat.Panel:
    """How many there are to begin with."""
    return asks(
        number(4),
        "How many targets are watched?",
        "Targets that some monitor has in its config, paused ones among them.",
        COUNT,
        now(f"count(count by (target) ({of('chat_stream_interval_seconds')}))"),
    )


# ---- second row: who, and when


FAILING = {
    "target": "Target",
    "Value #A": "State",
    "Value #B": "Failures in a row",
    "Value #C": "Cuts in a row",
    "Value #D": "Cut",
    "Value #E": "Last good",
    "outcome": "Mostly",
    "cause": "because",
}
"""The columns of who is failing, in order: what Grafana calls them, and what the board does."""


def failing() -> table.Panel:
    """One row a target, the failing ones first."""
    failures = increase("chat_stream_failures_total", by="target, outcome, cause", over=RANGE)
    truncated = increase("chat_stream_truncated_total", over=RANGE)
    accepted = increase("chat_stream_accepted_total", over=RANGE)
    panel = asks(
        table.Panel()
        .span(14)
        .height(8)
        .sort_by([common.TableSortByFieldState().display_name("Failures in a row").desc(desc=True)]),
        "Who is failing, for how long, and with what?",
        "The state and the streaks are of now. Cut is the share of accepted streams that were cut, and Mostly "
        "the most frequent failure, both over the whole time range. Last good is how long ago a probe last "
        "succeeded.",
        COUNT,
        column(f"min by (target) ({running()}) or - max by (target) ({of('chat_stream_paused')} == 1)"),
        column(f"max by (target) ({of('chat_stream_consecutive_failures')})"),
        column(f"max by (target) ({of('chat_stream_consecutive_truncations')})"),
        column(share(truncated, accepted)),
        column(f"time() - max by (target) ({of('chat_stream_last_success_timestamp_seconds')})"),
        column(f"topk by (target) (1, {failures} > 0)"),
    )
    return _dressed(_in_one_table(panel))


def _in_one_table(panel: table.Panel) -> table.Panel:
    """Put the queries of who is failing side by side, under their names."""
    named = {
        "excludeByName": {"Time": True, "Value #F": True},
        "indexByName": {name: place for place, name in enumerate(FAILING)},
        "renameByName": FAILING,
    }
    return panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={})).with_transformation(
        model.DataTransformerConfig(id_val="organize", options=named)
    )


def _dressed(panel: table.Panel) -> table.Panel:
    """Give the columns of who is failing their words, colours, units and the way to each target."""
    everything = {
        "title": "Everything about ${__value.text}",
        "url": "/d/chat-monitor-target?var-target=${__value.text:percentencode}&${__url_time_range}",
    }
    states = words(**{"-1": ("paused", "text"), "0": ("down", BAD), "1": ("up", GOOD)})
    return (
        panel.override_by_name(
            "State", [setting("mappings", states), setting("custom.cellOptions", {"type": "color-text"})]
        )
        .override_by_name("Target", [setting("links", [everything])])
        .override_by_name("Cut", [setting("unit", SHARE), setting("decimals", 1)])
        .override_by_name("Last good", [setting("unit", SECONDS), setting("decimals", 0)])
    )


def state() -> statetimeline.Panel:
    """Up and down over time."""
    return (
        asks(
            states(10, 8),
            "Who was down, and when?",
            "The confirmed state of each target, by the worst that any monitor sees of it. A gap is a time without "
            "a monitor.",
            COUNT,
            over_time(f"min by (target) ({of('chat_stream_up')})", "{{target}}"),
        )
        .mappings(words(_0=("down", BAD), _1=("up", GOOD)))
        .thresholds(steps(BAD, (1, GOOD)))
    )


# ---- third row: by what, how late, what is left


def truncation_ratio() -> timeseries.Panel:
    """The ratio the alert is about, over time."""
    ratio = share(increase("chat_stream_truncated_total"), increase("chat_stream_accepted_total"))
    return (
        asks(
            lines(7, 8),
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
        bars(6, 8),
        "When were streams cut, and by what?",
        "Cut streams, one bar for at least five minutes. Empty where nothing was cut. Each cause calls for another "
        "person: see the runbook of ChatStreamTruncations.",
        COUNT,
        over_time(f"{cuts} > 0", "{{outcome}}/{{cause}}"),
    )


def first_chunks() -> timeseries.Panel:
    """The usual and the slow end, with each target's limit."""
    return (
        asks(
            lines(7, 8),
            "How late do first chunks come, and what is allowed?",
            "The median and the 95th percentile over the chosen window, of every stream that had a first chunk; "
            "dashed: the SLO's threshold. The buckets double, so a percentile is right to a factor of two at worst; "
            "shares by the SLO are exact.",
            SECONDS,
            over_time(quantile(0.95, "chat_stream_time_to_first_chunk_seconds"), "{{target}} p95"),
            over_time(quantile(0.5, "chat_stream_time_to_first_chunk_seconds"), "{{target}} p50"),
            over_time(f"max by (target) ({of('chat_stream_slo_first_chunk_threshold_seconds')})", "{{target}} allowed"),
        )
        .override_by_regexp("/ p50$/", [setting("custom.lineWidth", 1), setting("custom.fillOpacity", 0)])
        .override_by_regexp("/ allowed$/", limit())
    )


def budget() -> bargauge.Panel:
    """What is left to spend."""
    return (
        asks(
            ranking(4, 8),
            "How much error budget is left?",
            "Of the failures that the availability objective allows over the chosen time range, the share not used "
            "up; at -100% and below twice the budget or more is gone. Choose the range your objective is meant for, "
            "30 days for instance.",
            SHARE,
            now(f"sort({budget_left('availability')})", "{{target}}"),
        )
        .min(-1)
        .max(1)
        .thresholds(steps(BAD, (0, FAIR), (0.25, GOOD)))
    )
