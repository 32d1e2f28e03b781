"""Tests of the chart of times to first chunk."""

from __future__ import annotations

from monitor.record.from_observation import event_of
from monitor.record.probe_event import ProbeEvent
from monitor.web.pages.chart import chart
from tests.web import scenes

TARGET = scenes.target()


def events(*firsts: float) -> list[ProbeEvent]:
    """Return complete probes, newest first, with these times to the first chunk."""
    return [event_of(seen) for seen in scenes.series([scenes.complete(first=first) for first in firsts], TARGET)]


def test_oldest_first_with_the_threshold() -> None:
    """The newest probe is the last bar, and the threshold is drawn."""
    recent = events(0.4, 0.2, 0.1)
    drawn = chart(recent, 0.4)
    assert [column.event for column in drawn.columns] == recent[::-1]
    assert [column.height for column in drawn.columns] == ["23.15%", "46.30%", "92.59%"]
    assert (drawn.threshold, drawn.threshold_y, drawn.top) == ("400 ms", "7.41%", "400 ms")


def test_a_far_threshold_would_flatten_the_bars() -> None:
    """A threshold of many times the highest bar is not drawn."""
    assert chart(events(0.1), 2.0).threshold_y is None


def test_a_probe_that_never_reached_its_first_chunk() -> None:
    """A stub with the outcome's colour stands for what was not measured, alone too."""
    drawn = chart([event_of(scenes.unreachable())], 2.0)
    assert (drawn.columns[0].look, drawn.columns[0].value) == ("down unreached", "no first chunk")
    assert drawn.caption == "no recent probe reached its first chunk"


def test_zero_everywhere() -> None:
    """Neither a threshold nor times of nothing divide by nothing."""
    assert chart(events(0.0), 0.0).columns[0].height == "1.00%"
