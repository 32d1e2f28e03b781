"""One stream as it is recorded: its clocks, arrivals, output, and the deadline that runs."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from monitor.stream.end_state import CHOICE_BYTES
from monitor.stream.endings import Deadline, Ending, EndKind, Head, Mark
from monitor.stream.events import (
    Event,
    Finish,
    Malformed,
    Meta,
    Output,
    Part,
    Partial,
    Stop,
    Usage,
)
from monitor.stream.recorder import Recorder
from monitor.stream.recording import ARRIVAL_BYTES, EVENT_BYTES, Arrival, EndRule, Kind
from monitor.stream.statistics import (
    gaps,
    output_arrivals,
    silent_since_output,
)
from monitor.target import Terminator, Timeouts
from tests.stream.parts import DONE, EARLY, LATE, MARKED, PING, ROLE, STOP, TEXT, finished, recorded, running

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
    "output after the marker is none": (
        [TEXT, DONE, TEXT],
        {Mark.FIRST_BYTE: 1, Mark.FIRST_EVENT: 1, Mark.FIRST_CHUNK: 1, Mark.FIRST_CONTENT: 1, Mark.LAST_CHUNK: 1},
    ),
}


@pytest.mark.parametrize(("events", "marks"), CLOCKS.values(), ids=CLOCKS.keys())
def test_clocks(events: list[Event], marks: dict[Mark, float]) -> None:
    """Each clock is passed by what the contract says, and by nothing else."""
    assert running(*events, rule=MARKED).marks == marks


def test_a_mark_is_made_once() -> None:
    """The first time counts, and so does its uncertainty."""
    line = Recorder()
    line.mark(Mark.DNS, 0.1, 0.001)
    line.mark(Mark.DNS, 0.2, 0.5)
    line.mark(Mark.CONNECT, 0.3, 0.0005)
    recording = finished(line, 0.4)
    assert recording.marks == {Mark.DNS: 0.1, Mark.CONNECT: 0.3, Mark.END: 0.4}
    assert recording.mark_uncertainties == {Mark.DNS: 0.001, Mark.CONNECT: 0.0005}
    line.begin_again()
    assert finished(line, 0.4).mark_uncertainties == {}


# -- arrivals


def test_events_of_one_arrival_share_its_time() -> None:
    """Events are stamped by the read that brought their last byte: no gap is invented between them."""
    recorder = Recorder()
    recorder.arrived(1.0, 0.001, 100)
    for offset in (30, 60, 100):
        recorder.record(TEXT, offset)
    recorder.arrived(3.0, 0.002, 150)
    recorder.arrived(4.0, 0.003, 200)
    recorder.record(TEXT, 200)
    line = finished(recorder)
    assert line.arrivals == [Arrival(1.0, 0.001, 100), Arrival(3.0, 0.002, 150), Arrival(4.0, 0.003, 200)]
    assert [(at.time, kind, offset) for at, kind, offset in line.events] == [
        (1.0, Kind.OUTPUT, 30),
        (1.0, Kind.OUTPUT, 60),
        (1.0, Kind.OUTPUT, 100),
        (4.0, Kind.OUTPUT, 200),
    ]
    assert [gap for gap, _ in gaps(line)] == [3.0]
    assert (line.chunks, len(list(output_arrivals(line))), line.reads, line.bytes) == (4, 2, 3, 200)


def test_an_event_belongs_to_the_read_that_completed_it() -> None:
    """The time of an event is that of its own last byte, not of a later line end."""
    recorder = Recorder()
    for number in range(1, 5):
        recorder.arrived(float(number), 0.0, number * 10)
    for offset in (10, 11, 30, 40):
        recorder.record(TEXT, offset)
    line = finished(recorder)
    assert [at.time for at, _, _ in line.events] == [1.0, 2.0, 3.0, 4.0]
    assert [gap for gap, _ in gaps(line)] == [1.0, 1.0, 1.0]


def test_nothing_arrived() -> None:
    """The events at the end of an empty stream are recorded without an arrival."""
    recorder = Recorder()
    recorder.record(Partial(), 0)
    line = finished(recorder)
    assert [(at, kind) for at, kind, _ in line.events] == [(Arrival(0.0, 0.0, 0), Kind.PARTIAL)]
    assert (line.bytes, line.arrivals, line.text) == (0, [], "")


def test_what_one_message_carries_is_one_chunk() -> None:
    """Several pieces in one message are one chunk, and its usage is not a ping."""
    recorder = Recorder()
    for read in (1, 2):
        recorder.arrived(float(read), 0.0, read * 100)
        for event in (Output("a", Part.REASONING), TEXT, Output("b", choice=1), Meta(usage=Usage(7, 3))):
            recorder.record(event, read * 100)
    line = finished(recorder)
    assert (line.chunks, gaps(line), silent_since_output(line)) == (2, [(1.0, 0.0)], True)


# -- what was said


def test_text_is_the_first_choice_of_what_can_be_seen() -> None:
    """Reasoning, tool calls and other choices are output, and no part of the answer."""
    line = recorded(
        Output("a"),
        Output("b", Part.REASONING),
        Output("c", Part.TOOL_CALL),
        Output("d", choice=1),
        Output("e", Part.REFUSAL),
        Output("f"),
        rule=EndRule(choices=2),
    )
    assert (line.text, line.chunks, line.output_characters) == ("af", 6, 6)
    assert line.end.stops == {Stop.REFUSAL}
    assert recorded(Output("a"), Output("b", choice=1)).text == "ab"  # one was asked for: every index is that answer


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
    assert [kind for _, kind, _ in recorded(*events).events] == [
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
    """A closing message that repeats the answer is output only if nothing was streamed before."""
    again = Output("ab", repeats=True)
    streamed, whole = recorded(Output("ab"), again, again), recorded(ROLE, again, again)
    assert (streamed.text, streamed.chunks) == ("ab", 1)
    assert (whole.text, whole.chunks) == ("ab", 1)
    assert [kind for _, kind, _ in whole.events] == [Kind.META, Kind.OUTPUT, Kind.META]


def test_an_answer_that_may_be_repeated() -> None:
    """A repetition of several pieces, up to white space around it, is not output; anything else is."""
    pieces = [Output("ab", again=True), Output("c", again=True)]
    assert recorded(*pieces, Output("abc\n", again=True)).text == "abc"
    assert recorded(*pieces, Output("c", again=True)).text == "abcc"
    assert recorded(pieces[0], pieces[0]).text == "abab"
    assert recorded(*pieces, Output("abc")).text == "abcabc"
    assert recorded(Output("a" * 99), Output("b", again=True), Output("b", again=True)).text == "a" * 99 + "bb"


def test_what_is_learnt_on_the_way() -> None:
    """The first model and the last reason are kept, and usage has the last value of each count."""
    line = recorded(
        Meta(model="m", usage=Usage(3, 1)),
        Meta(model="n", usage=Usage(None, 2, 1), reason="length", stop=Stop.LENGTH),
        PING,
        Finish(),
    )
    assert (line.model, line.usage, line.end.reason, line.pings) == ("m", Usage(3, 2, 1), "length", 1)
    assert line.end.stops == {Stop.LENGTH, Stop.COMPLETE}


def test_malformed_events_are_counted_and_three_are_kept() -> None:
    """Malformed events are counted, three are kept, and they are no sign of the protocol."""
    line = recorded(*(Malformed(str(number)) for number in range(5)))
    assert (line.end.malformed_events, line.end.malformed, line.decoded) == (5, ("0", "1", "2"), False)
    assert recorded(PING).decoded is False
    assert recorded(ROLE).decoded is True


@pytest.mark.parametrize(("parsed", "flags"), [(False, (True, False)), (True, (False, True))])
def test_what_was_left(parsed: bool, flags: tuple[bool, bool]) -> None:
    """Half an event is not the same as a whole one without its line end."""
    line = recorded(TEXT, Partial(parsed=parsed))
    assert (line.partial, line.unterminated) == flags


# -- deadlines

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
    line = running(*events)
    line.connected = connected
    line.head = Head(200) if head else None
    assert line.deadline(limits) == due


WAITS: dict[str, tuple[list[Event], EndRule, tuple[Deadline, float]]] = {
    "an error: only the drain": ([LATE], EndRule(), (Deadline.DRAIN, 1.5)),
    "an error after output": ([TEXT, LATE, PING], EndRule(), (Deadline.DRAIN, 2.5)),
    "a second error moves nothing": ([LATE, LATE], EndRule(), (Deadline.DRAIN, 1.5)),
    "a framing that is broken": ([TEXT, Malformed("x", body=True)], EndRule(), (Deadline.DRAIN, 2.5)),
    "broken, and then an error": ([Malformed("x", body=True), LATE], EndRule(), (Deadline.DRAIN, 1.5)),
    "an error, and then broken": ([LATE, Malformed("x", body=True)], EndRule(), (Deadline.DRAIN, 1.5)),
    "what does not decode is waited past": ([TEXT, Malformed("x")], EndRule(), (Deadline.IDLE, 5.0)),
    "an end": ([TEXT, STOP], EndRule(), (Deadline.DRAIN, 2.5)),
    "an end taken back": ([TEXT, STOP, TEXT], EndRule(), (Deadline.IDLE, 7.0)),
    "an end of a stream that took one back": ([TEXT, STOP, TEXT, STOP], EndRule(), (Deadline.IDLE, 7.0)),
    "and its marker": ([TEXT, STOP, TEXT, STOP, DONE], MARKED, (Deadline.DRAIN, 5.5)),
    "a marker that is required": ([TEXT, STOP], EndRule(Terminator.MARKER, declares_marker=True), (Deadline.IDLE, 5.0)),
    "an end that may be early, and a marker": ([TEXT, STOP, DONE], EARLY, (Deadline.DRAIN, 2.5)),
}


@pytest.mark.parametrize(("events", "rule", "due"), WAITS.values(), ids=WAITS.keys())
def test_what_is_waited_for_after_an_end_or_an_error(
    events: list[Event], rule: EndRule, due: tuple[Deadline, float]
) -> None:
    """After a complete end the drain deadline applies, after an end that proves nothing the next output's."""
    recorder = running(*events, rule=rule)
    recorder.head = Head(200)
    assert recorder.deadline(LIMITS) == due


