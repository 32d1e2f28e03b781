"""A span of time in the query of a page: `?from=&to=`, as times or relative to now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitor.web.formatting import parsed
from monitor.web.listing import BadQueryError

_BACK = re.compile(r"now-(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A span of time from `start` to `end`."""

    start: datetime
    end: datetime
    live: bool = False
    """Whether it ends now, so that its page is updated."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()


def moment(name: str, text: str, now: datetime) -> datetime | None:
    """Parse a time parameter, None if it is empty; BadQueryError if it is invalid."""
    if not text:
        return None
    try:
        if (back := _BACK.fullmatch(text)) is not None:
            return now - timedelta(seconds=int(back[1]) * _UNITS[back[2]])
        # in a query, the + of a time zone is a space
        return parsed(text.replace(" ", "+") if "T" in text else text) or datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        message = f"{name} must be a time as 2026-11-22T22:10:00Z, Unix seconds, or relative, such as now-24h."
        raise BadQueryError(message) from None


def span(query: Mapping[str, str], now: datetime, *, default: timedelta, longest: timedelta) -> TimeSpan:
    """Return the requested span, by default the last `default`; BadQueryError if it is invalid."""
    start, end = (moment(name, query.get(name, ""), now) for name in ("from", "to"))
    live = end is None or end >= now
    end = now if end is None else min(end, now)
    start = end - default if start is None else start
    if start >= end:
        raise BadQueryError("from must be before to, and before now.")
    return TimeSpan(max(start, end - longest), end, live=live)
