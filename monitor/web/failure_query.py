"""`GET /failures?from=&to=&cause=`: which failures are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from monitor.record.probe_event import ProbeEvent
from monitor.web.formatting import parsed
from monitor.web.listing import BadQueryError
from monitor.web.span import moment

MOST = 200
"""Failures on one page."""


@dataclass(frozen=True, slots=True)
class FailureQuery:
    """Failures that began in a span of time, of one outcome or cause or all; None means no bound."""

    start: datetime | None = None
    end: datetime | None = None
    cause: str = ""

    def selects(self, event: ProbeEvent) -> bool:
        """Whether a failure has the requested outcome or cause; the span is not checked."""
        return not self.cause or self.cause in {event.outcome, event.cause or "", event.verdict}

    def spans(self, event: ProbeEvent) -> bool:
        """Whether a failure began in the span."""
        began = parsed(event.timestamp)
        return began is not None and (self.start or began) <= began <= (self.end or began)


def parse(query: Mapping[str, str], now: datetime) -> FailureQuery:
    """Parse a request's query; BadQueryError if a time is invalid."""
    start, end = (moment(name, query.get(name, ""), now) for name in ("from", "to"))
    if start and end and start > end:
        raise BadQueryError("from must not be after to.")
    return FailureQuery(start, end, query.get("cause", ""))
