"""The common parts of all boards: variables, queries, and a builder for each kind of panel."""

from collections.abc import Sequence
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = TypeVar("Panel", bargauge.Panel, heatmap.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

# Units as Grafana names them; everything shown is in the base unit that was measured.
SECONDS, SHARE, COUNT, BYTES = "s", "percentunit", "short", "bytes"

GOOD, FAIR, BAD = "green", "orange", "red"


# ---- the board


def board(uid: str, title: str, description: str, *variables: dashboard.QueryVariable) -> dashboard.Dashboard:
    """An empty board with its own variables and the common ones: a data source, a filter, a window, links."""
    begun = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["chat-monitor"])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(_others())
        .with_variable(_datasource())
    )
    for variable in variables:
        begun.with_variable(variable)
    names = [variable.build().name for variable in variables]
    return begun.with_variable(_filter()).with_variable(_window()).annotation(_alerts(names)).annotation(_reloads())


def _others() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Chat streams")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags(["chat-monitor"])
        .tooltip("The other boards of chat-monitor, at the same time and of the same targets.")
        .keep_time(keep_time=True)
        .include_vars(include_vars=True)
    )


def _datasource() -> dashboard.DatasourceVariable:
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes chat-monitor.")
        .type("prometheus")
    )


def targets() -> dashboard.QueryVariable:
    """Any number of targets; all by default."""
    return (
        _chosen("target", "Target", "The targets to show; all by default.")
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")  # one short pattern, however many targets there are
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def one_target(name: str, label: str, description: str) -> dashboard.QueryVariable:
    """One target; the first by default."""
    return _chosen(name, label, description)


def instances() -> dashboard.QueryVariable:
    """Any number of monitors; all by default."""
    return (
        _chosen("instance", "Monitor", "The monitors to show, by address; all by default.")
        .query("label_values(chat_monitor_build_info, instance)")
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _chosen(name: str, label: str, description: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(DATASOURCE)
        .query("label_values(chat_stream_probes_total, target)")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def _filter() -> dashboard.AdHocVariable:
    """The labels of the config are not known here: any of them can be filtered by."""
    return (
        dashboard.AdHocVariable("labels")
        .label("Labels")
        .description("Only series with these labels, such as the team or the location of your config.")
        .datasource(DATASOURCE)
    )


def _window() -> dashboard.CustomVariable:
    """Probes are rare: shares and percentiles cover a chosen window, not the step of the graph."""
    return (
        dashboard.CustomVariable("window")
        .label("Window")
        .description("The window of each point of a share or a percentile: at least 20 probe intervals, better 60.")
        .values("5m,15m,1h,6h,1d")
        .current(model.VariableOption(selected=True, text="1h", value="1h"))
    )


def _alerts(chosen: Sequence[str]) -> dashboard.AnnotationQuery:
    """The alerts on the selection, and those without a target or monitor."""
    label = "instance" if "instance" in chosen else "target"
    among = "".join(f"${name}|" for name in chosen)
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(DATASOURCE)
        .enable(enable=True)
        .icon_color(BAD)
        .expr(f'ALERTS{{alertname=~"Chat(Stream|Monitor).+", alertstate="firing", {label}=~"{among}"}}')
    )


def _reloads() -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name("Reloads")
        .datasource(DATASOURCE)
        .enable(enable=True)
        .icon_color("blue")
        .expr("time() - chat_monitor_config_last_reload_success_timestamp_seconds < 60")
    )


MARKS = {
    "Alerts": {"titleFormat": "{{alertname}}", "textFormat": "{{target}} ({{instance}})", "tagKeys": "severity"},
    "Reloads": {"titleFormat": "config loaded", "textFormat": "{{instance}}", "tagKeys": ""},
}
"""The texts of each annotation's marks; Prometheus' annotations have these keys, but the SDK does not."""


# ---- the queries


def of(metric: str, *matchers: str, side: str = "target") -> str:
    """A metric of the chosen targets; `side` is the variable that chooses them."""
    labels = ", ".join((f'target=~"${side}"', *matchers))
    return f"{metric}{{{labels}}}"


def own(metric: str, *matchers: str) -> str:
    """A metric of the chosen monitors."""
    labels = ", ".join(('instance=~"$instance"', *matchers))
    return f"{metric}{{{labels}}}"


def increase(metric: str, *matchers: str, by: str = "target", over: str = "$window", side: str = "target") -> str:
    """The sum of a counter's increase over the chosen targets; without grouping if `by` is empty."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (increase({of(metric, *matchers, side=side)}[{over}]))"


def worst(expr: str, most: int = 10) -> str:
    """The highest series at each moment, so that a thousand targets are not a thousand lines."""
    return f"topk({most}, {expr})"


def share(part: str, whole: str) -> str:
    """One count divided by another; no series, instead of NaN, if the divisor is 0."""
    return f"{part} / {whole} >= 0"


def quantile(rank: float, histogram: str, *, over: str = "$window", side: str = "target") -> str:
    """A percentile per target; no series, instead of NaN, if nothing was observed."""
    buckets = increase(f"{histogram}_bucket", by="target, le", over=over, side=side)
    return f"histogram_quantile({rank}, {buckets}) >= 0"


def good_share(slo: str, by: str = "target", over: str = "$__range", side: str = "target") -> str:
    """The share of probes that were good by one SLO."""
    label = f'slo="{slo}"'
    good = increase("chat_stream_slo_good_total", label, by=by, over=over, side=side)
    return share(good, increase("chat_stream_slo_probes_total", label, by=by, over=over, side=side))


def objective(slo: str) -> str:
    """The objective of one SLO."""
    label = f'slo="{slo}"'
    return f"max by (target) ({of('chat_stream_slo_objective_ratio', label)})"


def budget_left(slo: str) -> str:
    """The share of the failures that an objective allows over the whole range which is not used up."""
    return f"1 - (1 - ({good_share(slo)})) / (1 - {objective(slo)})"


def over_time(expr: str, legend: str) -> prometheus.Dataquery:
    """A query for a graph."""
    return prometheus.Dataquery().datasource(DATASOURCE).expr(expr).range().legend_format(legend)


def with_exemplars(expr: str, legend: str) -> prometheus.Dataquery:
    """A query for a graph with single probes as exemplars."""
    return over_time(expr, legend).exemplar(exemplar=True)


def in_buckets(expr: str) -> prometheus.Dataquery:
    """A query for a heatmap: a series for each bucket."""
    return over_time(expr, "{{le}}").format(PromQueryFormat.HEATMAP)


def now(expr: str, legend: str = "") -> prometheus.Dataquery:
    """A query for one value a series, at the end of the chosen range."""
    return prometheus.Dataquery().datasource(DATASOURCE).expr(expr).instant().legend_format(legend)


def column(expr: str) -> prometheus.Dataquery:
    """A query for one column of a table."""
    return now(expr).format(PromQueryFormat.TABLE)


# ---- the panels


def described(panel: Panel, title: str, description: str, unit: str, *queries: prometheus.Dataquery) -> Panel:
    """Set a panel's title, description, unit and queries."""
    panel.title(title).description(description).unit(unit).datasource(DATASOURCE)
    for letter, query in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(query.ref_id(letter))
    return panel


def number(width: int) -> stat.Panel:
    """One number, without Grafana's default thresholds and colours."""
    return (
        stat.Panel()
        .span(width)
        .height(4)
        .reduce_options(last())
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .thresholds(steps("text"))
    )


def lines(width: int, height: int = 9, *, signed: bool = False) -> timeseries.Panel:
    """Lines over time, the worst first in the legend; from 0, if they have no sign."""
    panel = timeseries.Panel().axis_soft_min(0) if signed else timeseries.Panel().min(0)
    return (
        panel.span(width)
        .height(height)
        .fill_opacity(0)
        .show_points(looks.VisibilityMode.NEVER)
        .legend(_legend(["lastNotNull", "max"]))
        .tooltip(_tooltip())
    )


def bars(width: int, height: int = 9) -> timeseries.Panel:
    """Stacked counts, one bar for at least five minutes: few probes fall into less.

    Their queries count over $__rate_interval, which is a bar and one scrape more, so that what happens between two bars
    is not lost.
    """
    return (
        timeseries.Panel()
        .span(width)
        .height(height)
        .min(0)
        .decimals(0)
        .interval("5m")
        .draw_style(looks.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
        .legend(_legend(["sum"]))
        .tooltip(_tooltip())
    )


def layers(width: int, height: int = 9) -> timeseries.Panel:
    """Parts that add up, as stacked areas."""
    return (
        lines(width, height)
        .fill_opacity(50)
        .line_width(1)
        .stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    )


def dots(width: int, height: int = 9) -> timeseries.Panel:
    """Single values over time, not joined by a line."""
    return lines(width, height).draw_style(looks.GraphDrawStyle.POINTS).point_size(5)


def heats(width: int, height: int = 9) -> heatmap.Panel:
    """How many fell into which bucket, over time; of at least five minutes, as bars are."""
    return (
        heatmap.Panel()
        .span(width)
        .height(height)
        .interval("5m")
        .calculate(calculate=False)
        .color(
            heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64).exponent(0.5)
        )
        .show_y_histogram()
        .y_axis(heatmap.YAxisConfig().unit(SECONDS).axis_placement(looks.AxisPlacement.LEFT))
        .cell_gap(1)
    )


def ranking(width: int, height: int = 9) -> bargauge.Panel:
    """One bar per series, at the end of the range."""
    return (
        bargauge.Panel()
        .span(width)
        .height(height)
        .min(0)
        .reduce_options(last())
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
    )


def states(width: int, height: int = 9) -> statetimeline.Panel:
    """One line per series, coloured by its state."""
    return (
        statetimeline.Panel()
        .span(width)
        .height(height)
        .show_value(looks.VisibilityMode.NEVER)
        .merge_values(merge_values=True)
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
        .tooltip(_tooltip())
    )


def last() -> common.ReduceDataOptions:
    """The last value of a series is the one to show."""
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def steps(first: str, *others: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """A colour from the bottom on, and others from their values on."""
    thresholds = [model.Threshold(value=None, color=first), *(model.Threshold(value, color) for value, color in others)]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)


def words(**states: tuple[str, str]) -> list[model.ValueMapping]:
    """Words and colours in place of numbers: `words(_0=("down", BAD))`."""
    results = {
        value.removeprefix("_"): model.ValueMappingResult(text=text, color=color)
        for value, (text, color) in states.items()
    }
    return [model.ValueMap(options=results)]


def setting(name: str, value: object) -> model.DynamicConfigValue:
    """One property of an override."""
    return model.DynamicConfigValue(id_val=name, value=value)


def limit() -> list[model.DynamicConfigValue]:
    """The style of a line that is a limit, not a measurement."""
    return [
        setting("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
        setting("custom.lineWidth", 1),
        setting("color", {"mode": "fixed", "fixedColor": "text"}),
    ]


def _legend(columns: list[str]) -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(looks.LegendDisplayMode.TABLE)
        .placement(looks.LegendPlacement.BOTTOM)
        .calcs(columns)
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