@pytest.mark.parametrize(("outputs", "due"), [(1, 6.0), (6, 9.0), (8, 9.5)])
def test_after_an_end_that_may_be_an_early_one_more_is_waited_for(outputs: int, due: float) -> None:
    """After an end that may be early, the stream waits as for any output, at least the drain, within the total."""
    assert running(*[TEXT] * outputs, STOP, rule=EARLY).deadline(LIMITS) == (Deadline.DRAIN, due)
    assert running(*[TEXT] * outputs, STOP).deadline(LIMITS) == (Deadline.DRAIN, outputs + 1.5)


def test_an_attempt_that_got_no_answer_is_forgotten() -> None:
    """The marks of a connection that was gone are not those of the next."""
    recorder = Recorder()
    recorder.connected = True
    recorder.mark(Mark.REQUEST_SENT, 0.1)
    recorder.begin_again()
    assert (recorder.connected, recorder.marks) == (False, {})


@pytest.mark.parametrize(
    ("events", "ending", "end"),
    [
        ([TEXT], Ending(EndKind.COMPLETE, 1.5), 1.5),
        ([TEXT, STOP], Ending(EndKind.COMPLETE, 2.5), 2.5),
        ([TEXT, STOP], Ending(EndKind.DEADLINE, 4.0, deadline=Deadline.DRAIN), 2.0),
        ([TEXT], Ending(EndKind.DEADLINE, 5.0, deadline=Deadline.IDLE), 5.0),
        ([TEXT], Ending(EndKind.RESET, 0.5), 1.0),
        ([TEXT, LATE], Ending(EndKind.DEADLINE, 4.0, deadline=Deadline.DRAIN), 2.0),
    ],
)
def test_when_a_stream_ended(events: list[Event], ending: Ending, end: float) -> None:
    """A stream ended with its last byte, or with the protocol's end if our drain ended it."""
    recorder = running(*events)
    recorder.ending = ending
    assert recorder.finish().marks[Mark.END] == end


