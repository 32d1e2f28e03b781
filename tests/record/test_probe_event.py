"""The event as it is read back: whatever stands in the file or comes from the port, it is checked once, here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.judge.content_check import CheckResult
from monitor.record.observation import Observation, Tokens, record
from monitor.record.probe_event import EventError, glance, read
from monitor.stream.endings import EndKind
from monitor.stream.events import Fault
from tests.sinks.stories import chunks, cut, failed, line, refused, seen, stopped, whole

STORIES = [
    whole(), cut(), failed(), failed(Fault.QUOTA), refused(), stopped(), stopped(EndKind.INTERNAL),
    whole(check=CheckResult("count", "missing", 0.5)), seen(line(*chunks(0.2)), tokens=Tokens(1, 1)),
    seen(line(), tokens=None),
]  # fmt: skip


@pytest.mark.parametrize("probe", STORIES)
def test_it_says_what_the_observation_said(probe: Observation) -> None:
    """Read back through JSON, with its timeline or without: the same words, judgements and figures."""
    for timeline in (True, False):
        event = read(json.loads(json.dumps(record(probe, timeline=timeline))))
        assert (event.outcome, event.cause) == (probe.verdict.outcome, probe.verdict.cause)
        assert (event.accepted, event.truncated) == (probe.verdict.accepted, probe.verdict.truncated)
        assert event.available is (probe.available and event.slo is not None)
        assert event.ours is (event.slo is None)
        assert event.output_rate == pytest.approx(probe.output_rate)
        assert (event.timeline is not None) is timeline


def test_what_another_version_has_more_or_less() -> None:
    """Keys that are not known are passed over, and those that are missing have a default."""
    told = record(whole()) | {"moon": "full"}
    needed = ("probe_id", "target", "timestamp", "outcome", "detail", "protocol", "duration")
    assert read(told).chunks == 3
    few = read({key: told[key] for key in needed})
    assert (few.chunks, few.available, few.accepted, few.timeline, few.output_rate) == (0, False, False, None, None)
    assert not few.wrong_content
    for key in needed:
        with pytest.raises(EventError, match=f"no event of a probe: .*`{key}`"):
            read({name: value for name, value in told.items() if name != key})


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration": -1}, {"duration": float("nan")}, {"duration": 1e300}, {"timings": {"end": float("inf")}},
        {"chunks": "three"}, {"check": {"progress": 7}}, {"timeline": {"events": [[1, 2]]}}, {"detail": None},
    ],
)  # fmt: skip
def test_what_nothing_can_be_drawn_of_is_refused(wrong: dict[str, object]) -> None:
    """Numbers beyond all sense, and other shapes."""
    with pytest.raises(EventError):
        read(record(whole(), timeline=True) | wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_an_event_or_refused(value: object) -> None:
    """And nothing else happens."""
    with pytest.raises(EventError):
        read(value)


def events(*probes: Observation) -> list[Any]:
    """Return the events of probes."""
    return [read(record(probe)) for probe in probes]


def test_a_target_at_a_glance() -> None:
    """The last that says something of it, and what the scheduled ones come to; of none there is nothing to say."""
    told = glance("a", events(stopped(), cut(), refused(), whole(), cut(trigger="api"), whole()))
    assert told.outcomes == ["aborted", "truncated", "unreachable", "ok", "truncated", "ok"]
    assert told.last is not None
    assert told.last.verdict == "truncated/incomplete_body"
    assert (told.first_chunk, told.truncation_ratio, told.failures) == (0.2, 1 / 3, 2)
    ours = glance("a", events(stopped()))
    assert ours.last is not None
    assert (ours.last.outcome, ours.truncation_ratio, ours.failures) == ("aborted", None, 0)
    nothing = glance("a", [])
    assert (nothing.last, nothing.first_chunk, nothing.truncation_ratio) == (None, None, None)
