"""The metrics that rules and boards may build on, and how to find the metrics in an expression."""

import re

from monitor.sinks.metrics.families import FAMILIES, MetricKind

HISTOGRAMS = {row.name for row in FAMILIES if row.kind is MetricKind.HISTOGRAM}
OTHERS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"}
"""Of prometheus_client's own."""

METRICS = (
    {row.name for row in FAMILIES if row.kind is not MetricKind.HISTOGRAM}
    | {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "count", "sum")}
    | OTHERS
)

STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
IN_BRACKETS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
NAMES = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "group", "count_values"}


def metrics_in(expr: str) -> set[str]:
    """The names of the metrics an expression reads, whether they exist or not."""
    for noise in (STRINGS, IN_BRACKETS, LABEL_LISTS):
        expr = noise.sub(" ", expr)
    return set(NAMES.findall(expr)) - KEYWORDS - AGGREGATIONS
