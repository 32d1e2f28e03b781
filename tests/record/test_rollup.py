"""The counts of probes in a span of time."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from monitor.record.from_observation import event_of
from monitor.record.parts import Tokens
from monitor.record.probe_event import Gap, Price, ProbeEvent, Timings, Uncertainties
from monitor.record.rollup import BOUNDS, Rollup, certain, merged, quantile, rollup_of
from monitor.settings import LATENCY_BUCKETS
from tests.sinks.samples import cut, refused, stopped, whole

replaced = msgspec.structs.replace


def test_a_good_probe_counts_once() -> None:
    """A good probe is counted in every number of its target, and its times in their buckets."""
    found = rollup_of(event_of(whole()))
    assert (found.probes, found.accepted, found.available, found.in_time, found.truncated) == (1, 1, 1, 1, 0)
    assert found.outcomes == {"ok": 1}
    assert [LATENCY_BUCKETS[index] for index in found.first_chunk] == [0.32]
    assert (found.first_chunk_us, found.first_chunk_mean) == (200_000, 0.2)
    assert (sum(found.gap_p50.values()), sum(found.gap_max.values()), found.cut_after) == (1, 1, {})


def test_a_cut_probe_counts_its_age() -> None:
    """A cut probe is accepted and truncated, and its duration is counted as the age of a cut."""
    event = event_of(cut())
    found = rollup_of(event)
    assert (found.probes, found.accepted, found.truncated, found.available) == (1, 1, 1, 0)
    (index,) = found.cut_after
    assert BOUNDS["cut_after"][index] >= event.duration
    assert (found.truncation_ratio, found.availability) == (1.0, 0.0)


def test_what_was_not_reached_is_in_no_bucket() -> None:
    """A refused connection has no first chunk and no gap."""
    found = rollup_of(event_of(refused()))
    assert (found.outcomes, found.first_chunk, found.gap_max) == ({"unreachable/refused": 1}, {}, {})
    assert (found.truncation_ratio, found.first_chunk_mean) == (None, None)


@pytest.mark.parametrize("trigger", ["api", "cli", "confirm", "scrape", "signal"])
def test_a_probe_that_was_not_scheduled_counts_in_no_ratio(trigger: str) -> None:
    """A probe that was not scheduled counts only its tokens and its price, as in the metrics."""
    event = replaced(event_of(cut(trigger=trigger)), tokens=Tokens(20, 41), price=Price(amount=0.25, currency="EUR"))
    assert rollup_of(event) == Rollup(input_tokens=20, output_tokens=41, price={"EUR": 250_000_000})


def test_our_own_faults_count_nowhere() -> None:
    """A probe that was stopped says nothing of its target."""
    assert rollup_of(event_of(stopped())).probes == 0


def test_an_uncertain_timing_is_in_no_bucket() -> None:
    """An uncertain timing is in no bucket, as in the metrics; the probe itself counts."""
    unsure = Uncertainties(first_chunk=0.5, gap=0.5, duration=9.0)
    event = replaced(event_of(cut()), uncertainties=unsure)
    found = rollup_of(event)
    assert (found.probes, found.first_chunk, found.gap_p50, found.gap_max, found.cut_after) == (1, {}, {}, {}, {})
    assert found.first_chunk_us == 0


def test_a_timing_without_uncertainty_is_certain() -> None:
    """An event of a version that wrote none counts."""
    event = ProbeEvent(
        probe_id="1", target="a", timestamp="", trigger="schedule", outcome="ok", detail="", protocol="p", duration=1.0,
        timings=Timings(first_chunk=0.2), gap=Gap(p50=0.1, p99=0.2, max=0.3), uncertainties=UNSET,
    )  # fmt: skip
    assert rollup_of(event).first_chunk_us == 200_000


@pytest.mark.parametrize(
    ("value", "uncertainty", "expected"),
    [(0.0, 0.001, True), (0.0, 0.0011, False), (1.0, 0.1, True), (1.0, 0.11, False)],
)
def test_what_is_certain(value: float, uncertainty: float, *, expected: bool) -> None:
    """A timing is certain to a millisecond, or to a tenth of itself."""
    assert certain(value, uncertainty) is expected


@given(st.lists(st.sampled_from([whole, cut, refused, stopped])), st.integers(0, 20))
def test_spans_add_up(made: list[object], split: int) -> None:
    """The sum of spans is the rollup of all their probes, however they are divided."""
    each = [rollup_of(event_of(make())) for make in made]  # type: ignore[operator] # one of the above
    assert merged([merged(each[:split]), merged(each[split:])]) == merged(each)


def test_quantiles_are_bounds_of_buckets() -> None:
    """The bound that the given part of the values does not exceed; values over every bound give the highest."""
    bounds = (1.0, 2.0, 4.0)
    assert quantile({0: 5, 1: 4, 3: 1}, bounds, 0.5) == 1.0
    assert quantile({0: 5, 1: 4, 3: 1}, bounds, 0.9) == 2.0
    assert quantile({0: 5, 1: 4, 3: 1}, bounds, 1.0) == 4.0
    assert quantile({}, bounds, 0.5) is None
