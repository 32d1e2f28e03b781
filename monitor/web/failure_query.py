"""`GET /failures?from=&to=&cause=`: which failures are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.record.probe_event import ProbeEvent
from monitor.web.listing import BadQueryError
from monitor.web.words import parsed

MOST = 500
"""Failures on one page."""


@dataclass(frozen=True, slots=True)
class FailureQuery:
    """Failures that began in a span of time, of one outcome or cause or all; None is without a bound."""

    start: datetime | None = None
    end: datetime | None = None
    cause: str = ""

    def selects(self, event: ProbeEvent) -> bool:
        """Whether a failure is of the wanted outcome or cause; the span is not looked at."""
        return not self.cause or self.cause in {event.outcome, event.cause or "", event.verdict}

    def spans(self, event: ProbeEvent) -> bool:
        """Whether a failure began in the span."""
        began = parsed(event.timestamp)
        return began is not None and (self.start or began) <= began <= (self.end or began)


def parse(query: Mapping[str, str]) -> FailureQuery:
    """Return what a request asks for; BadQueryError if a moment is invalid."""
    start, end = (_moment(name, query.get(name, "")) for name in ("from", "to"))
    if start and end and start > end:
        raise BadQueryError("from must not be after to.")
    return FailureQuery(start, end, query.get("cause", ""))


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = parsed(text.replace(" ", "+") if "T" in text else text) or datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        message = f"{name} must be a time as 2026-11-22T22:10:00Z, or Unix seconds."
        raise BadQueryError(message) from None
    return found
