"""Whether a stream has sent its end, and what counts before it and after it."""

from __future__ import annotations

from itertools import pairwise
from sys import getsizeof
from typing import Any, NoReturn

import pytest

from monitor.stream.end_state import CHOICE_BYTES, LONGEST_WORDS, EndState
from monitor.stream.events import (
    Event,
    Failure,
    Fault,
    Finish,
    Malformed,
    Meta,
    Output,
    Stop,
    Usage,
)
from monitor.stream.recorder import Recorder
from monitor.stream.recording import End, EndRule, Kind
from monitor.stream.statistics import (
    gaps,
    output_arrivals,
)
from monitor.target import Terminator
from tests.stream.parts import DONE, EARLY, LATE, MARKED, PING, STOP, TEXT, finished, recorded, running

TWO, PARTS = EndRule(choices=2), EndRule(parts=True)
ENDS: dict[str, tuple[list[Event], EndRule, float | None]] = {
    "the end": ([TEXT, STOP], EndRule(), 2),
    "no end": ([TEXT], EndRule(), None),
    "the end and the marker": ([TEXT, STOP, DONE], MARKED, 2),
    "a marker alone is no end": ([TEXT, DONE], MARKED, None),
    "the end sent twice": ([TEXT, STOP, STOP], EndRule(), 2),
    "the end without output": ([STOP], EndRule(), 1),
    "marker: the end is not enough": ([TEXT, STOP], EndRule(Terminator.MARKER, declares_marker=True), None),
    "marker: without the end": ([TEXT, DONE], EndRule(Terminator.MARKER, declares_marker=True), 2),
    "either: the end": ([TEXT, STOP, DONE], EndRule(Terminator.EITHER, declares_marker=True), 2),
    "either: the marker": ([TEXT, DONE, STOP], EndRule(Terminator.EITHER, declares_marker=True), 2),
    "both: the end is not enough": ([TEXT, STOP], EndRule(Terminator.BOTH, declares_marker=True), None),
    "both: nor is the marker": ([TEXT, DONE], EndRule(Terminator.BOTH, declares_marker=True), None),
    "both": ([TEXT, STOP, DONE], EndRule(Terminator.BOTH, declares_marker=True), 3),
    "both, with usage that names the choice between": (
        [TEXT, STOP, Meta(choice=0, usage=Usage(1)), DONE],
        EndRule(Terminator.BOTH, declares_marker=True),
        4,
    ),
    "none: nothing is an end": ([TEXT, STOP, DONE], EndRule(Terminator.NONE, declares_marker=True), None),
    "one asked for: every index is that answer": (
        [TEXT, Meta(choice=1), Output("b", choice=1), Finish("stop", choice=2)],
        EndRule(),
        4,
    ),
    "one asked for: another index is no second end": ([TEXT, STOP, Finish("abort", choice=1)], EndRule(), 2),
    "one asked for: another index takes the end back": ([TEXT, STOP, Output("b", choice=1)], EndRule(), None),
    "every choice must end": ([TEXT, Output("b", choice=1), STOP], TWO, None),
    "and then it is the end": ([TEXT, Output("b", choice=1), STOP, Finish("stop", choice=1)], TWO, 4),
    "a choice that was only opened": ([TEXT, Meta(choice=1), STOP], TWO, None),
    "a choice that is spoken of when it has ended": (
        [TEXT, Meta(choice=1), STOP, Meta(choice=0), Finish("stop", choice=1)],
        TWO,
        5,
    ),
    "one more choice opened after the end of all": (
        [TEXT, STOP, Finish("stop", choice=1), Meta(choice=2)],
        TWO,
        None,
    ),
    "until it ends": ([TEXT, STOP, Finish("stop", choice=1), Output("b", choice=2), Finish("stop", choice=2)], TWO, 5),
    "a part must end": ([TEXT, Meta(choice=1), STOP], PARTS, None),
    "and then the whole has": ([TEXT, Meta(choice=1), STOP, Finish(choice=1)], PARTS, 4),
    "the end of a part is not that of the whole": ([TEXT, Meta(choice=1), Finish(choice=1)], PARTS, None),
    "a part that begins after the end": ([TEXT, STOP, Meta(choice=1)], PARTS, None),
    "after the marker no choice begins": (
        [TEXT, STOP, DONE, Meta(choice=1), Output("b", choice=1), Finish("stop", choice=1)],
        MARKED,
        2,
    ),
    "two asked for, one ended": ([TEXT, STOP], EndRule(choices=2), None),
    "two asked for, two ended": ([TEXT, STOP, Finish("stop", choice=1)], EndRule(choices=2), 3),
    "two asked for, one sent": ([TEXT, STOP, DONE], EndRule(declares_marker=True, choices=2), 3),
    "two asked for, one sent and the other begun": (
        [TEXT, Meta(choice=1), STOP, DONE],
        EndRule(declares_marker=True, choices=2),
        None,
    ),
    "two asked for, one of them open": (
        [TEXT, Output("b", choice=1), STOP, DONE],
        EndRule(declares_marker=True, choices=2),
        None,
    ),
    "output after the end takes it back": ([TEXT, STOP, TEXT], EndRule(), None),
    "and the next one proves nothing": ([TEXT, STOP, TEXT, STOP], EndRule(), None),
    "before the marker": ([TEXT, STOP, TEXT, STOP, DONE], MARKED, 5),
    "output after the marker does not": ([TEXT, STOP, DONE, TEXT], MARKED, 2),
    "a marker that nobody declared is life": ([TEXT, DONE, TEXT, STOP], EndRule(), 4),
    "an end after the marker": ([TEXT, DONE, STOP], MARKED, 3),
    "two asked for, one goes on after its end": (
        [TEXT, STOP, TEXT, Output("b", choice=1), Finish("stop", choice=1), DONE],
        EndRule(declares_marker=True, choices=2),
        None,
    ),
    "but closes what has ended": ([TEXT, STOP, DONE, TEXT], EndRule(), 2),
    "either: the marker of an answer that went on": (
        [TEXT, STOP, TEXT, DONE],
        EndRule(Terminator.EITHER, declares_marker=True),
        4,
    ),
    "both: an end before the marker, early or not": (
        [TEXT, STOP, TEXT, STOP, DONE],
        EndRule(Terminator.BOTH, declares_marker=True),
        5,
    ),
    "both: an answer that went on": ([TEXT, STOP, TEXT, DONE], EndRule(Terminator.BOTH, declares_marker=True), None),
    "early: the end": ([TEXT, STOP], EARLY, 2),
    "early: output takes it back": ([TEXT, STOP, TEXT], EARLY, None),
    "early: after that the next proves nothing": ([TEXT, STOP, TEXT, STOP], EARLY, None),
    "early: the last one counts": ([TEXT, STOP, STOP], EARLY, 3),
    "early: life does not take it back": ([TEXT, STOP, Meta(usage=Usage(1)), PING], EARLY, 2),
}


