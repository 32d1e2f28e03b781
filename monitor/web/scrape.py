"""`GET /probe?target=NAME`, as in blackbox_exporter: which probe is the response, and how long it may take.

It spends tokens, so it is off by default, and an existing recent probe is used instead of a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from monitor.record.observation import Observation
from monitor.sinks.memory import RecentProbe

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
_PARAMETERS = frozenset({"target", "debug"})
_SPARE = 0.5
"""Seconds of the scrape's timeout that are left for the answer itself, as in blackbox_exporter."""
_LONGEST = 86_400.0


class BadRequestError(ValueError):
    """The request is invalid and no probe is sent; the text says what is wrong."""


def requested(query: Sequence[tuple[str, str]]) -> tuple[str, bool]:
    """Return the target's name, and whether the event is requested with the numbers."""
    unknown = sorted({name for name, _ in query} - _PARAMETERS)
    targets = [value for name, value in query if name == "target"]
    if unknown:
        raise BadRequestError("The parameters are target, the name of a configured target, and debug.")
    if len(targets) != 1:
        raise BadRequestError("Exactly one target is required: /probe?target=NAME.")
    return targets[0], ("debug", "true") in query


def time_limit(header: str | None) -> float | None:
    """Return the time limit in seconds from Prometheus' scrape-timeout header; None without one."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = 0.0
    if not isfinite(seconds) or seconds <= 0:
        raise BadRequestError(f"{TIMEOUT_HEADER} is not a number of seconds above 0.")
    return min(max(seconds - _SPARE, seconds / 2), _LONGEST)


def fresh(recent: Sequence[RecentProbe], interval: float, now: datetime) -> Observation | None:
    """Return the newest probe that is neither aborted nor inconclusive, if it is younger than the interval."""
    newest = next((probe.observation for probe in recent if not probe.ours), None)
    if newest is None or not 0 <= (now - newest.timestamp).total_seconds() < interval:
        return None
    return newest
