"""Tests of a target's probes in a span of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.record.from_observation import event_of
from monitor.record.probe_event import ProbeEvent
from monitor.record.rollup import HOUR, MINUTE, Rollup
from monitor.web.span import TimeSpan
from monitor.web.target_history import (
    LISTED,
    SINCE_START,
    RollupReader,
    Series,
    from_memory,
    from_rollups,
    in_columns,
    step_of,
    windows_since,
)
from tests.web import samples
from tests.web.samples import NOW


def back(**length: float) -> TimeSpan:
    """Return the span from so long ago to now."""
    return TimeSpan(NOW - timedelta(**length), NOW, live=True)


@pytest.mark.parametrize(
    ("hours", "step"), [(0.1, 60), (24, 900), (7 * 24, 7200), (30 * 24, 28800), (90 * 24, 86400), (999 * 24, 86400)]
)
def test_a_hundred_columns_at_most(hours: float, step: int) -> None:
    """Of a round length."""
    assert step_of(hours * HOUR) == step


def test_columns_begin_at_whole_steps() -> None:
    """What falls into one is added up, in order of time."""
    series = [(130, Rollup(probes=1)), (60, Rollup(probes=2)), (170, Rollup(probes=4))]
    assert in_columns(series, 120) == [(0, Rollup(probes=2)), (120, Rollup(probes=5))]


def test_memory_makes_the_same_figures() -> None:
    """The probes of the span that memory has are columns, points and a list; ratios are since the start."""
    observations = [samples.complete(), samples.cut(), replace(samples.complete(), trigger="api")]
    view = samples.view(samples.target(), *observations)
    behind = samples.view(samples.target("behind"), samples.reset())
    found = from_memory(view.recent, view.memory.counts, behind.recent, back(hours=1))
    assert (found.total.probes, found.total.truncated, len(found.points), len(found.listed)) == (2, 1, 3, 3)
    assert found.windows == {SINCE_START: view.memory.counts}
    assert [rollup.outcomes for _, rollup in found.upstream] == [{"truncated/reset": 1}]
    assert from_memory(view.recent, view.memory.counts, (), back(seconds=20)).total.probes == 1
    assert from_memory(view.recent, view.memory.counts, (), back(days=2)).points == []


class Asked:
    """A history that notes what it is asked for, and has an hour of good probes of everybody."""

    def __init__(self) -> None:
        self.series: list[tuple[str, int, float, float]] = []

    def reader(self) -> RollupReader:
        """Return its questions."""

        def series(name: str, length: int, start: float, end: float) -> Series:
            self.series.append((name, length, start, end))
            return [(int(start), Rollup(probes=1, outcomes={"ok": 1})), (int(start) + length, Rollup(probes=2))]

        def sums(names: Sequence[str], since: Mapping[str, float]) -> dict[str, dict[str, Rollup]]:
            return {name: dict.fromkeys(since, Rollup(probes=9)) for name in names}

        def between(name: str, start: float, end: float, limit: int) -> list[ProbeEvent]:  # noqa: ARG001 - as asked
            return [event_of(samples.complete())] * limit

        return RollupReader(series, sums, between)


@pytest.mark.parametrize(
    ("span", "length", "step", "points"),
    [
        (back(hours=1), MINUTE, 60, 2),
        (back(hours=24), MINUTE, 900, 2),
        (back(hours=40), MINUTE, 1800, 0),
        (back(days=30), HOUR, 28800, 0),
        (TimeSpan(NOW - timedelta(days=10), NOW - timedelta(days=10) + timedelta(hours=1)), HOUR, HOUR, 0),
    ],
)
def test_the_history_is_asked_for_the_finest_that_it_has(span: TimeSpan, length: int, step: int, points: int) -> None:
    """Minutes while they are kept and shown, else hours; from a whole one on; of the upstream as well."""
    asked = Asked()
    found = from_rollups(asked.reader(), "a", "behind", span, NOW)
    assert (found.step, len(found.points), len(found.listed)) == (step, points, LISTED)
    assert [(name, of) for name, of, _, _ in asked.series] == [("a", length), ("behind", length)]
    start = asked.series[0][2]
    assert (start % length, start <= span.start.timestamp()) == (0, True)
    assert (found.total.probes, set(found.windows)) == (3, set(windows_since(NOW)))
    assert from_rollups(asked.reader(), "a", None, span, NOW).upstream == []
