"""Tests of the charts of probes over time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.record.rollup import BOUNDS, Rollup
from monitor.web.pages.chart import (
    bucket,
    cut_ages,
    distribution,
    first_chunks,
    outcomes,
    sparkline,
    time_axis,
)
from monitor.web.span import TimeSpan
from monitor.web.target_history import Series, TargetHistory
from monitor.web.tones import Tone
from tests.web.samples import NOW

AT = int(NOW.timestamp())


def history(
    columns: Series, *, points: Series | None = None, upstream: Series | None = None, **length: float
) -> TargetHistory:
    """Return the figures of a span up to now, by default of an hour."""
    span = TimeSpan(NOW - timedelta(**(length or {"hours": 1})), NOW)
    return TargetHistory(span, 60, columns, points or [], {}, (), upstream or [])


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        ({"hours": 1}, ["21:20", "21:30", "21:40", "21:50", "22:00"]),
        ({"hours": 24}, ["00:00", "04:00", "08:00", "12:00", "16:00", "20:00"]),
        ({"days": 7}, ["11-17", "11-19", "11-21"]),
        ({"days": 90}, ["09-04", "09-19", "10-04", "10-19", "11-03", "11-18"]),
    ],
)
def test_labels_at_round_times(length: dict[str, float], labels: list[str]) -> None:
    """Six at most, of hours up to two days and of days beyond."""
    found = time_axis(TimeSpan(NOW - timedelta(**length), NOW))
    assert [it.text for it in found][: len(labels)] == labels


def test_the_ends_of_an_axis_are_within_it() -> None:
    """A label near an end is aligned with it."""
    axis = time_axis(TimeSpan(NOW - timedelta(seconds=601), NOW + timedelta(seconds=1)))
    assert {it.anchor for it in axis} == {"start", "middle", "end"}


def test_each_outcome_has_a_lane() -> None:
    """The worst outcomes are first; each column is a block as high as its share, and links to its span."""
    columns = [(AT - 120, Rollup(probes=4, outcomes={"ok": 3, "truncated/reset": 1})), (AT - 60, Rollup(probes=2, outcomes={"ok": 2}))]  # fmt: skip  # noqa: E501 - one row
    found = outcomes(history(columns, upstream=columns))
    assert [(lane.verdict, lane.style, lane.number) for lane in found.lanes] == [
        ("truncated/reset", Tone.CUT, 1), ("ok", Tone.GOOD, 5),
    ]  # fmt: skip
    (block,) = found.lanes[0].blocks
    assert (block.x, block.y, block.height, block.end - block.start) == ("96.67%", "75.00%", "25.00%", 60)
    assert block.title == "2026-11-22 22:08 UTC: 1 truncated/reset"
    assert len(found.upstream) == 2
    assert outcomes(history([])).lanes == []


def test_points_of_good_and_bad_minutes() -> None:
    """Each in a path of its own, on a logarithmic axis with the SLO's line."""
    good = Rollup(probes=1, available=1, first_chunk={5: 1}, first_chunk_us=200_000)
    bad = Rollup(probes=1, first_chunk={5: 1}, first_chunk_us=300_000)
    points = [(AT - 1800, good), (AT - 900, bad), (AT - 60, Rollup(probes=1))]
    found = first_chunks(history(points, points=points), 0.5)
    assert (found.good.count("M"), found.bad.count("M"), found.cells) == (1, 1, [])
    assert found.good.startswith("M500.0 ")
    assert found.threshold_y is not None
    assert [it.text for it in found.values] == ["200 ms", "500 ms"]


def test_a_heatmap_of_a_long_span() -> None:
    """A cell for each bucket of each column, darker for more; the first and the last bucket are within the axis."""
    columns = [(AT - 86400 * 3, Rollup(first_chunk={0: 1, 5: 10})), (AT - 86400, Rollup(first_chunk={len(BOUNDS["first_chunk"]): 5}))]  # fmt: skip  # noqa: E501 - one row
    found = first_chunks(history(columns, days=7), 2.0)
    assert [cell.shade for cell in found.cells] == [1, 5, 3]
    assert "10 within 160 ms to 320 ms" in found.cells[1].title
    assert "over 655.36 s" in found.cells[2].title
    assert [label.text for label in found.values] == ["10 ms", "100 ms", "1 s", "10 s", "100 s"]


def test_a_threshold_that_is_far_away_is_not_drawn() -> None:
    """It would flatten the rest."""
    columns = [(AT - 60, Rollup(first_chunk={2: 1}, first_chunk_us=30_000, probes=1, available=1))]
    assert first_chunks(history(columns, points=columns), 20.0).threshold_y is None
    assert first_chunks(history([]), 2.0).values == []


def test_distributions_have_no_holes() -> None:
    """From the first bucket with a value to the last."""
    bounds = BOUNDS["gap_p50"]
    found = distribution({3: 2, 5: 4}, "gap_p50")
    assert [(it.label, it.number, it.width) for it in found] == [
        (bucket(3, bounds), 2, "50.00%"), (bucket(4, bounds), 0, "0.00%"), (bucket(5, bounds), 4, "100.00%"),
    ]  # fmt: skip
    assert distribution({}, "gap_p50") == []
    assert bucket(0, bounds) == "0 to 1 ms"


def test_ages_of_cuts_with_usual_timeouts() -> None:
    """The bucket around 60 s says who cuts there by default."""
    bounds = BOUNDS["cut_after"]
    at = bounds.index(61.5)
    found = cut_ages(Rollup(cut_after={0: 1, at: 3, len(bounds): 1}))
    assert [it.mark for it in found] == ["", "60 s: nginx, AWS's load balancer", ""]
    assert cut_ages(Rollup()) == []


def test_a_sparkline() -> None:
    """From the oldest value to the newest, with the threshold if it is near; a missing value is left out."""
    assert sparkline([], 1.0) == sparkline([None], 1.0) == ("", "")
    points, threshold = sparkline([1.0, None, 2.0], 2.0)
    assert (points, threshold) == ("0,9.8 90,1.6", "1.6")
    assert sparkline([0.1], 5.0)[1] == ""