@pytest.mark.parametrize(("events", "rule", "at"), ENDS.values(), ids=ENDS.keys())
def test_when_the_end_arrived(events: list[Event], rule: EndRule, at: float | None) -> None:
    """The end is there with what the target's terminator asks for, not before it and not again."""
    assert running(*events, rule=rule).ended_at == at


def test_an_end_taken_back_means_nothing() -> None:
    """If ends can be sent early, only the last one counts."""
    line = recorded(TEXT, Finish("MAX_TOKENS", Stop.LENGTH), TEXT, Finish("STOP"), rule=EARLY)
    assert (line.end.stops, line.end.reason, line.chunks) == (frozenset({Stop.COMPLETE}), "STOP", 2)
    assert recorded(TEXT, Finish("MAX_TOKENS", Stop.LENGTH), TEXT, rule=EARLY).end.stops == set()
    assert recorded(TEXT, Finish("X", Stop.ABORT), Finish("STOP"), rule=EARLY).end.stops == {Stop.COMPLETE}


def test_what_came_after_an_end_taken_back_came_before_the_end() -> None:
    """An error or garbage after an early end counts if another end follows, else not."""
    error = Failure(Fault.OVERLOADED)
    line = recorded(TEXT, STOP, Malformed("x"), error, Failure(Fault.OTHER), TEXT, STOP, rule=EARLY)
    assert (line.end.malformed_events, line.end.malformed_amid, line.end.failure, line.end.trailing) == (
        1,
        1,
        error,
        False,
    )
    line = recorded(TEXT, STOP, Malformed("x"), error, rule=EARLY)
    assert (line.end.malformed_events, line.end.failure, line.end.trailing) == (0, None, True)
    assert line.end.late_failure is error
    line = recorded(TEXT, STOP, *[Malformed("x")] * 200, TEXT)
    assert line.end.malformed_events == 100
    line = recorded(TEXT, STOP, Malformed("x"), error, Output("b", choice=1))
    assert (line.end.malformed_events, line.end.failure, line.end.trailing) == (1, error, False)
    line = recorded(Meta(sequence=1), STOP, Meta(sequence=3), TEXT)
    assert line.end.sequence_gap is True


