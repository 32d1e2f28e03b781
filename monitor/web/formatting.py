"""Numbers and times as text for the pages; durations and ages are in `keys.durations`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import UNSET, UnsetType

from monitor.keys.durations import measured
from monitor.record.probe_event import ProbeEvent

NOTHING = "\N{EM DASH}"


def seconds(value: float | UnsetType | None) -> str:
    """Return a measured time with about three digits, or a dash if there is none."""
    return NOTHING if value is None or value is UNSET else measured(value)


def limit(value: float) -> str:
    """Return a configured duration in its usual unit: `5 s`, `500 ms`, `300 s`."""
    return f"{value:g} s" if value >= 1 or not value else f"{value * 1000:g} ms"


def ratio(part: int, whole: int) -> str:
    """Return `part` of `whole` in per cent; a dash if `whole` is 0."""
    if whole == 0:
        return NOTHING
    return f"{100 * part / whole:.3g} %"


def count(number: int, noun: str) -> str:
    """Return the number with its noun, in the plural if needed."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def iso(moment: datetime) -> str:
    """Return a time in UTC for machines."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(moment: datetime) -> str:
    """Return a time in UTC for people."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def parsed(timestamp: str) -> datetime | None:
    """Return the time of an event's timestamp, in UTC; None if it is invalid."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def ended(event: ProbeEvent) -> datetime:
    """Return when a probe ended; the earliest possible time if its timestamp is invalid."""
    began = parsed(event.timestamp)
    return began + timedelta(seconds=event.duration) if began else datetime.min.replace(tzinfo=UTC)