def test_what_is_recorded_later_changes_nothing() -> None:
    """A finished recording is a copy, and cannot be changed either."""
    recorder = running(TEXT)
    line = finished(recorder)
    recorder.arrived(2.0, 0.0, 20)
    recorder.record(TEXT, 20)
    recorder.mark(Mark.DNS, 0.1)
    assert (line.chunks, line.text, line.reads, Mark.DNS in line.marks) == (1, "a", 1, False)
    with pytest.raises(TypeError):
        line.marks[Mark.DNS] = 0.1  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        line.chunks = 2  # type: ignore[misc]


def test_a_stream_that_runs_is_not_finished() -> None:
    """Without an ending a recording cannot be finished."""
    with pytest.raises(AssertionError, match="after the stream has ended"):
        Recorder().finish()


@pytest.mark.parametrize(("spaces", "again"), [(63, True), (64, False)])
def test_how_much_white_space_a_repeated_answer_may_lack(spaces: int, again: bool) -> None:
    """A text that is shorter than the answer by more than its white space is not looked at."""
    pieces = Output("a" + " " * (spaces + 3)), Output(" ")
    assert recorded(*pieces, Output("a", again=True)).chunks == (2 if again else 3)


def test_a_long_character_is_no_reason_to_look_away() -> None:
    """A repeated answer of four-byte characters is recognized, however long it is."""
    pieces = [Output("\U0001f600" * 50), Output("\U0001f600" * 50)]
    assert recorded(*pieces, Output("\U0001f600" * 100, again=True)).chunks == 2