def test_a_second_end_means_nothing() -> None:
    """Elsewhere it is the first one that counts."""
    line = recorded(TEXT, STOP, Finish("length", Stop.LENGTH))
    assert (line.end.stops, line.end.reason) == (frozenset({Stop.COMPLETE}), "stop")


def test_an_end_after_the_marker_means_nothing_if_one_stands() -> None:
    """A marker completes the stream even if fewer answers than requested have an end."""
    rule = EndRule(declares_marker=True, choices=2)
    line = recorded(TEXT, STOP, DONE, Finish("abort", Stop.ABORT, choice=1), rule=rule)
    assert (line.end.stops, line.end.reason) == (frozenset({Stop.COMPLETE}), "stop")


def test_why_it_would_end_is_taken_back_with_the_end() -> None:
    """A reason that was sent before an end is taken back with it."""
    early = Meta(reason="max_tokens", stop=Stop.LENGTH)
    assert recorded(TEXT, early, Finish()).end.stops == {Stop.LENGTH, Stop.COMPLETE}
    assert recorded(TEXT, early, Finish(), TEXT).end.stops == frozenset()


def test_what_does_not_decode_before_any_output() -> None:
    """A malformed event before any output is not inside an answer."""
    assert recorded(Malformed("x")).end.malformed_amid == 0
    assert recorded(Malformed("x"), TEXT, Malformed("x")).end.malformed_amid == 1


def test_whether_a_piece_is_output() -> None:
    """A piece is output before the marker, and not after it."""
    state = EndState(MARKED)
    assert state.output(0, 10) is True
    state.done(1.0, 20)
    assert state.output(0, 20) is True
    assert state.output(0, 30) is False


