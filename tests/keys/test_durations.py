"""Durations as people read them: the unit changes before the digits become too many or too few."""

from __future__ import annotations

import pytest

from monitor.keys.durations import elapsed, measured


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 us"),
        (0.000045, "45 us"),
        (0.001, "1.0 ms"),
        (0.0123, "12.3 ms"),
        (0.09994, "99.9 ms"),
        (0.09996, "100 ms"),
        (0.21, "210 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (4.1, "4.10 s"),
        (119.99, "119.99 s"),
        (120.0, "2 min 00 s"),
        (125.4, "2 min 05 s"),
        (179.6, "3 min 00 s"),
    ],
)
def test_a_measured_time_has_three_figures_or_so(seconds: float, text: str) -> None:
    """Microseconds, milliseconds, seconds, then minutes and seconds."""
    assert measured(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "0 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (7199.0, "119 min"),
        (7200.0, "2 h"),
        (172799.0, "47 h"),
        (172800.0, "2 d"),
    ],
)
def test_what_is_long_ago_is_reported_in_one_unit(seconds: float, text: str) -> None:
    """The largest unit of which there are two or more, rounded down."""
    assert elapsed(seconds) == text
