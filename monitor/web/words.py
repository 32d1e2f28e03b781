"""Numbers, durations and ages in few words, as they stand on the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import UNSET, UnsetType

from monitor.record.probe_event import ProbeEvent

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
NOTHING = "\N{EM DASH}"


def seconds(value: float | UnsetType | None) -> str:
    """Return a duration to three figures or so: `0.4 ms`, `210 ms`, `4.10 s`, `2 min 05 s`."""
    if value is None or value is UNSET:
        return NOTHING
    if value < 0.01:  # noqa: PLR2004 -- ten milliseconds, from which on tenths of one say nothing
        return f"{value * 1000:.1f} ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 2 * _MINUTE:
        return f"{value:.2f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def limit(value: float) -> str:
    """Return a configured duration as it was meant: `5 s`, `0.5 s`, `300 s`."""
    return f"{value:g} s"


def span(value: float) -> str:
    """Return how long something is ago or has lasted, in its one largest fitting unit."""
    value = max(value, 0.0)
    if value < 2 * _MINUTE:
        return f"{value:.0f} s"
    if value < 2 * _HOUR:
        return f"{value / _MINUTE:.0f} min"
    if value < 2 * _DAY:
        return f"{value / _HOUR:.0f} h"
    return f"{value / _DAY:.0f} days"


def ratio(part: int, whole: int) -> str:
    """Return `part` of `whole` in per cent; a dash where there is no whole."""
    if whole == 0:
        return NOTHING
    return f"{100 * part / whole:.3g} %"


def count(number: int, noun: str) -> str:
    """Return the number with its noun, in the plural where it needs one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def iso(moment: datetime) -> str:
    """Return a moment in UTC for machines."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(moment: datetime) -> str:
    """Return a moment in UTC for people."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def parsed(timestamp: str) -> datetime | None:
    """Return the moment of an event's timestamp, in UTC; None if it is not one."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def ended(event: ProbeEvent) -> datetime:
    """Return when a probe ended; the earliest moment there is if its timestamp cannot be read."""
    began = parsed(event.timestamp)
    return began + timedelta(seconds=event.duration) if began else datetime.min.replace(tzinfo=UTC)
