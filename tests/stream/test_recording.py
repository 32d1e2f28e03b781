"""One stream on one clock: its marks, chunks, gaps, deadlines, and when its end arrived."""

from __future__ import annotations

import pytest

from monitor.stream.events import (
    Done,
    Event,
    Failure,
    Fault,
    Finish,
    Malformed,
    Meta,
    Output,
    Part,
    Partial,
    Stop,
    Usage,
)
from monitor.stream.recording import Arrival, Deadline, Ending, EndKind, EndRule, Head, Kind, Mark, Recording
from monitor.target import Terminator, Timeouts

TEXT, STOP, DONE, PING, ROLE = Output("a"), Finish("stop"), Done(), Meta(ping=True), Meta(choice=0)
LATE = Failure(Fault.OTHER)
MARKED = EndRule(declares_marker=True)
EARLY = EndRule(early=True)


def told(*events: Event, rule: EndRule | None = None, each: float = 1.0) -> Recording:
    """Tell events, each in an arrival of its own, 10 bytes and `each` seconds after the one before."""
    line = Recording(rule)
    for number, event in enumerate(events, start=1):
        line.arrived(number * each, 0.0, number * 10)
        line.record(event, number * 10)
    return line


# -- clocks ------------------------------------------------------------------------------------------------------------

CLOCKS: dict[str, tuple[list[Event], dict[Mark, float]]] = {
    "nothing": ([], {}),
    "a ping is no event": ([PING], {Mark.FIRST_BYTE: 1}),
    "a role is an event and no output": ([PING, ROLE], {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 2}),
    "usage": ([Meta(usage=Usage(1))], {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1}),
    "what does not decode": ([Malformed("x")], {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1}),
    "an error": ([LATE], {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1}),
    "the end": ([STOP], {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1}),
    "the marker": ([DONE], {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1}),
    "half an event is none": ([Partial()], {Mark.FIRST_BYTE: 1}),
    "text": (
        [ROLE, TEXT, TEXT],
        {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1, Mark.FIRST_CHUNK: 2, Mark.FIRST_CONTENT: 2, Mark.LAST_CHUNK: 3},
    ),
    "reasoning and no text": (
        [Output("a", Part.REASONING)],
        {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1, Mark.FIRST_CHUNK: 1, Mark.LAST_CHUNK: 1},
    ),
    "a tool call and then text": (
        [Output("{", Part.TOOL_CALL), TEXT],
        {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1, Mark.FIRST_CHUNK: 1, Mark.FIRST_CONTENT: 2, Mark.LAST_CHUNK: 2},
    ),
    "a refusal is visible": (
        [Output("no", Part.REFUSAL)],
        {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1, Mark.FIRST_CHUNK: 1, Mark.FIRST_CONTENT: 1, Mark.LAST_CHUNK: 1},
    ),
    "output behind the end is none": (
        [TEXT, STOP, TEXT],
        {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1, Mark.FIRST_CHUNK: 1, Mark.FIRST_CONTENT: 1, Mark.LAST_CHUNK: 1},
    ),
}


@pytest.mark.parametrize(("events", "marks"), CLOCKS.values(), ids=CLOCKS.keys())
def test_clocks(events: list[Event], marks: dict[Mark, float]) -> None:
    """Each clock is passed by what the contract says, and by nothing else."""
    assert told(*events).marks == marks


def test_a_mark_is_made_once() -> None:
    """The first time counts, and so does its uncertainty; the worst one is told."""
    line = Recording()
    line.mark(Mark.DNS, 0.1, 0.001)
    line.mark(Mark.DNS, 0.2, 0.5)
    line.mark(Mark.CONNECT, 0.3, 0.0005)
    assert (line.marks, line.uncertainty) == ({Mark.DNS: 0.1, Mark.CONNECT: 0.3}, 0.001)


# -- arrivals and gaps -------------------------------------------------------------------------------------------------


def test_events_of_one_arrival_share_its_time() -> None:
    """Events are stamped by the read that brought their last byte: no gap is invented between them."""
    line = Recording()
    line.arrived(1.0, 0.001, 100)
    for offset in (30, 60, 100):
        line.record(TEXT, offset)
    line.arrived(3.0, 0.002, 150)
    line.arrived(4.0, 0.003, 200)
    line.record(TEXT, 200)
    assert line.arrivals == [Arrival(1.0, 0.001, 100), Arrival(3.0, 0.002, 150), Arrival(4.0, 0.003, 200)]
    assert [(at.time, kind, offset) for at, kind, offset in line.events] == [
        (1.0, Kind.OUTPUT, 30),
        (1.0, Kind.OUTPUT, 60),
        (1.0, Kind.OUTPUT, 100),
        (4.0, Kind.OUTPUT, 200),
    ]
    assert [gap for gap, _ in line.gaps] == [3.0]
    assert (line.chunks, line.output_arrivals, line.reads, line.bytes) == (4, 2, 3, 200)


