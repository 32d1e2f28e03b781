"""The geometry of a waterfall: bars, lanes, cells and gaps of one probe's event."""

from __future__ import annotations

from itertools import pairwise

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.probe_event import ProbeEvent, plain, read
from monitor.record.waterfall import REST, Waterfall, place, waterfall
from tests.sinks.samples import cut, refused, whole


def drawn(probe: Observation) -> Waterfall:
    """Return the geometry of an observation."""
    return waterfall(event_of(probe, timeline=True))


def test_bars_follow_one_another() -> None:
    """Each step begins at the end of the one before, and the last bar reaches the end."""
    bars = drawn(whole()).bars
    assert [bar.step for bar in bars] == ["dns", "connect", "tls", "request", "headers", "first_chunk", "stream", REST]
    assert all(one.end == other.start for one, other in pairwise(bars))
    assert (bars[0].start, bars[-1].end) == (0.0, drawn(whole()).total)


def test_a_probe_that_reached_nothing_is_one_bar() -> None:
    """All its time is the rest, and it has no lane."""
    picture = drawn(refused())
    assert [(bar.step, bar.start, bar.end) for bar in picture.bars] == [(REST, 0.0, 0.004)]
    assert (picture.lanes, picture.lane("output").times) == ((), [])


def test_a_clock_that_ran_back_makes_no_negative_bar() -> None:
    """A step that ended before the one ahead of it takes no time."""
    event: ProbeEvent = read(
        plain(event_of(cut())) | {"timings": {"connect": 0.5, "request_sent": 0.4, "headers": 0.6}}
    )
    assert [(bar.start, bar.end) for bar in waterfall(event).bars][:3] == [(0.0, 0.5), (0.5, 0.5), (0.5, 0.6)]


def test_lanes_have_their_events_in_cells() -> None:
    """Events near one another share a cell; the longest gap is between two of them."""
    picture = drawn(whole())
    output = picture.lane("output")
    assert ([lane.name for lane in picture.lanes], output.times, output.reads) == (
        ["output", "end"],
        [0.2, 0.3, 0.6],
        3,
    )
    assert sum(output.cells(picture.total, 1).values()) == 3


def test_a_place_is_on_the_axis() -> None:
    """A time beyond the end is at the end."""
    assert [place(time, 2.0, 56) for time in (0.0, 1.0, 2.0, 9.0)] == [0, 28, 56, 56]
