"""A target's probes over time as SVG shapes: outcomes in lanes, first chunks, and distributions.

Positions are per cent, or units of a stretched viewBox: the charts fit every width, and text is not scaled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, log10

from monitor.record.rollup import BOUNDS, Buckets, Rollup, merged
from monitor.web.formatting import count, limit
from monitor.web.span import TimeSpan
from monitor.web.target_history import Series, TargetHistory
from monitor.web.tones import Tone, verdict_tone

WIDTH, HEIGHT = 1000, 200
"""The units of a chart's viewBox."""
SPARK = (90, 18)
"""The units of a sparkline's viewBox."""
_HOURS = 48 * 3600
_LABELS = 6
_FIRST, _LAST = 0.03, 0.93
"""The parts of an axis near its ends, in which a label is not centred."""
_SHADES = 5
_SHOWN_THRESHOLD = 4.0
"""A threshold above this many times the highest value is not drawn, because it would flatten the chart."""
_USUAL_TIMEOUTS = (
    (14.5, 16.5, "15 s: Envoy's route time-out"),
    (29.5, 31.5, "30 s: gunicorn, Google's load balancer, Heroku"),
    (59.5, 61.5, "60 s: nginx, AWS's load balancer"),
    (99.5, 101.5, "100 s: Cloudflare"),
    (119.5, 121.5, "120 s: a common setting"),
    (299.5, 301.5, "300 s: Envoy's idle time-out"),
    (599.5, 601.5, "600 s: a common setting of gateways"),
)
"""Common proxy time-outs, each with the bounds of its bucket."""


@dataclass(frozen=True, slots=True)
class AxisLabel:
    """A label of an axis, its position in per cent, and its alignment."""

    text: str
    at: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Block:
    """One column of a lane, with its span of time."""

    x: str
    width: str
    y: str
    height: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OutcomeLane:
    """One outcome and cause over time."""

    verdict: str
    style: Tone
    number: int
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All outcomes of a span on one time axis."""

    axis: Sequence[AxisLabel]
    lanes: Sequence[OutcomeLane]
    upstream: Sequence[OutcomeLane]


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a heatmap, with a shade from 1 to 5."""

    x: str
    width: str
    y: str
    height: str
    shade: int
    title: str


@dataclass(frozen=True, slots=True)
class FirstChunks:
    """Times to the first chunk on a logarithmic axis: points, or a heatmap if the span is long."""

    axis: Sequence[AxisLabel]
    values: Sequence[AxisLabel]
    good: str
    """The path of the points for minutes without a failure."""
    bad: str
    """The path of the other points."""
    cells: Sequence[HeatCell]
    threshold: str
    threshold_y: str | None
    """The position of the SLO's line; None if it is beyond the axis."""
    caption: str


@dataclass(frozen=True, slots=True)
class Bin:
    """One bucket of a distribution."""

    label: str
    number: int
    width: str
    mark: str = ""
    """A common time-out in this bucket."""


def percent(part: float) -> str:
    """Return a fraction as a percentage for SVG."""
    return f"{100 * part:.2f}%"


def time_axis(span: TimeSpan) -> list[AxisLabel]:
    """Return labels at round UTC times."""
    step = next((it for it in _ROUND if span.seconds / it <= _LABELS), _ROUND[-1])
    start, end = span.start.timestamp(), span.end.timestamp()
    shown = "%H:%M" if span.seconds <= _HOURS else "%m-%d"
    found = []
    at = start - start % step + step
    while at < end:
        place = (at - start) / (end - start)
        anchor = "end" if place > _LAST else "start" if place < _FIRST else "middle"
        found.append(AxisLabel(datetime.fromtimestamp(at, UTC).strftime(shown), percent(place), anchor))
        at += step
    return found


_ROUND = (60, 300, 600, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 15 * 86400)


def outcomes(history: TargetHistory) -> Outcomes:
    """Return each outcome and cause over time, the most urgent first, and the upstream's on the same axis."""
    return Outcomes(time_axis(history.span), _lanes(history, history.columns), _lanes(history, history.upstream))


def _lanes(history: TargetHistory, columns: Series) -> list[OutcomeLane]:
    total = merged(rollup for _, rollup in columns)
    most = max((rollup.probes for _, rollup in columns), default=0)
    tones = list(Tone)
    found = [
        OutcomeLane(verdict, verdict_tone(verdict), number, list(_blocks(history, columns, verdict, most)))
        for verdict, number in total.outcomes.items()
    ]
    return sorted(found, key=lambda lane: (tones.index(lane.style), -lane.number, lane.verdict))


def _blocks(history: TargetHistory, columns: Series, verdict: str, most: int) -> Iterator[Block]:
    for at, rollup in columns:
        if number := rollup.outcomes.get(verdict, 0):
            x, width = _column(history, at)
            share = max(number / most, 0.15)
            title = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC: {number} {verdict}"
            yield Block(x, width, percent(1 - share), percent(share), title, at, at + history.step)


def _column(history: TargetHistory, at: int) -> tuple[str, str]:
    """Return the position and the width of a column, within the axis."""
    start, length = history.span.start.timestamp(), history.span.seconds
    left, right = (min(max((it - start) / length, 0.0), 1.0) for it in (at, at + history.step))
    return percent(left), percent(max(right - left, 0.002))


