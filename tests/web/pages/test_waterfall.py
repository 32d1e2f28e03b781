"""Tests of the picture of one stream."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.stream.endings import Ending, EndKind
from monitor.stream.events import Output
from monitor.stream.recorder import Recorder
from monitor.stream.thinning import thinned
from monitor.target import Timeouts
from monitor.web.pages.waterfall import Picture, waterfall
from tests.web import samples


def picture(observation: Observation) -> Picture:
    """Return the picture of an observation's event."""
    return waterfall(event_of(observation, timeline=True))


def labels(drawn: Picture) -> list[str]:
    """Return the rows of the picture."""
    return [lane.label for lane in drawn.lanes]


def looks(drawn: Picture) -> set[str]:
    """Return how the bars look."""
    return {lane.bar.style for lane in drawn.lanes if lane.bar}


STEPS = ["name look-up", "connect", "TLS handshake", "request sent", "response head", "first chunk", "stream"]


@pytest.mark.parametrize(
    ("observation", "rows"),
    [
        (samples.complete(), [*STEPS, "tail", "output", "pings", "other events", "end"]),
        (samples.cut(), [*STEPS, "no more output", "output"]),
        (samples.erred(), [*STEPS, "no more output", "output", "faults"]),
        (samples.unreachable(), ["name look-up", "connecting"]),
        (samples.headless(), ["name look-up", "connect", "request sent", "waiting for the head"]),
        (samples.overdue(), [*STEPS[:5], "waiting for an event", "pings"]),
        (samples.silent(), ["connecting"]),
    ],
    ids=lambda value: value.verdict.outcome if isinstance(value, Observation) else "",
)
def test_rows(observation: Observation, rows: list[str]) -> None:
    """Every step that was passed has a row, then what the rest was spent on, then a lane for each kind of event."""
    assert labels(picture(observation)) == rows


def test_what_was_spent_on_a_failure_has_its_colour() -> None:
    """The time in which nothing more came is drawn as a cut; the tail of a whole stream is not."""
    assert "cut" in looks(picture(samples.stalled()))
    assert "down" in looks(picture(samples.headless()))
    assert "tail" in looks(picture(samples.complete()))


def test_an_end_without_a_tail_has_no_row_for_it() -> None:
    """A tail of less than half a millisecond is not drawn."""
    observation = samples.observed(samples.played(samples.chunks(3), Ending(EndKind.RESET, 0.3901)))
    assert labels(picture(observation)) == [*STEPS, "output"]


def test_the_longest_gap_is_marked() -> None:
    """The longest gap is labelled with its length and start; a single read has no gap."""
    gap, *others = picture(samples.cut()).lanes[-1].gaps
    assert gap.title == "longest gap: 2.45 s, from 1.65 s on"
    assert others == []
    output = next(lane for lane in picture(samples.buffered()).lanes if lane.label == "output")
    assert (output.gaps, output.at) == ([], "8 chunks, 1 read")
    assert picture(samples.observed(samples.played(samples.chunks(1), Ending(EndKind.RESET, 0.5)))).lanes[-1].gaps == []


def test_stalls_are_marked() -> None:
    """At most four further gaps are marked: those of a second or more that are unusually long."""
    times = [place * 0.1 for place in range(1, 30)] + [10.0 + place * 2 for place in range(6)]
    steps: list[samples.Step] = [(at, Output("x")) for at in times]
    gaps = picture(samples.observed(samples.played(steps, Ending(EndKind.RESET, 21.0)))).lanes[-1].gaps
    assert [gap.title.partition(",")[0] for gap in gaps] == ["longest gap: 7.10 s", *["gap: 2.00 s"] * 4]
    slow: list[samples.Step] = [(place * 2.0, Output("x")) for place in range(1, 9)]
    assert len(picture(samples.observed(samples.played(slow, Ending(EndKind.RESET, 17.0)))).lanes[-1].gaps) == 1


def test_ticks_are_as_high_as_their_bytes() -> None:
    """The read with the most bytes is the highest."""
    recorder = samples.connected()
    for at, offset in ((0.1, 10), (0.2, 5000), (0.3, 5010)):
        recorder.arrived(at, 0.00002, offset)
        recorder.record(Output("x"), offset)
    ticks = picture(samples.observed(samples.played([], Ending(EndKind.RESET, 0.4), recorder))).lanes[-1].ticks
    assert [tick.y for tick in ticks] == ["37.33%", "5.00%", "37.33%"]


def test_deadlines_and_the_cut_are_lines() -> None:
    """Those deadlines that are on the axis, from the last output on for `idle`, and the end of what failed."""
    drawn = waterfall(samples.event(samples.stalled()), Timeouts(connect=5.0, idle=30.0, total=300.0))
    assert [line.title for line in drawn.lines] == [
        "stalled/no_output after 31.00 s", "deadline connect: 5.00 s", "deadline headers: 30.00 s",
        "deadline idle: 30.93 s",
    ]  # fmt: skip
    assert [line.title for line in picture(samples.complete()).lines] == []
    overdue = waterfall(samples.event(samples.unreachable()), Timeouts())
    assert [line.title for line in overdue.lines] == ["unreachable/refused after 1.1 ms"]


def test_a_long_stream_draws_no_more_than_its_width() -> None:
    """Twenty thousand reads are at most a thousand ticks."""
    steps: list[samples.Step] = [(0.1 + place / 1000, Output("x")) for place in range(20_000)]
    drawn = picture(samples.observed(samples.played(steps, Ending(EndKind.RESET, 20.2))))
    assert 900 < len(drawn.lanes[-1].ticks) <= 1001
    assert drawn.lanes[-1].at == "20,000 chunks, 20,000 reads"
    assert drawn.omitted is None


def test_what_is_omitted_of_a_thinned_stream_is_reported() -> None:
    """The picture says how many events and reads are not drawn."""
    steps: list[samples.Step] = [(0.1 + n / 1000, Output("x")) for n in range(500)]
    whole = samples.observed(samples.played(steps, Ending(EndKind.RESET, 9)))
    omitted = picture(replace(whole, recording=thinned(whole.recording, 0))).omitted
    assert omitted
    assert re.fullmatch(r"48\d events and 48\d reads of this long stream are not stored; .*", omitted)


@pytest.mark.parametrize(
    ("end", "axis"),
    [
        (0.0011, ["0.0 ms", "0.2 ms", "0.4 ms", "0.6 ms", "0.8 ms", "1.0 ms"]),
        (0.6, ["0 ms", "100 ms", "200 ms", "300 ms", "400 ms", "500 ms", "600 ms"]),
        (4.4, ["0 s", "1 s", "2 s", "3 s", "4 s"]),
        (300.0, ["0 s", "50 s", "100 s", "150 s", "200 s", "250 s", "300 s"]),
    ],
)
def test_the_axis_has_round_labels(end: float, axis: list[str]) -> None:
    """Whatever the length, the axis shows a handful of round values."""
    observation = samples.observed(samples.played([], Ending(EndKind.RESET, end), Recorder()))
    assert [label.text for label in picture(observation).axis] == axis


def test_without_a_timeline_there_are_the_steps() -> None:
    """A probe without a stored timeline has bars only; an unknown phase is drawn as the rest."""
    event = event_of(samples.cut())
    assert labels(waterfall(event)) == [*STEPS, "no more output"]
    assert labels(waterfall(msgspec.structs.replace(event, phase="dreaming")))[-1] == "rest"