def test_an_event_belongs_to_the_read_that_completed_it() -> None:
    """An event whose line end came later is as old as its own last byte."""
    line = Recording()
    for number in range(1, 5):
        line.arrived(float(number), 0.0, number * 10)
    line.record(TEXT, 10)
    line.record(TEXT, 11)
    line.record(TEXT, 30)
    line.record(TEXT, 40)
    assert [at.time for at, _, _ in line.events] == [1.0, 2.0, 3.0, 4.0]
    assert [gap for gap, _ in line.gaps] == [1.0, 1.0, 1.0]


def test_output_behind_the_end_is_no_arrival() -> None:
    """What comes behind the end makes no gap, however much it is."""
    line = Recording()
    events: list[Event] = [TEXT, TEXT, Finish("stop"), TEXT, TEXT]
    for number, event in enumerate(events, 1):
        line.arrived(float(number), 0.0, number * 10)
        line.record(event, number * 10)
    assert (line.trailing, line.chunks, line.output_arrivals, line.gaps) == (True, 2, 2, [(1.0, 0.0)])


def test_uncertainty_of_what_shares_a_read() -> None:
    """A chunk that ends its read is as sure as the read's last byte, any other one only as sure as the read."""
    line = Recording()
    line.arrived(1.0, 0.001, 50, spread=0.02)
    line.record(TEXT, 48)
    line.arrived(2.0, 0.001, 100, spread=0.03)
    line.record(TEXT, 80)
    line.record(TEXT, 98)
    assert line.first_chunk == Arrival(1.0, 0.001, 50)
    assert line.gaps == [(1.0, 0.001 + 0.03)]
    assert line.uncertainty == 0.001
    assert [at.uncertainty for at, _, _ in line.events] == [0.001, 0.03, 0.001]


def test_uncertainty_without_output() -> None:
    """Where no chunk came, the marks alone say how sure the times are, and there is no gap."""
    line = Recording()
    line.arrived(1.0, 0.004, 10)
    line.record(ROLE, 10)
    assert (line.uncertainty, line.first_chunk, line.gaps) == (0.004, None, [])


def test_nothing_arrived() -> None:
    """What the end of an empty stream says is recorded without an arrival."""
    line = Recording()
    line.record(Partial(), 0)
    assert [(at, kind) for at, kind, _ in line.events] == [(Arrival(0.0, 0.0, 0), Kind.PARTIAL)]
    assert (line.bytes, line.arrivals, line.text) == (0, [], "")


BUFFERED = {
    "five chunks in one read": ([1.0] * 5, True),
    "five in two reads within 5 %": ([1.0, 1.0, 1.04, 1.04, 1.04], True),
    "five in two reads beyond 5 %": ([1.0, 1.0, 1.06, 1.06, 1.06], False),
    "four chunks are too few": ([1.0] * 4, False),
    "three reads": ([1.0, 1.01, 1.02, 1.02, 1.02], False),
    "none": ([], False),
}


@pytest.mark.parametrize(("times", "buffered"), BUFFERED.values(), ids=BUFFERED.keys())
def test_buffered(times: list[float], buffered: bool) -> None:
    """Five or more chunks in at most two reads, within 5 % of the time to the first: something buffers."""
    line = Recording()
    for number, time in enumerate(times, start=1):
        if time not in [arrival.time for arrival in line.arrivals]:
            line.arrived(time, 0.0, 100 * len(times) * number)
        line.record(TEXT, line.bytes - len(times) + number)
    assert line.buffered is buffered


SILENT: dict[str, tuple[list[Event], int, bool]] = {
    "nothing after the output": ([TEXT], 0, True),
    "bytes after it": ([TEXT], 1, False),
    "a ping after it": ([TEXT, PING], 0, False),
    "half an event after it": ([TEXT, Partial()], 0, False),
    "no output": ([ROLE], 0, False),
    "nothing": ([], 0, False),
}


