"""Whether a target is in a maintenance window at a given time, and the windows that were set by the API.

A recurring window begins at its local time of day in its time zone and lasts its duration in real time. If daylight
saving skips that time, the window begins as long after midnight as on other days; if the time occurs twice, at the
first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from monitor.files import NewerFileError
from monitor.keys import units
from monitor.keys.values import WEEKDAYS
from monitor.settings import Maintenance
from monitor.target import Target

_DAY = timedelta(days=1)
_MOST = 1000
"""The maximum number of set windows: each is compared with a target before its probe."""
_USUAL, _LONGEST = _DAY, 366 * _DAY
"""The duration of a window without an end, and how far ahead a window may end."""


def active(windows: Iterable[Maintenance], target: Target, now: datetime) -> bool:
    """Whether one of the windows is open for the target at `now`, which has a time zone."""
    return any(concerns(window, target) and open_until(window, now) is not None for window in windows)


def resting_until(windows: Iterable[Maintenance], target: Target, now: datetime) -> datetime | None:
    """Return when the last of the windows that are open for the target ends, in UTC; None if none is open."""
    ends = (open_until(window, now) for window in windows if concerns(window, target))
    return max((end for end in ends if end is not None), default=None)


def concerns(window: Maintenance, target: Target) -> bool:
    """Whether a window applies to the target: one of its names or patterns matches, and all of its labels do."""
    named = not window.targets or any(names(pattern, target.name) for pattern in window.targets)
    return named and all(fnmatchcase(target.labels.get(name, ""), value) for name, value in window.labels.items())


def names(pattern: str, name: str) -> bool:
    """Whether a name or a pattern of names matches this target; NAME also matches NAME/MODEL."""
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}/")


def open_until(window: Maintenance, now: datetime) -> datetime | None:
    """Return when a window that is open at `now` ends, in UTC; None if it is closed."""
    if window.start is not None and window.end is not None:
        return window.end.astimezone(UTC) if window.start <= now < window.end else None
    if window.at is None or window.duration is None:
        return None
    lasts = timedelta(seconds=window.duration)
    ends = (begin + lasts for begin in _beginnings(window, window.at, lasts, now) if begin <= now < begin + lasts)
    return max(ends, default=None)


def _beginnings(window: Maintenance, at: time, lasts: timedelta, now: datetime) -> Iterator[datetime]:
    """Return the starts, in UTC, of the windows that may still be open: one a day, as far back as one lasts."""
    zone = _zone(window.timezone)
    today = now.astimezone(zone).date()
    for ago in range(math.ceil(lasts / _DAY) + 1):
        day = today - timedelta(days=ago)
        if WEEKDAYS[day.weekday()] in window.weekdays:
            # in UTC: Python subtracts two times of one zone as wall-clock times
            yield datetime.combine(day, at, zone).astimezone(UTC)


@cache
def _zone(name: str) -> tzinfo:
    """Read each time zone from its file once."""
    return UTC if name == "UTC" else ZoneInfo(name)


# -- windows that were set by the API ----------------------------------------------------------------------------------


class SetWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance window that a user set while the monitor runs."""

    id: Annotated[str, Meta(description="Its id.")]
    targets: Annotated[tuple[str, ...], Meta(description="Names of targets, or patterns; empty for all.")] = ()
    labels: Annotated[dict[str, str], Meta(description="Labels that the targets have, or patterns.")] = {}
    start: Annotated[datetime, Meta(description="When it begins, in RFC 3339.", tz=True)]
    end: Annotated[datetime, Meta(description="When it ends, in RFC 3339.", tz=True)]
    created: Annotated[datetime, Meta(description="When it was set, in RFC 3339.", tz=True)]
    created_by: Annotated[str, Meta(description="The user who set it.")]
    comment: Annotated[str, Meta(description="Why.")] = ""

    @property
    def window(self) -> Maintenance:
        """The same window in the form of the config."""
        return Maintenance(self.id, self.targets, self.labels, self.start, self.end)


class WindowRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A maintenance window to set: which targets it concerns, and until when."""

    targets: Annotated[
        tuple[str, ...], Meta(description='Names of targets, or patterns with `*`, `?` or `[...]`; `["*"]` for all.')
    ] = ()
    labels: Annotated[
        dict[str, str], Meta(description="Labels that the targets have, each equal to this or matching its pattern.")
    ] = {}
    start: (
        Annotated[datetime, Meta(description="When it begins, in RFC 3339; now by default.", tz=True)] | UnsetType
    ) = UNSET
    end: Annotated[datetime, Meta(description="When it ends, in RFC 3339.", tz=True)] | UnsetType = UNSET
    duration: (
        Annotated[str, Meta(description='How long it lasts, such as `"90m"`; 24 hours without this and `end`.')]
        | UnsetType
    ) = UNSET
    comment: Annotated[str, Meta(description="Why, for those who see it.", max_length=1000)] = ""

    def window(self, window_id: str, now: datetime, user: str) -> SetWindow:
        """Return the window that is asked for; ValueError says why it cannot be."""
        if not self.targets and not self.labels:
            raise ValueError('targets or labels: name at least one; ["*"] in targets is all targets')
        start = self.start or now
        end = self._end(start)
        if end <= max(start, now):
            raise ValueError("end: is not after start, or not in the future")
        if end - now > _LONGEST:
            raise ValueError(f"end: is more than {_LONGEST.days} days ahead")
        return SetWindow(
            id=window_id,
            targets=self.targets,
            labels=self.labels,
            start=start,
            end=end,
            created=now,
            created_by=user,
            comment=self.comment,
        )

    def _end(self, start: datetime) -> datetime:
        if self.duration is UNSET:
            return self.end or start + _USUAL
        if self.end is not UNSET:
            raise ValueError("duration: end is also set; leave one of them out")
        seconds = units.seconds(self.duration)
        if not seconds or seconds > _LONGEST.total_seconds():
            raise ValueError(f'duration: is not between "1ms" and "{_LONGEST.days}d"')
        return start + timedelta(seconds=seconds)


class SetWindows:
    """The windows that were set and have not ended, in the order in which they were set."""

    def __init__(self) -> None:
        self._windows: dict[str, SetWindow] = {}

    def add(self, window: SetWindow) -> None:
        """Add a window; ValueError if there are too many."""
        if len(self._windows) >= _MOST:
            raise ValueError(f"there are already {_MOST:,} windows: end some of them")
        self._windows[window.id] = window

    def end(self, window_id: str, now: datetime) -> SetWindow | None:
        """Remove a window and return it, ended now; None if there is none of this id."""
        found = {one.id: one for one in self.all(now)}.get(window_id)
        if found is None:
            return None
        del self._windows[window_id]
        return msgspec.structs.replace(found, end=max(now, found.start))

    def all(self, now: datetime) -> tuple[SetWindow, ...]:
        """Return the windows that have not ended."""
        self._windows = {key: one for key, one in self._windows.items() if one.end > now}
        return tuple(self._windows.values())

    def dump(self) -> bytes:
        """Return the windows, to be saved in a file."""
        return msgspec.json.encode(_File(_VERSION, tuple(self._windows.values())))

    def load(self, kept: bytes) -> None:
        """Load the windows that `dump` wrote; ValueError if they are invalid, NewerFileError for a later version."""
        if _READ_VERSION.decode(kept).version > _VERSION:  # msgspec's errors are ValueErrors
            raise NewerFileError
        for one in _READ.decode(kept).windows:
            self.add(one)


_VERSION = 1


class _Version(msgspec.Struct):
    """What every version of the file begins with."""

    version: int


class _File(_Version):
    """The file of the windows."""

    windows: tuple[SetWindow, ...]


# made while the module is imported: two threads that prepare one type at once end the process (msgspec 0.22)
_READ_VERSION, _READ = msgspec.json.Decoder(_Version), msgspec.json.Decoder(_File)
