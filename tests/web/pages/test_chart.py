"""Tests of the chart of times to first chunk."""

from __future__ import annotations

import re

from monitor.web.pages.chart import chart
from tests.web import scenes

TARGET = scenes.target()


def test_oldest_first_with_the_threshold() -> None:
    """The newest probe is the last bar, each bar leads to its probe, and the threshold is drawn."""
    recent = scenes.series([scenes.complete(first=first) for first in (0.4, 0.2, 0.1)], TARGET)
    drawn = chart(recent, 0.4)
    assert re.findall(r'href="/probes/([^"]+)"', drawn) == [seen.probe_id for seen in reversed(recent)]
    assert re.findall(r'<rect[^>]* height="([^"]+)%"', drawn) == ["23.15", "46.30", "92.59"]
    assert "SLO 400 ms" in drawn


def test_a_far_threshold_would_flatten_the_bars() -> None:
    """A threshold of many times the highest bar is not drawn."""
    recent = scenes.series([scenes.complete(first=0.1)], TARGET)
    assert "threshold" not in chart(recent, 2.0)


def test_a_probe_that_never_reached_its_first_chunk() -> None:
    """A stub with the outcome's colour stands where there is nothing to measure, alone too."""
    drawn = chart(scenes.series([scenes.unreachable()], TARGET), 2.0)
    assert 'class="down unreached"' in drawn
    assert "no recent probe reached its first chunk" in drawn


def test_zero_everywhere() -> None:
    """Neither a threshold nor times of nothing divide by nothing."""
    assert "chart" in chart(scenes.series([scenes.complete(first=0.0)], TARGET), 0.0)