@pytest.mark.parametrize(("events", "more", "silent"), SILENT.values(), ids=SILENT.keys())
def test_silence(events: list[Event], more: int, silent: bool) -> None:
    """Silent is a stream of which nothing at all came after the last output."""
    line = told(*events)
    for number in range(more):
        line.arrived(99.0 + number, 0.0, 1000 + number)
    assert line.silent_since_output is silent


@pytest.mark.parametrize(("between", "silent"), [((), True), ((2.0, 3.0), False)])
def test_what_came_too_late_breaks_no_silence(between: tuple[float, ...], silent: bool) -> None:
    """Output in the moment after the deadline, before anybody woke: what counts is what had come by the deadline."""
    line, number = Recording(), 100
    line.arrived(1.0, 0.0, number)
    line.record(TEXT, number)
    for time in (*between, 3.4001):
        number += 10
        line.arrived(time, 0.0, number)
    line.record(TEXT, number)
    line.ending = Ending(EndKind.DEADLINE, 3.4, "2.4 s", Deadline.IDLE)
    assert (line.silent_since_output, line.chunks) == (silent, 2)


def test_what_one_message_carries_is_one_chunk() -> None:
    """Pieces of several answers, or reasoning beside text, in one message are one chunk; its usage is no life."""
    line = told()
    for read in (1, 2):
        line.arrived(float(read), 0.0, read * 100)
        for event in (Output("a", Part.REASONING), TEXT, Output("b", choice=1), Meta(usage=Usage(7, 3))):
            line.record(event, read * 100)
    assert (line.chunks, line.gaps, line.silent_since_output) == (2, [(1.0, 0.0)], True)


# -- what was said -----------------------------------------------------------------------------------------------------


def test_text_is_the_first_choice_of_what_can_be_seen() -> None:
    """Reasoning, tool calls and other choices are output, and no part of the answer."""
    line = told(
        Output("a"),
        Output("b", Part.REASONING),
        Output("c", Part.TOOL_CALL),
        Output("d", choice=1),
        Output("e", Part.REFUSAL),
        Output("f"),
    )
    assert (line.text, line.chunks, line.output_characters) == ("af", 6, 6)
    assert line.stops == {Stop.REFUSAL}


def test_every_kind_of_event_is_kept() -> None:
    """The timeline names every event by its kind."""
    events: list[Event] = [
        *(Output("a", part) for part in Part),
        ROLE,
        PING,
        Malformed("x"),
        LATE,
        STOP,
        DONE,
        Partial(),
    ]
    assert [kind for _, kind, _ in told(*events).events] == [
        Kind.OUTPUT,
        Kind.REASONING,
        Kind.TOOL_CALL,
        Kind.REFUSAL,
        Kind.META,
        Kind.PING,
        Kind.MALFORMED,
        Kind.FAILURE,
        Kind.FINISH,
        Kind.DONE,
        Kind.PARTIAL,
    ]


def test_a_repetition_is_output_where_nothing_was() -> None:
    """A closing message that repeats the answer counts once, and only where nothing was streamed before."""
    again = Output("ab", repeats=True)
    streamed, whole = told(Output("ab"), again, again), told(ROLE, again, again)
    assert (streamed.text, streamed.chunks) == ("ab", 1)
    assert (whole.text, whole.chunks) == ("ab", 1)
    assert [kind for _, kind, _ in whole.events] == [Kind.META, Kind.OUTPUT, Kind.META]


def test_an_answer_that_may_be_said_again_is_known_by_being_the_same() -> None:
    """All that several pieces said, but for white space around it, is no output; anything else is."""
    said = [Output("ab", again=True), Output("c", again=True)]
    assert told(*said, Output("abc\n", again=True)).text == "abc"
    assert told(*said, Output("c", again=True)).text == "abcc"
    assert told(said[0], said[0]).text == "abab"
    assert told(*said, Output("abc")).text == "abcabc"
    assert told(Output("a" * 99), Output("b", again=True), Output("b", again=True)).text == "a" * 99 + "bb"


def test_what_is_learnt_on_the_way() -> None:
    """The first model and the last reason are kept, and usage adds up to what was last said of each count."""
    line = told(
        Meta(model="m", usage=Usage(3, 1)),
        Meta(model="n", usage=Usage(None, 2, 1), reason="length", stop=Stop.LENGTH),
        PING,
        Finish(),
    )
    assert (line.model, line.usage, line.reason, line.pings) == ("m", Usage(3, 2, 1), "length", 1)
    assert line.stops == {Stop.LENGTH, Stop.COMPLETE}