class TestBehindTheEnd:
    """Events after the end."""

    @pytest.mark.parametrize(
        ("events", "rule", "failed"),
        [
            ([TEXT, LATE], EndRule(), True),
            ([TEXT, STOP, LATE], EndRule(), False),
            ([TEXT, STOP, LATE], MARKED, True),
            ([TEXT, STOP, DONE, LATE], MARKED, False),
            ([TEXT, DONE, LATE], EndRule(), True),
            ([TEXT, LATE, STOP], EndRule(), True),
        ],
    )
    def test_an_error(self, events: list[Event], rule: EndRule, failed: bool) -> None:
        """An error counts before the marker or, if none is declared, before the end."""
        assert (recorded(*events, rule=rule).end.failure is not None) is failed

    def test_the_first_error_is_kept(self) -> None:
        """Of several errors the first is kept."""
        first = Failure(Fault.QUOTA)
        assert recorded(first, LATE).end.failure is first

    def test_what_does_not_decode(self) -> None:
        """Garbage after the end is not a malformed event, only trailing."""
        line = recorded(TEXT, STOP, Malformed("x"))
        assert (line.end.malformed_events, line.end.trailing) == (0, True)
        for rule in (MARKED, EndRule(Terminator.EITHER, declares_marker=True)):
            line = recorded(TEXT, STOP, Malformed("x"), DONE, rule=rule)
            assert (line.end.malformed_events, line.end.trailing) == (0, True)
        for required in (Terminator.MARKER, Terminator.BOTH):
            before = recorded(TEXT, STOP, Malformed("x"), DONE, rule=EndRule(required, declares_marker=True))
            assert (before.end.malformed_events, before.end.trailing) == (1, False)
            after = recorded(TEXT, STOP, DONE, Malformed("x"), rule=EndRule(required, declares_marker=True))
            assert (after.end.malformed_events, after.end.trailing) == (0, True)

    def test_a_framing_that_is_broken(self) -> None:
        """Broken framing ends the body; after the end it is only trailing, and the first reason is kept."""
        line = recorded(TEXT, Malformed("a checksum", body=True), Malformed("x", body=True))
        assert (line.end.broken, line.end.malformed_events, line.end.trailing) == ("a checksum", 0, False)
        line = recorded(TEXT, STOP, Malformed("a checksum", body=True))
        assert (line.end.broken, line.end.trailing) == (None, True)

    def test_output(self) -> None:
        """Output takes the end back; after the marker it is not a chunk, only trailing."""
        line = recorded(TEXT, STOP, TEXT)
        assert (line.chunks, line.text, line.end.trailing, line.end.early_ending) == (2, "aa", False, True)
        line = recorded(TEXT, STOP, DONE, TEXT, rule=MARKED)
        assert (line.chunks, line.text, line.end.trailing, line.end.early_ending) == (1, "a", True, False)

    def test_a_repeated_answer(self) -> None:
        """A repetition of the whole answer is not output, and takes no end back."""
        line = recorded(Output("a"), Output("b"), STOP, Output("ab"))
        assert (line.chunks, line.text, line.end.early_ending) == (2, "ab", False)

    def test_what_one_message_carries(self) -> None:
        """Output and an end of one message belong together, in whatever order; so do the marker and an error."""
        recorder = Recorder(MARKED)
        recorder.arrived(1.0, 0.0, 100)
        for event in (STOP, TEXT, Malformed("x"), Meta(sequence=1), DONE, TEXT, LATE):
            recorder.record(event, 50)
        line = finished(recorder)
        assert (line.chunks, line.end.stands_at, line.end.with_output, line.end.early_ending) == (1, 1.0, True, False)
        assert (line.end.malformed_events, line.end.failure, line.end.trailing) == (1, LATE, False)


def test_several_answers_end_apart() -> None:
    """After its own end a piece of an answer is not output; other answers continue."""
    rule = EndRule(declares_marker=True, choices=2)
    line = recorded(Output("a"), STOP, Output("b", choice=1), Finish("stop", choice=1), DONE, Output("c"), rule=rule)
    assert [kind for _, kind, _ in line.events].count(Kind.OUTPUT) == 3
    assert (line.end.trailing, len(list(output_arrivals(line))), gaps(line)) == (True, 2, [(2.0, 0.0)])


# -- numbers

SEQUENCES: dict[str, tuple[list[int | None], bool]] = {
    "one after the other": ([0, 1, 2], False),
    "starts anywhere": ([7, 8], False),
    "a gap": ([0, 2], True),
    "a gap, and then none": ([0, 2, 3], True),
    "again": ([0, 0, 1], False),
    "zero in between": ([0, 1, 2, 0, 3, 4], False),
    "out of order": ([1, 3, 2], False),
    "out of order, and a gap": ([1, 4, 2], True),
    "below the first": ([7, 3, 8], False),
    "a leap": ([1, 20_000], True),
    "none, and then a gap": ([0, 1, 3], True),
    "a leap that is too far, though all of it comes": ([1, 10_003, *range(2, 10_003)], True),
    "two leaps that are too far together": ([1, 6002, 12_003, *range(2, 12_003)], True),
    "a leap that is not too far": ([1, 10_002, *range(2, 10_002)], False),
    "from the start again": ([0, 1, 0, 1, 2], False),
    "unnumbered between": ([0, None, 1], False),
}


