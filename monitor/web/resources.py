"""The API's bodies as JSON-ready values; a key that does not apply is absent, never null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

import msgspec

from monitor.record.probe_event import ProbeEvent, plain
from monitor.record.rollup import Rollup
from monitor.sinks.memory import RecentProbe
from monitor.web.listing import ProbeQuery
from monitor.web.target_view import TargetView

Windows = Mapping[str, Rollup]


def targets(
    views: Sequence[TargetView], now: datetime, windows: Mapping[str, Windows] | None = None
) -> dict[str, object]:
    """Return every target with its last probe and, in brief, earlier ones; `windows` are by name."""

    def known(view: TargetView) -> Windows | None:
        return None if windows is None else windows.get(view.target.name, {})

    return {"targets": [msgspec.to_builtins(view.summary(now, windows=known(view))) for view in views]}


def target(view: TargetView, now: datetime, windows: Windows | None = None) -> dict[str, object]:
    """Return one target with the events of all recent probes, newest first."""
    return dict(msgspec.to_builtins(view.summary(now, windows=windows))) | {
        "recent": [plain(probe.event) for probe in view.recent]
    }


def probe(event: ProbeEvent) -> dict[str, object]:
    """Return the event of one probe."""
    return plain(event)


def probes(recent: Iterable[RecentProbe], query: ProbeQuery) -> dict[str, object]:
    """Return the events of the probes that a query selects, the one that began last first."""
    alike = (probe for probe in recent if str(probe.brief.probe_id).startswith(query.begins))
    wanted = (probe.event for probe in alike if probe.failed or not query.failed)
    newest = sorted(wanted, key=attrgetter("timestamp"), reverse=True)[: query.limit]
    return {"probes": [plain(event) for event in newest]}