def test_lone_surrogates_are_kept() -> None:
    """Lone surrogates, which JSON can contain, stay in the answer."""
    assert recorded(Output("a\ud800")).text == "a\ud800"


def test_output_alone_shows_that_the_protocol_is_spoken() -> None:
    """Text that no other event announced decodes."""
    assert recorded(TEXT).decoded is True


def test_what_is_known_before_anything_arrived() -> None:
    """Nothing: no connection, no bytes, no reads, no uncertainty, and nothing that ended."""
    recorder = Recorder()
    assert (recorder.connected, recorder.bytes, recorder.reads, recorder.settled_at) == (False, 0, 0, None)
    recorder.mark(Mark.DNS, 0.1)
    recorder.record(STOP, 0)
    assert (finished(recorder).mark_uncertainties, recorder.ended_at) == ({Mark.DNS: 0.0}, 0.0)


def test_what_is_known_while_a_stream_runs() -> None:
    """While a stream runs, its bytes, its reads, and the time of its end are known."""
    recorder = running(TEXT, TEXT, STOP)
    assert (recorder.bytes, recorder.reads, recorder.settled_at) == (30, 3, 3.0)


def test_the_second_of_two_reads_is_found() -> None:
    """An event that ended in the read before the last belongs to it, also if there are only two."""
    recorder = Recorder()
    recorder.arrived(1.0, 0.0, 10)
    recorder.arrived(2.0, 0.0, 20)
    recorder.record(TEXT, 10)
    assert next(iter(finished(recorder).events))[0].time == 1.0


@pytest.mark.parametrize(
    ("limits", "connected", "due"),
    [
        (Timeouts(headers=9.0, first_chunk=8.0, total=7.0), True, (Deadline.TOTAL, 7.0)),
        (Timeouts(connect=9.0, headers=6.0, first_chunk=8.0, total=7.0), False, (Deadline.HEADERS, 6.0)),
        (Timeouts(connect=9.0, headers=9.0, first_chunk=6.0, total=7.0), False, (Deadline.FIRST_CHUNK, 6.0)),
    ],
)
def test_before_the_head_every_later_deadline_runs_as_well(
    limits: Timeouts, connected: bool, due: tuple[Deadline, float]
) -> None:
    """A deadline that is set shorter than the one before it passes first."""
    recorder = Recorder()
    recorder.connected = connected
    assert recorder.deadline(limits) == due


