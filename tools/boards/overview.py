"""The overview board: the failing targets, the causes of cuts, first-chunk latency, and error budgets on one screen."""

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as model

from tools.boards.parts import (
    BAD,
    COUNT,
    FAIR,
    GOOD,
    SECONDS,
    SHARE,
    bars,
    board,
    budget_left,
    column,
    described,
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
    worst,
)

RANGE = "$__range"


def overview() -> dashboard.Dashboard:
    """Return the board; details are on the other boards."""
    return (
        board(
            "chat-monitor-overview",
            "Chat streams: overview",
            "Which targets fail, which streams are cut and why, how late first chunks are. Numbers are of synthetic "
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
        .with_row(dashboard.Row("By place, and over a month"))
        .with_panel(by_place("host", "Failures by host", "Which hosts fail?"))
        .with_panel(by_place("upstream", "Failures by upstream", "Which upstreams have failing probes?"))
        .with_panel(month())
    )


# ---- first row: numbers


def down() -> stat.Panel:
    """The number of targets that are down, by the worst state that any monitor reports."""
    return described(
        number(4),
        "Targets down",
        "How many targets are down? Targets whose state, confirmed by several failures in a row, is down now. If"
        " several monitors probe a target, the worst state counts. Paused ones are left out.",
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
    return described(
        number(4),
        "Streams cut",
        "How many streams are cut short? Streams that were accepted and did not reach their end, by all accepted "
        "streams, over the whole time range.",
        SHARE,
        now(share(truncated, accepted)),
    ).thresholds(steps(GOOD, (0.01, FAIR), (0.05, BAD)))


def streak() -> stat.Panel:
    """The longest current run of cuts."""
    return described(
        number(4),
        "Cuts in a row",
        "How many cuts in a row at worst? The longest current run of cut streams. From three on, the "
        "alert ChatStreamTruncations pages.",
        COUNT,
        now(f"max({of('chat_stream_consecutive_truncations')})"),
    ).thresholds(steps(GOOD, (1, FAIR), (3, BAD)))


def available() -> stat.Panel:
    """The availability of everything chosen."""
    return described(
        number(4),
        "Availability",
        "How many answers were complete? Probes that were good by the availability SLO, by all probes it counts, over "
        "the whole time range.",
        SHARE,
        now(good_share("availability", by="")),
    ).thresholds(steps(BAD, (0.95, FAIR), (0.99, GOOD)))


def late() -> stat.Panel:
    """The promptness of everything chosen."""
    return described(
        number(4),
        "First chunks in time",
        "Did first chunks come in time? Probes that were good by the first-chunk SLO, by all probes it counts, over"
        " the whole time range. A first chunk that never came is not in time.",
        SHARE,
        now(good_share("first_chunk", by="")),
    ).thresholds(steps(BAD, (0.9, FAIR), (0.95, GOOD)))


def watched() -> stat.Panel:
    """The number of targets."""
    return described(
        number(4),
        "Targets",
        "How many targets are probed? Targets that some monitor has in its config, paused ones included.",
        COUNT,
        now(f"count(count by (target) ({of('chat_stream_interval_seconds')}))"),
    )


# ---- second row: who, and when


FAILING = {
    "target": ("Target", 170),
    "Value #A": ("State", 65),
    "failure": ("Failure", 200),
    "suspect": ("Suspect", 120),
    "Value #B": ("Last good", 80),
    "Value #C": ("Cut", 60),
    "Value #D": ("Row", 50),
    "external_url": ("Pages", 70),
}
"""The columns of the failing targets, in order: Grafana's name, the board's name, and the width in pixels."""


def failing() -> table.Panel:
    """One row a target, the failing ones first."""
    failures = increase("chat_stream_failures_total", by="target, outcome, cause", over=RANGE)
    truncated = increase("chat_stream_truncated_total", over=RANGE)
    accepted = increase("chat_stream_accepted_total", over=RANGE)
    pages = f'{of("chat_stream_up")} * on (instance) group_left (external_url) chat_monitor_info{{external_url!=""}}'
    panel = described(
        table.Panel().span(16).height(8).sort_by([common.TableSortByFieldState().display_name("Row").desc(desc=True)]),
        "Failing targets",
        "Which targets fail, how, and why? State, suspect and Row (failures in a row) are current. "
        "Failure is the most frequent one and Cut the share of accepted streams that were cut, both over the whole "
        "time range. Last good is how long ago a probe last succeeded. Pages links to the target on the monitor "
        "that probes it, if its config has an external_url.",
        COUNT,
        column(f"min by (target) ({running()}) or - max by (target) ({of('chat_stream_paused')} == 1)"),
        column(f"time() - max by (target) ({of('chat_stream_last_success_timestamp_seconds')})"),
        column(share(truncated, accepted)),
        column(f"max by (target) ({of('chat_stream_consecutive_failures')})"),
        column(f'label_join(topk by (target) (1, {failures} > 0), "failure", "/", "outcome", "cause")'),
        column(f"topk by (target) (1, max by (target, suspect) ({of('chat_stream_suspect')} == 1))"),
        column(f"max by (target, external_url) ({pages})"),
    )
    return _dressed(_in_one_table(panel))


def _in_one_table(panel: table.Panel) -> table.Panel:
    """Join the queries of the failing targets into one table, and rename the columns."""
    hidden = ("Time", "outcome", "cause", "Value #E", "Value #F", "Value #G")
    named = {
        "excludeByName": dict.fromkeys(hidden, True),
        "indexByName": {name: place for place, name in enumerate(FAILING)},
        "renameByName": {name: title for name, (title, _) in FAILING.items()},
    }
    return panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={})).with_transformation(
        model.DataTransformerConfig(id_val="organize", options=named)
    )


