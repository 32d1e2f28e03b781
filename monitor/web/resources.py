"""The API's bodies: what the pages show, as JSON-ready values; a key that does not apply is absent, never null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from monitor.record.probe_event import ProbeEvent, plain
from monitor.record.rollup import Rollup
from monitor.sinks.memory import RecentProbe
from monitor.web.listing import ProbeQuery
from monitor.web.target_view import TargetView
from monitor.web.words import ended

Windows = Mapping[str, Rollup]


def targets(
    views: Sequence[TargetView], now: datetime, windows: Mapping[str, Windows] | None = None
) -> dict[str, object]:
    """Return every target with its last probe and, in brief, those before; `windows` are by their names."""

    def known(view: TargetView) -> Windows | None:
        return None if windows is None else windows.get(view.target.name, {})

    return {"targets": [msgspec.to_builtins(view.summary(now, windows=known(view))) for view in views]}


def target(view: TargetView, now: datetime, windows: Windows | None = None) -> dict[str, object]:
    """Return one target with all recent probes, newest first, as their events."""
    return dict(msgspec.to_builtins(view.summary(now, windows=windows))) | {
        "recent": [plain(probe.event) for probe in view.recent]
    }


def probe(event: ProbeEvent) -> dict[str, object]:
    """Return the event of one probe."""
    return plain(event)


def probes(recent: Iterable[RecentProbe], query: ProbeQuery) -> dict[str, object]:
    """Return the newest of these probes that a query selects, newest first, as their events."""
    wanted = (probe.event for probe in recent if probe.failed or not query.failed)
    return {"probes": [plain(event) for event in sorted(wanted, key=ended, reverse=True)[: query.limit]]}