def test_an_end_in_no_time_is_drained() -> None:
    """If no output is expected after the end, only the drain counts, however short it is."""
    recorder = Recorder()
    recorder.record(STOP, 0)
    assert recorder.deadline(Timeouts(drain=0.25)) == (Deadline.DRAIN, 0.25)


def test_a_single_piece_is_no_repetition() -> None:
    """A single piece may occur twice; two pieces are a repetition if they differ only in white space."""
    assert recorded(Output("ab"), Output("ab", again=True)).chunks == 2
    assert recorded(Output("a"), Output("b"), Output(" ab ", again=True)).chunks == 2


def test_what_a_recording_weighs_while_it_runs() -> None:
    """The size counts arrivals, events, the answer's text, and what is held besides."""
    line = Recorder()
    assert line.weight == 0
    line.arrived(1.0, 0.0, 10)
    line.record(Output("abc"), 10)
    line.besides = lambda: 7
    assert line.weight == ARRIVAL_BYTES + EVENT_BYTES + 3 + 7 + CHOICE_BYTES


FOREIGN, BAD, SHARED = Meta(foreign=True), Malformed("no JSON"), Meta(shared=True)
DECODED: dict[str, tuple[list[Event], bool, int]] = {
    "nothing": ([], False, 0),
    "output": ([TEXT, TEXT], True, 1),
    "output of two kinds": ([Output("why", Part.REASONING), TEXT, TEXT], True, 2),
    "output after an end": ([TEXT, STOP, TEXT], True, 3),
    "a role, output and an end": ([ROLE, TEXT, STOP], True, 3),
    "a ping": ([PING], False, 1),
    "an error": ([LATE], True, 1),
    "JSON of something else": ([FOREIGN], False, 1),
    "what does not decode": ([BAD], False, 1),
    "a marker": ([DONE], True, 1),
    "a marker after JSON of something else": ([FOREIGN, DONE], False, 2),
    "a marker after what does not decode": ([BAD, DONE], False, 2),
    "a marker after a message that decodes": ([ROLE, BAD, DONE], True, 3),
    "what others send as well": ([SHARED], True, 1),
    "what others send as well, after JSON of something else": ([FOREIGN, SHARED], False, 2),
    "an end that others send as well": ([Finish("stop", shared=True)], True, 1),
    "an end that others send as well, after JSON of something else": ([FOREIGN, Finish("stop", shared=True)], False, 2),
    "an end of its own after JSON of something else": ([FOREIGN, STOP], True, 2),
    "JSON of something else between": ([ROLE, FOREIGN], True, 2),
}


@pytest.mark.parametrize(("events", "decoded", "deadline_changes"), DECODED.values(), ids=DECODED.keys())
def test_whether_anything_of_the_protocol_came(events: list[Event], decoded: bool, deadline_changes: int) -> None:
    """Events that other protocols also send do not count as this protocol's after foreign messages."""
    recorder = running(*events)
    assert (recorder.deadline_changes, finished(recorder).decoded) == (deadline_changes, decoded)


def test_an_end_of_another_protocol_is_none() -> None:
    """A marker or an end that others send as well, after their messages, ends nothing."""
    for end in (DONE, Finish("stop", shared=True)):
        assert recorded(FOREIGN, end, rule=EndRule(Terminator.EITHER, declares_marker=True)).end.stands_at is None
        assert running(FOREIGN, end, rule=EndRule(Terminator.EITHER, declares_marker=True)).ended_at is None


def test_what_repeats_reasoning() -> None:
    """A closing message's reasoning is never new; its text is if only reasoning was streamed."""
    why = Output("why", Part.REASONING)
    assert recorded(TEXT, Output("why", Part.REASONING, repeats=True)).chunks == 1
    assert recorded(why, Output("a", repeats=True)).chunks == 2


def test_the_first_byte_is_as_unsure_as_zero() -> None:
    """The uncertainty of the first byte is its own plus that of zero, which is exact by default."""
    for zero in (0.0, 0.5):
        recorder = Recorder()
        recorder.zero_uncertainty += zero
        recorder.arrived(1.0, 0.01, 10)
        assert finished(recorder).mark_uncertainties[Mark.FIRST_BYTE] == 0.01 + zero