def first_chunks(history: TargetHistory, threshold: float) -> FirstChunks:
    """Return the times to the first chunk of a span."""
    bounds = BOUNDS["first_chunk"]
    total = history.total.first_chunk
    if not total:
        return FirstChunks(time_axis(history.span), [], "", "", [], limit(threshold), None, "no first chunks")
    low = bounds[max(min(total) - 1, 0)] / (2 if min(total) == 0 else 1)
    high = bounds[min(max(total), len(bounds) - 1)]
    if threshold <= _SHOWN_THRESHOLD * high:
        low, high = min(low, threshold / 1.5), max(high, threshold * 1.2)
    axis = _Log(low, high)
    number = count(sum(total.values()), "time")
    return FirstChunks(
        axis=time_axis(history.span),
        values=[AxisLabel(limit(value), percent(axis.y(value))) for value in axis.labels()],
        good=_path(history, axis, failed=False),
        bad=_path(history, axis, failed=True),
        cells=[] if history.points else list(_cells(history, axis)),
        threshold=limit(threshold),
        threshold_y=percent(axis.y(threshold)) if low <= threshold <= high else None,
        caption=f"{number} to the first chunk; times of the axis are UTC"
        + (", a point is the mean of a minute" if history.points else ", darker cells have more"),
    )


class _Log:
    """A logarithmic axis from the bottom to the top of a chart."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = log10(low), log10(high)

    def y(self, value: float) -> float:
        """Return the distance of a value from the top, as a fraction of the height."""
        place = (log10(value) - self._low) / (self._high - self._low) if value > 0 else 0.0
        return 1 - min(max(place, 0.0), 1.0)

    def labels(self) -> Iterator[float]:
        """Yield 1, 2 and 5 times each power of ten on the axis, fewer if it is long."""
        factors = (1, 2, 5) if self._high - self._low <= 2 else (1,)  # noqa: PLR2004 - two powers of ten
        for power in range(floor(self._low), ceil(self._high) + 1):
            yield from (it for factor in factors if self._low <= log10(it := factor * 10.0**power) <= self._high)


def _path(history: TargetHistory, axis: _Log, *, failed: bool) -> str:
    """Return the points of the minutes with or without a failure, as a path of dots."""
    start, length = history.span.start.timestamp(), history.span.seconds
    points = (
        ((at - start) / length * WIDTH, axis.y(mean) * HEIGHT)
        for at, rollup in history.points
        if (mean := rollup.first_chunk_mean) is not None and (rollup.available < rollup.probes) is failed
    )
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)


def _cells(history: TargetHistory, axis: _Log) -> Iterator[HeatCell]:
    bounds = BOUNDS["first_chunk"]
    most = max(max(rollup.first_chunk.values(), default=0) for _, rollup in history.columns)
    for at, rollup in history.columns:
        x, width = _column(history, at)
        for index, number in sorted(rollup.first_chunk.items()):
            top = axis.y(bounds[min(index, len(bounds) - 1)])
            bottom = axis.y(bounds[index - 1]) if index else 1.0
            title = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC: {number} within {bucket(index, bounds)}"
            shade = max(ceil(number / most * _SHADES), 1)
            yield HeatCell(x, width, percent(top), percent(max(bottom - top, 0.01)), shade, title)


def bucket(index: int, bounds: Sequence[float]) -> str:
    """Return a bucket's range: from the previous bound to its own."""
    if index >= len(bounds):
        return f"over {limit(bounds[-1])}"
    return f"{limit(bounds[index - 1]) if index else '0'} to {limit(bounds[index])}"


def distribution(buckets: Buckets, name: str) -> list[Bin]:
    """Return the buckets of one distribution, from the first with a value to the last."""
    if not buckets:
        return []
    bounds, most = BOUNDS[name], max(buckets.values())
    return [
        Bin(bucket(index, bounds), buckets.get(index, 0), percent(buckets.get(index, 0) / most))
        for index in range(min(buckets), max(buckets) + 1)
    ]


def cut_ages(rollup: Rollup) -> list[Bin]:
    """Return the ages at which streams were cut; buckets around common time-outs have a mark."""
    bounds, found = BOUNDS["cut_after"], rollup.cut_after
    marks = {low: text for low, _, text in _USUAL_TIMEOUTS}
    most = max(found.values(), default=1)
    return [
        Bin(
            bucket(index, bounds),
            number,
            percent(number / most),
            marks.get(bounds[index - 1], "") if 0 < index < len(bounds) else "",
        )
        for index, number in sorted(found.items())
    ]


def sparkline(values: Sequence[float | None], threshold: float) -> tuple[str, str]:
    """Return the points of a line of values, oldest first, and the height of the threshold; empty if not shown."""
    width, height = SPARK
    known = [value for value in values if value is not None]
    if not known:
        return "", ""
    top = max(*known, threshold if threshold <= _SHOWN_THRESHOLD * max(known) else 0.0, 1e-9) * 1.1
    apart = width / max(len(values) - 1, 1)
    points = " ".join(
        f"{place * apart:.0f},{height - value / top * height:.1f}"
        for place, value in enumerate(values)
        if value is not None
    )
    return points, f"{height - threshold / top * height:.1f}" if threshold < top else ""