def _dressed(panel: table.Panel) -> table.Panel:
    """Set the widths, texts, colours, units and links of the table's columns."""
    everything = {
        "title": "Everything about ${__value.text}",
        "url": "/d/chat-monitor-target?var-target=${__value.text:percentencode}&${__url_time_range}",
    }
    pages = {
        "title": "Failed probes of ${__data.fields.Target}",
        "url": "${__value.raw}/targets/${__data.fields.Target:percentencode}",
        "targetBlank": True,
    }
    states = words(**{"-1": ("paused", "text"), "0": ("down", BAD), "1": ("up", GOOD)})
    looks = {
        "Target": [setting("links", [everything])],
        "State": [setting("mappings", states), setting("custom.cellOptions", {"type": "color-text"})],
        "Last good": [setting("unit", SECONDS), setting("decimals", 0)],
        "Cut": [setting("unit", SHARE), setting("decimals", 0)],
        "Pages": [
            setting("links", [pages]),
            setting("mappings", [model.RegexMap(options=model.DashboardRegexMapOptions(".+", _open()))]),
        ],
    }
    panel.no_value("-")  # no suspect, no external_url
    for title, width in FAILING.values():
        panel.override_by_name(title, [setting("custom.width", width), *looks.get(title, [])])
    return panel


def _open() -> model.ValueMappingResult:
    """The text in place of an address."""
    return model.ValueMappingResult(text="open")


def state() -> statetimeline.Panel:
    """Up and down over time."""
    return (
        described(
            states(8, 8),
            "Downtime",
            "Which targets were down, and when? The confirmed state of each that was down in the time range, by the"
            " worst state that any monitor reports. A gap is a time without a monitor.",
            COUNT,
            over_time(
                f"min by (target) ({of('chat_stream_up')})"
                f" and min by (target) (min_over_time({of('chat_stream_up')}[{RANGE}])) == 0",
                "{{target}}",
            ),
        )
        .no_value("nothing was down")
        .mappings(words(_0=("down", BAD), _1=("up", GOOD)))
        .thresholds(steps(BAD, (1, GOOD)))
    )


# ---- third row: by what, how late, what is left