def test_malformed_events_are_counted_and_three_are_kept() -> None:
    """What does not decode is no sign that the protocol is spoken."""
    line = told(*(Malformed(str(number)) for number in range(5)))
    assert (line.malformed_events, line.malformed, line.decoded) == (5, ["0", "1", "2"], False)
    assert told(PING).decoded is False
    assert told(ROLE).decoded is True


SEQUENCES: dict[str, tuple[list[int | None], bool]] = {
    "one after the other": ([0, 1, 2], False),
    "starts anywhere": ([7, 8], False),
    "a gap": ([0, 2], True),
    "a gap, and then none": ([0, 2, 3], True),
    "again": ([0, 0, 1], False),
    "unnumbered between": ([0, None, 1], False),
}


@pytest.mark.parametrize(("numbers", "gap"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_numbered_events(numbers: list[int | None], gap: bool) -> None:
    """A number left out is a lost event."""
    assert told(*(Meta(sequence=number) for number in numbers)).sequence_gap is gap


def test_an_event_that_does_not_decode_is_not_lost() -> None:
    """It came in the place of its number; one more that is left out is missed."""
    assert told(Meta(sequence=1), Malformed("x"), Meta(sequence=3)).sequence_gap is False
    assert told(Meta(sequence=1), Malformed("x"), Meta(sequence=2)).sequence_gap is False
    assert told(Meta(sequence=1), Malformed("x"), Meta(sequence=4)).sequence_gap is True


def test_a_number_behind_the_end_is_no_gap() -> None:
    """What comes when all is said is not missed."""
    assert told(Meta(sequence=1), STOP, Meta(sequence=9)).sequence_gap is False


# -- the end -----------------------------------------------------------------------------------------------------------

ENDS: dict[str, tuple[list[Event], EndRule, float | None]] = {
    "the end": ([TEXT, STOP], EndRule(), 2),
    "no end": ([TEXT], EndRule(), None),
    "the end and the marker": ([TEXT, STOP, DONE], MARKED, 2),
    "a marker alone is no end": ([TEXT, DONE], MARKED, None),
    "the end said twice": ([TEXT, STOP, STOP], EndRule(), 2),
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
    "every choice must end": ([TEXT, Output("b", choice=1), STOP], EndRule(), None),
    "and then it is the end": ([TEXT, Output("b", choice=1), STOP, Finish("stop", choice=1)], EndRule(), 4),
    "a choice that was only opened": ([TEXT, Meta(choice=1), STOP], EndRule(), None),
    "a choice that is spoken of when it has ended": (
        [TEXT, Meta(choice=1), STOP, Meta(choice=0), Finish("stop", choice=1)],
        EndRule(),
        5,
    ),
    "a choice opened behind the end takes it back": ([TEXT, STOP, Meta(choice=1)], EndRule(), None),
    "so does its output": ([TEXT, STOP, Output("b", choice=1)], EndRule(), None),
    "until it ends": ([TEXT, STOP, Output("b", choice=1), Finish("stop", choice=1)], EndRule(), 4),
    "a choice that ends behind the end": ([TEXT, STOP, Finish("abort", Stop.ABORT, choice=1)], EndRule(), 3),
    "behind the marker no choice begins": (
        [TEXT, STOP, DONE, Meta(choice=1), Output("b", choice=1), Finish("stop", choice=1)],
        MARKED,
        2,
    ),
    "two asked for, one ended": ([TEXT, STOP], EndRule(choices=2), None),
    "two asked for, two ended": ([TEXT, STOP, Finish("stop", choice=1)], EndRule(choices=2), 3),
    "two asked for, one sent": ([TEXT, STOP, DONE], EndRule(declares_marker=True, choices=2), 3),
    "two asked for, one of them open": (
        [TEXT, Output("b", choice=1), STOP, DONE],
        EndRule(declares_marker=True, choices=2),
        None,
    ),
    "output behind the end does not take it back": ([TEXT, STOP, TEXT], EndRule(), 2),
    "said early: the end": ([TEXT, STOP], EARLY, 2),
    "said early: output takes it back": ([TEXT, STOP, TEXT], EARLY, None),
    "said early: until the next": ([TEXT, STOP, TEXT, STOP], EARLY, 4),
    "said early: the last one counts": ([TEXT, STOP, STOP], EARLY, 3),
    "said early: life does not take it back": ([TEXT, STOP, Meta(usage=Usage(1)), PING], EARLY, 2),
}


@pytest.mark.parametrize(("events", "rule", "at"), ENDS.values(), ids=ENDS.keys())
def test_when_the_end_arrived(events: list[Event], rule: EndRule, at: float | None) -> None:
    """The end is there with what the target's terminator asks for, not before it and not again."""
    assert told(*events, rule=rule).ended_at == at


def test_an_end_taken_back_means_nothing() -> None:
    """Where ends can be said early, only what the last one meant counts."""
    line = told(TEXT, Finish("MAX_TOKENS", Stop.LENGTH), TEXT, Finish("STOP"), rule=EARLY)
    assert (line.stops, line.reason, line.chunks) == ({Stop.COMPLETE}, "STOP", 2)
    assert told(TEXT, Finish("MAX_TOKENS", Stop.LENGTH), TEXT, rule=EARLY).stops == set()
    assert told(TEXT, Finish("X", Stop.ABORT), Finish("STOP"), rule=EARLY).stops == {Stop.COMPLETE}


def test_what_came_behind_an_end_taken_back_came_before_the_end() -> None:
    """An error or garbage behind an early end counts once more is said, and for nothing where that was the last."""
    error = Failure(Fault.OVERLOADED)
    line = told(TEXT, STOP, Malformed("x"), error, Failure(Fault.OTHER), TEXT, STOP, rule=EARLY)
    assert (line.malformed_events, line.malformed_amid, line.failure, line.trailing) == (1, 1, error, False)
    line = told(TEXT, STOP, Malformed("x"), error, rule=EARLY)
    assert (line.malformed_events, line.failure, line.trailing) == (0, None, True)
    line = told(TEXT, STOP, *[Malformed("x")] * 200, STOP, rule=EARLY)
    assert line.malformed_events == 100
    line = told(TEXT, STOP, Malformed("x"), error, Output("b", choice=1))
    assert (line.malformed_events, line.failure, line.trailing) == (0, None, True)


def test_a_second_end_means_nothing() -> None:
    """Elsewhere it is the first one that counts."""
    line = told(TEXT, STOP, Finish("length", Stop.LENGTH))
    assert (line.stops, line.reason) == ({Stop.COMPLETE}, "stop")


class TestBehindTheEnd:
    """What is said when all is said."""

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
        """An error counts before the marker or, where none is declared, before the end."""
        assert (told(*events, rule=rule).failure is not None) is failed

    def test_the_first_error_is_kept(self) -> None:
        """Where an error follows an error, the first one says why."""
        first = Failure(Fault.QUOTA)
        assert told(first, LATE).failure is first

    def test_what_does_not_decode(self) -> None:
        """It is no malformed event, only trailing."""
        line = told(TEXT, STOP, Malformed("x"))
        assert (line.malformed_events, line.trailing) == (0, True)
        before = told(TEXT, STOP, Malformed("x"), DONE, rule=MARKED)
        assert (before.malformed_events, before.trailing) == (1, False)

    def test_output(self) -> None:
        """It is no chunk, only trailing."""
        line = told(TEXT, STOP, TEXT)
        assert (line.chunks, line.text, line.trailing) == (1, "a", True)


@pytest.mark.parametrize(("parsed", "flags"), [(False, (True, False)), (True, (False, True))])
def test_what_was_left(parsed: bool, flags: tuple[bool, bool]) -> None:
    """Half an event is not the same as a whole one without its line end."""
    line = told(TEXT, Partial(parsed=parsed))
    assert (line.partial, line.unterminated) == flags


@pytest.mark.parametrize(
    ("rule", "declared"),
    [
        (EndRule(), True),
        (EndRule(declares_end=False), False),
        (EndRule(declares_end=False, declares_marker=True), True),
        (EndRule(Terminator.NONE, declares_marker=True), False),
    ],
)
def test_whether_an_end_is_declared(rule: EndRule, declared: bool) -> None:
    """Something in the stream can say that it is complete, unless the target says that nothing counts."""
    assert rule.declared is declared


# -- deadlines ---------------------------------------------------------------------------------------------------------

LIMITS = Timeouts(connect=1.0, headers=2.0, first_chunk=3.0, idle=4.0, total=9.0, drain=0.5)
DEADLINES: dict[str, tuple[bool, bool, list[Event], Timeouts, tuple[Deadline, float]]] = {
    "no connection": (False, False, [], LIMITS, (Deadline.CONNECT, 1.0)),
    "connected": (True, False, [], LIMITS, (Deadline.HEADERS, 2.0)),
    "a head": (True, True, [], LIMITS, (Deadline.FIRST_CHUNK, 3.0)),
    "a ping moves nothing": (True, True, [PING], LIMITS, (Deadline.FIRST_CHUNK, 3.0)),
    "a role moves nothing": (True, True, [ROLE], LIMITS, (Deadline.FIRST_CHUNK, 3.0)),
    "output": (True, True, [TEXT], LIMITS, (Deadline.IDLE, 5.0)),
    "more output": (True, True, [TEXT, TEXT], LIMITS, (Deadline.IDLE, 6.0)),
    "a ping after output": (True, True, [TEXT, PING], LIMITS, (Deadline.IDLE, 5.0)),
    "reasoning is output": (True, True, [Output("a", Part.REASONING)], LIMITS, (Deadline.IDLE, 5.0)),
    "the total comes first": (True, True, [TEXT] * 6, LIMITS, (Deadline.TOTAL, 9.0)),
    "idle and total together": (True, True, [TEXT] * 5, LIMITS, (Deadline.IDLE, 9.0)),
    "the end": (True, True, [TEXT, STOP], LIMITS, (Deadline.DRAIN, 2.5)),
    "a small total": (True, True, [], Timeouts(total=2.0), (Deadline.TOTAL, 2.0)),
    "a total smaller than the connect": (False, False, [], Timeouts(total=2.0), (Deadline.TOTAL, 2.0)),
    "headers and first chunk together": (True, False, [], Timeouts(first_chunk=30.0), (Deadline.HEADERS, 30.0)),
    "connect and headers together": (False, False, [], Timeouts(headers=5.0), (Deadline.CONNECT, 5.0)),
    "a first chunk sooner than the head": (True, False, [], Timeouts(first_chunk=9.0), (Deadline.FIRST_CHUNK, 9.0)),
}


@pytest.mark.parametrize(("connected", "head", "events", "limits", "due"), DEADLINES.values(), ids=DEADLINES.keys())
def test_the_deadline_that_runs(
    connected: bool, head: bool, events: list[Event], limits: Timeouts, due: tuple[Deadline, float]
) -> None:
    """One deadline runs at a time: the next to pass of those that apply, and of two together the first of the table."""
    line = told(*events)
    line.connected = connected
    line.head = Head(200) if head else None
    assert line.deadline(limits) == due


@pytest.mark.parametrize(("outputs", "due"), [(1, 6.0), (6, 9.0), (8, 9.5)])
def test_behind_an_end_that_may_be_an_early_one_more_is_waited_for(outputs: int, due: float) -> None:
    """As long as for any output, within the total; the drain is the least."""
    assert told(*[TEXT] * outputs, STOP, rule=EARLY).deadline(LIMITS) == (Deadline.DRAIN, due)
    assert told(*[TEXT] * outputs, STOP).deadline(LIMITS) == (Deadline.DRAIN, outputs + 1.5)


def test_a_long_stream_is_kept_small() -> None:
    """A chunk costs some tens of bytes beside its text."""
    line = Recording()
    for number in range(1, 10_001):
        line.arrived(number / 100, 0.0, number * 10)
        line.record(TEXT, number * 10)
    kept = [getattr(line, name) for name in Recording.__slots__]
    assert sum(array.itemsize * len(array) for array in kept if hasattr(array, "itemsize")) < 10_000 * 60
    assert (line.chunks, len(line.gaps)) == (10_000, 9_999)


def test_what_is_kept_of_a_stream_is_weighed() -> None:
    """Its weight is its arrays and its text."""
    line = told(*[Output("four")] * 100)
    kept = [getattr(line, name) for name in Recording.__slots__]
    assert line.weight == sum(array.itemsize * len(array) for array in kept if hasattr(array, "itemsize")) + 400


def test_several_answers_end_apart() -> None:
    """What one answer says behind its own end is no output, and another's before its own is."""
    line = Recording()
    events: list[Event] = [Output("a"), Finish("stop"), Output("b", choice=1), Finish("stop", choice=1)]
    for number, event in enumerate(events, 1):
        line.arrived(float(number), 0.0, number * 10)
        line.record(event, number * 10)
    line.arrived(5.0, 0.0, 50)
    line.record(Output("c"), 50)
    assert [kind for _, kind, _ in line.events].count(Kind.OUTPUT) == 3
    assert (line.trailing, line.output_arrivals, line.gaps) == (True, 2, [(2.0, 0.0)])
