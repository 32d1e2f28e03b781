"""The expected rollups and states of a history, counted again from its events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.record.probe_event import ProbeEvent, read
from monitor.record.rollup import KEPT, Rollup, rollup_of
from monitor.record.target_state import TargetState
from monitor.record.target_summary import CONFIRMING, brief_of
from monitor.sinks.history_queries import newest, series, states
from monitor.web.formatting import parsed

ALL = 1_000_000


def events_in(path: Path) -> dict[str, ProbeEvent]:
    """Return all probes of a file by their ids, in the order in which they began: a target has one at a time."""
    return {event["probe_id"]: read(event) for event in reversed(newest(path, ALL))}


def assert_is_a_recount(
    path: Path, logged: Mapping[str, ProbeEvent], *, confirm: int = 2, recover: int = 1
) -> dict[str, Rollup]:
    """Assert that each rollup and state is what the probes come to, by the log's event where it has one.

    Return the sum of each target.
    """
    kept = events_in(path)
    counted = {event.target: dict[tuple[int, int], Rollup]() for event in kept.values()}
    found_states = {name: TargetState() for name in counted}
    totals = {name: Rollup() for name in counted}
    for probe_id, from_file in kept.items():
        event = logged.get(probe_id, from_file)
        one, began = rollup_of(event), parsed(event.timestamp)
        assert began is not None
        totals[event.target].add(one)
        for span in KEPT:
            start = int(began.timestamp() // span) * span
            counted[event.target].setdefault((span, start), Rollup()).add(one)
        if event.trigger in CONFIRMING and not event.ours:
            found_states[event.target].take(brief_of(event), confirm=confirm, recover=recover)
    for name, expected in counted.items():
        stored = {(span, at): rollup for span in KEPT for at, rollup in series(path, name, span, 0, 1e12)}
        assert stored == expected, name
    assert states(path) == {name: state for name, state in found_states.items() if state != TargetState()}
    return totals
