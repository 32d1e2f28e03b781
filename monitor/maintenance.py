"""Whether a target is in one of its maintenance windows at a given moment.

A recurring window begins at its time of day on the clock of its time zone and lasts its duration in real time. If
that clock skips the time, it begins as long after midnight as on any other day; if it shows the time twice, at the
first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase
from functools import cache
from zoneinfo import ZoneInfo

from monitor.keys.values import WEEKDAYS
from monitor.settings import Maintenance
from monitor.target import Target

_DAY = timedelta(days=1)


def active(windows: Iterable[Maintenance], target: Target, now: datetime) -> bool:
    """Whether one of the windows is open for the target at `now`, which has a time zone."""
    return any(concerns(window, target) and _open(window, now) for window in windows)


def concerns(window: Maintenance, target: Target) -> bool:
    """Whether a window applies to the target: one of its names or patterns matches, and all of its labels do."""
    named = not window.targets or any(names(pattern, target.name) for pattern in window.targets)
    return named and all(fnmatchcase(target.labels.get(name, ""), value) for name, value in window.labels.items())


def names(pattern: str, name: str) -> bool:
    """Whether a name or a pattern of names matches this target; NAME also matches NAME/MODEL."""
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}/")


def _open(window: Maintenance, now: datetime) -> bool:
    if window.start is not None and window.end is not None:
        return window.start <= now < window.end
    if window.at is None or window.duration is None:
        return False
    lasts = timedelta(seconds=window.duration)
    return any(begin <= now < begin + lasts for begin in _beginnings(window, window.at, lasts, now))


def _beginnings(window: Maintenance, at: time, lasts: timedelta, now: datetime) -> Iterator[datetime]:
    """Return when, in UTC, the windows began that may still be open: one a day, as far back as one lasts."""
    zone = _zone(window.timezone)
    today = now.astimezone(zone).date()
    for ago in range(math.ceil(lasts / _DAY) + 1):
        day = today - timedelta(days=ago)
        if WEEKDAYS[day.weekday()] in window.weekdays:
            # in UTC: between two times of one zone, Python computes with wall-clock times
            yield datetime.combine(day, at, zone).astimezone(UTC)


@cache
def _zone(name: str) -> tzinfo:
    """Read each time zone from its file once."""
    return UTC if name == "UTC" else ZoneInfo(name)
