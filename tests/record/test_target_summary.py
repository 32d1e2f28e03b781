"""One target and its recent probes in brief."""

from __future__ import annotations

from msgspec import UNSET

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.target_summary import TargetSummary, summarize
from tests.sinks.samples import cut, refused, stopped, whole


def summary(*probes: Observation) -> TargetSummary:
    """Return the summary of probes, newest first."""
    return summarize("a", [event_of(probe) for probe in probes])


def test_the_figures_of_recent_probes() -> None:
    """The last conclusive probe, and the figures of the scheduled ones, are in the summary."""
    found = summary(stopped(), cut(), refused(), whole(), cut(trigger="api"), whole())
    assert [one.outcome for one in found.recent] == ["aborted", "truncated", "unreachable", "ok", "truncated", "ok"]
    assert found.last
    assert found.last.verdict == "truncated/incomplete_body"
    assert found.first_chunk
    assert (found.first_chunk.p50, found.truncation_ratio, found.consecutive_failures) == (0.2, 1 / 3, 2)


def test_probes_that_say_nothing_of_the_target() -> None:
    """An aborted probe is the last only if there is no other; without probes the state is unknown."""
    ours = summary(stopped())
    assert ours.last
    assert (ours.last.outcome, ours.truncation_ratio, ours.consecutive_failures) == ("aborted", UNSET, 0)
    nothing = summary()
    assert (nothing.last, nothing.first_chunk, nothing.truncation_ratio) == (UNSET, UNSET, UNSET)
