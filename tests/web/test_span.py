"""Tests of the span of time in a query."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.web.listing import BadQueryError
from monitor.web.span import TimeSpan, moment, span
from tests.web.samples import NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def asked(**query: str) -> TimeSpan:
    """Return the span of a query; `start` is its `from`."""
    names = {"start": "from", "end": "to"}
    return span({names[key]: text for key, text in query.items()}, NOW, default=DAY, longest=90 * DAY)


@pytest.mark.parametrize(
    ("query", "start", "end", "live"),
    [
        ({}, NOW - DAY, NOW, True),
        ({"start": "now-1h"}, NOW - HOUR, NOW, True),
        ({"start": "now-90m", "end": "now-30m"}, NOW - 1.5 * HOUR, NOW - 0.5 * HOUR, False),
        ({"end": "2026-11-21T22:10:00Z"}, NOW - 2 * DAY, NOW - DAY, False),
        ({"end": "2030-01-01"}, NOW - DAY, NOW, True),
        ({"start": "now-999d"}, NOW - 90 * DAY, NOW, True),
    ],
)
def test_a_span(query: dict[str, str], start: object, end: object, *, live: bool) -> None:
    """The last day as a rule; counted back from now, to now at most, and no longer than is kept."""
    assert asked(**query) == TimeSpan(start, end, live=live)  # type: ignore[arg-type] # moments, as above
    assert asked(start="now-1h").seconds == 3600


@pytest.mark.parametrize("query", [{"start": "now-1h", "end": "now-2h"}, {"start": "2030-01-01"}, {"start": "now-1x"}])
def test_an_invalid_span(query: dict[str, str]) -> None:
    """A span that ends before it begins, begins after now, or is invalid, is refused."""
    with pytest.raises(BadQueryError):
        asked(**query)


def test_no_moment_at_all() -> None:
    """An empty parameter is one that is not there."""
    assert moment("from", "", NOW) is None
