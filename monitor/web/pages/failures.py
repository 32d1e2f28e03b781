"""The page of failures of all targets over time: those that ended within the same second are grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.record.probe_event import ProbeEvent
from monitor.web.failure_query import FailureQuery
from monitor.web.formatting import ended
from monitor.web.pages.environment import About, render


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures that ended within one second, newest first."""

    at: datetime
    events: Sequence[ProbeEvent]

    @property
    def targets(self) -> int:
        """The number of targets."""
        return len({event.target for event in self.events})


def failures(events: Sequence[ProbeEvent], query: FailureQuery, about: About, *, truncated: bool = False) -> str:
    """Return the page; `truncated` says that there are more failures than are shown."""
    values = {
        "groups": groups(events),
        "number": len(events),
        "query": query,
        "truncated": truncated,
        "live": query.end is None,
    }
    return render("failures.html", about, values)


def groups(events: Sequence[ProbeEvent]) -> list[FailureGroup]:
    """Return the failures, newest end first, grouped by the second in which they ended."""
    found: list[list[ProbeEvent]] = []
    for event in sorted(events, key=ended, reverse=True):
        if found and (ended(found[-1][0]) - ended(event)).total_seconds() <= 1:
            found[-1].append(event)
        else:
            found.append([event])
    return [FailureGroup(ended(group[0]), group) for group in found]