@pytest.mark.parametrize(("numbers", "gap"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_numbered_events(numbers: list[int | None], gap: bool) -> None:
    """A number left out is a lost event."""
    assert recorded(*(Meta(sequence=number) for number in numbers)).end.sequence_gap is gap


def test_an_event_that_does_not_decode_is_not_lost() -> None:
    """A malformed event takes the place of its number; any further missing number is a gap."""
    assert recorded(Meta(sequence=1), Malformed("x"), Meta(sequence=3)).end.sequence_gap is False
    assert recorded(Meta(sequence=1), Malformed("x"), Meta(sequence=2)).end.sequence_gap is False
    assert recorded(Meta(sequence=1), Malformed("x"), Meta(sequence=4)).end.sequence_gap is True
    assert recorded(Meta(sequence=1), Meta(sequence=3), Malformed("x"), Meta(sequence=4)).end.sequence_gap is True
    assert recorded(Malformed("x"), Meta(sequence=1), Meta(sequence=3)).end.sequence_gap is True


def test_a_number_after_the_end_is_no_gap() -> None:
    """A gap in the numbers after the end does not count."""
    assert recorded(Meta(sequence=1), STOP, Meta(sequence=9)).end.sequence_gap is False


class Unscanned(dict[int, Any]):
    """An end state whose ends are not scanned."""

    def values(self) -> NoReturn:
        """Fail."""
        raise AssertionError("all ends are looked at")


def test_many_ends_take_linear_time() -> None:
    """A message after the ends of many parts looks at the last of them alone."""
    state = EndState(PARTS)
    state.ends = Unscanned()
    for part in range(5):
        state.meta(Meta(choice=part), float(part), part)
        state.finish(Finish(choice=part), float(part), part)
        assert state.stands_at == part
        state.fail(Failure(Fault.OTHER), float(part), part + 1)
    assert state.failure is None


def test_the_last_end_counts() -> None:
    """If ends are repeated, the last one counts, of whichever answer."""
    state = EndState(EndRule(choices=2, early=True))
    for choice, time in ((0, 1.0), (1, 2.0), (0, 3.0)):
        state.finish(Finish("stop", choice=choice), time, int(time))
    assert state.stands_at == 3.0


def test_of_a_servers_words_a_bounded_part_is_kept() -> None:
    """Texts of errors and ends are truncated, and of late errors the first is kept."""
    long = "x" * (LONGEST_WORDS + 1)
    early = recorded(Failure(Fault.OTHER, long, long, long)).end.failure
    assert early == Failure(Fault.OTHER, long[1:], long[1:], long[1:])
    late = recorded(STOP, Failure(Fault.OTHER, long), Failure(Fault.AUTH)).end
    assert late.late_failure == Failure(Fault.OTHER, long[1:])
    assert recorded(Finish(long, words=long)).end.words == long[1:]
    assert recorded(Finish(long, words=long)).end.reason == long[1:]
    assert recorded(Meta(reason=long)).end.reason == long[1:]
    assert recorded(Meta(model=long)).model == long[1:]
    assert LONGEST_WORDS == 131_072
    just = Failure(Fault.OTHER, long[1:])
    assert recorded(just).end.failure is just, "words that are not too long are kept as they are"
    assert recorded(TEXT).end.words == End().words == ""


def test_what_it_weighs() -> None:
    """Ends, numbers that are missing and words are counted."""
    state = EndState(PARTS)
    weights = [state.weight]
    state.meta(Meta(choice=0, sequence=1), 1.0, 1)
    weights.append(state.weight)
    state.meta(Meta(sequence=100), 2.0, 2)
    weights.append(state.weight)
    state.finish(Finish("stop", choice=0), 3.0, 3)
    weights.append(state.weight)
    state.fail(Failure(Fault.OTHER, "x" * 1000), 4.0, 4)
    weights.append(state.weight)
    assert all(after > before for before, after in pairwise(weights))
    assert weights[1] - weights[0] == CHOICE_BYTES == 300
    assert weights[2] - weights[1] == 98 * 90
    assert weights[4] - weights[3] > 1000


def test_a_reason_and_its_words_are_weighed() -> None:
    """Both are kept."""
    state = EndState(EndRule())
    state.finish(Finish("stop", words="x" * 1000), 1.0, 1)
    assert state.weight == CHOICE_BYTES + getsizeof("stop") + getsizeof("x" * 1000)
