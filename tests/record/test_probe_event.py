"""The event as it is read back: from the file or the API, it is checked once, here."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from monitor.judge.content_check import CheckResult
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.parts import Suspicion, Tokens
from monitor.record.probe_event import EventError, as_json, json_pieces, plain, reached, read
from monitor.stream.endings import EndKind
from monitor.stream.events import Fault, Output
from tests.records import record
from tests.sinks.samples import chunks, cut, failed, line, observed, refused, stopped, whole

STORIES = [
    whole(), cut(), failed(), failed(Fault.QUOTA), refused(), stopped(), stopped(EndKind.INTERNAL),
    whole(check=CheckResult("count", "missing", 0.5)), observed(line(*chunks(0.2)), tokens=Tokens(1, 1)),
    observed(line(), tokens=None),
]  # fmt: skip


@pytest.mark.parametrize("probe", STORIES)
def test_an_event_agrees_with_its_observation(probe: Observation) -> None:
    """Read back through JSON, with its timeline or without: the same words, judgements and figures."""
    for timeline in (True, False):
        event = read(json.loads(json.dumps(record(probe, timeline=timeline))))
        assert (event.outcome, event.cause or None) == (probe.verdict.outcome, probe.verdict.cause)
        assert (event.accepted, event.truncated) == (probe.verdict.accepted, probe.verdict.truncated)
        assert event.available is (probe.available and bool(event.slo))
        assert event.ours is (not event.slo)
        assert event.output_rate == pytest.approx(probe.output_rate)
        assert bool(event.timeline) is timeline


def test_what_another_version_has_more_or_less() -> None:
    """Keys that are not known are passed over, and those that are missing have a default."""
    values = record(whole()) | {"moon": "full"}
    needed = ("probe_id", "target", "timestamp", "outcome", "detail", "protocol", "duration")
    assert read(values).chunks == 3
    few = read({key: values[key] for key in needed})
    assert (few.chunks, few.available, few.accepted, few.output_rate) == (0, False, False, None)
    assert (few.timeline, few.tail, few.cause) == (UNSET, UNSET, UNSET)
    assert not few.wrong_content
    for key in needed:
        with pytest.raises(EventError, match=f"not the event of a probe: .*`{key}`"):
            read({name: value for name, value in values.items() if name != key})


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
    """Any JSON value is an event or raises EventError."""
    with pytest.raises(EventError):
        read(value)


def test_a_newer_event_is_read() -> None:
    """An event of a newer version with unknown schema, values, keys and columns is read."""
    newer = record(cut(), timeline=True) | {"schema": 2, "outcome": "bored", "cause": "rain", "timings": {"moon": 1.0}}
    newer["timeline"]["arrivals"] = [[0.1, 0.0, 0, 100, "a fifth column"]]
    event = read(newer)
    assert (event.schema, event.verdict, reached(event.timings)) == (2, "bored/rain", {})
    assert event.timeline
    assert event.timeline.arrivals[0].size == 100


def test_a_measured_zero_is_kept_and_what_is_absent_stays_absent() -> None:
    """Read and written again, an event has the keys that it had."""
    values = record(whole()) | {"tail": 0.0, "own_delay": 0.0, "timings": {"connect": 0.0}}
    del values["gap"]
    assert json.loads(as_json(read(values))) == values
    assert reached(read(values).timings) == {"connect": 0.0}


def test_a_long_timeline_is_written_in_pieces() -> None:
    """The pieces are one JSON document, the same as that of a whole."""
    long = event_of(observed(line(*((0.2 + number / 1e4, Output("x")) for number in range(12_000)))), timeline=True)
    pieces = list(json_pieces(long))
    assert len(pieces) > 6
    assert msgspec.json.decode(b"".join(pieces)) == msgspec.json.decode(msgspec.json.encode(long))


def test_a_lone_surrogate_does_not_cost_the_event() -> None:
    """A lone surrogate becomes U+FFFD, because UTF-8 cannot encode it."""
    event = event_of(cut(last_words="a\ud800b", diagnosis=(Suspicion("restart", "\udfff"),)))
    values = json.loads(as_json(event))
    assert (values["last_words"], values["diagnosis"][0]["because"]) == ("a\ufffdb", "\ufffd")
    assert plain(event)["last_words"] == "a\ud800b"