def truncation_ratio() -> timeseries.Panel:
    """The ratio the alert is about, over time."""
    ratio = share(increase("chat_stream_truncated_total"), increase("chat_stream_accepted_total"))
    return (
        described(
            lines(7, 8),
            "Truncation ratio",
            "What share of each target's streams is cut short? The ten highest; each point covers the chosen"
            " window. Above the dashed 5% the alert ChatStreamTruncations warns, given 20 accepted streams; with "
            "fewer in the window a point means little.",
            SHARE,
            over_time(worst(ratio), "{{target}}"),
            over_time("vector(0.05)", "warning"),
        )
        .override_by_name("warning", limit())
        .axis_soft_max(0.1)
    )


def truncations_over_time() -> timeseries.Panel:
    """Counts and not rates: a cut is an event."""
    cuts = increase("chat_stream_truncated_total", by="outcome, cause", over="$__rate_interval")
    return described(
        bars(6, 8),
        "Cuts by cause",
        "When were streams cut, and by what? Cut streams, one bar for at least five minutes. Empty if nothing "
        "was cut. Each cause has another owner: see the runbook of ChatStreamTruncations.",
        COUNT,
        over_time(f"{cuts} > 0", "{{outcome}}/{{cause}}"),
    )


def first_chunks() -> timeseries.Panel:
    """Median and slow first chunks, with each target's limit."""
    return described(
        lines(7, 8),
        "Time to first chunk",
        "How late are first chunks, and what is allowed? The ten highest 95th percentiles over the chosen "
        "window, of every stream that had a first chunk; dashed: the shortest threshold of an SLO. The buckets "
        "double, so a percentile is accurate to a factor of two at worst; shares by the SLO are exact.",
        SECONDS,
        over_time(worst(quantile(0.95, "chat_stream_time_to_first_chunk_seconds")), "{{target}} p95"),
        over_time(f"min({of('chat_stream_slo_first_chunk_threshold_seconds')})", "shortest that is allowed"),
    ).override_by_name("shortest that is allowed", limit())


def budget() -> bargauge.Panel:
    """The remaining error budgets."""
    return (
        described(
            ranking(4, 8),
            "Error budget left",
            "How much error budget is left? The twelve targets with the least. Of the failures that the "
            "availability objective allows over the chosen time range, the share not used up; at -100% and below "
            "twice the budget or more is gone. Choose the range your objective is meant for, 30 days for instance.",
            SHARE,
            now(f"sort(bottomk(12, clamp_min({budget_left('availability')}, -1)))", "{{target}}"),
        )
        .min(-1)
        .max(1)
        .thresholds(steps(BAD, (0, FAIR), (0.25, GOOD)))
    )


# ---- below the first screen: where, and how over a month


def by_place(label: str, title: str, question: str) -> bargauge.Panel:
    """Failures by what the failing targets have in common."""
    failures = f"increase({of('chat_stream_failures_total')}[{RANGE}])"
    known = of("chat_stream_target_info", f'{label}!=""')
    place = f"max by (target, instance, {label}) ({known})"
    return (
        described(
            ranking(8, 8),
            title,
            f"{question} Failed probes over the whole time range, of all targets with that {label} together.",
            COUNT,
            now(
                f"sort_desc(topk(12, sum by ({label}) ({failures} * on (target, instance) group_left ({label}) "
                f"{place}) > 0))",
                f"{{{{{label}}}}}",
            ),
        )
        .decimals(0)
        .no_value("nothing failed")
        .thresholds(steps(FAIR))
    )


def month() -> bargauge.Panel:
    """The availability that contracts are about."""
    return (
        described(
            ranking(8, 8),
            "Availability, 30 days",
            "How available was each target over 30 days? The twelve lowest, by the availability SLO, whatever time "
            "range is chosen; a Prometheus with a shorter retention shows what it has.",
            SHARE,
            now(f"sort(bottomk(12, {good_share('availability', over='30d')}))", "{{target}}"),
        )
        .max(1)
        .decimals(2)
        .no_value("no probes")
        .thresholds(steps(BAD, (0.95, FAIR), (0.99, GOOD)))
    )
