"""Streams without their end, cut on the wire or in the content, and connections that break after the end."""

from __future__ import annotations

from dataclasses import replace

from monitor.lab.dialects.base import LINE_ENDS, EncodedAnswer
from monitor.lab.fault import OK, UNCLEAN, Expect, LabFault, ScriptContext
from monitor.lab.faults.healthy import IDLE
from monitor.lab.params import AFTER, BY, COUNT, DURATION, FRAMING, MARKER, YES_NO, BadParameterError, Param, or_none
from monitor.lab.steps import Hold, Repeat, Script, Send, Step
from monitor.lab.wire import (
    OPEN_LENGTH,
    cut,
    ending,
    head,
    pause,
    payload_at,
    position_of,
    segment,
    segments,
    spoken,
    whole,
)

PAYLOAD = Param("at", or_none(COUNT), "none", "payload byte to cut before, instead of after so many chunks")
WIRE = Param("wire", or_none(COUNT), "none", "byte of the body on the wire, framing included, to cut before")
PINGS = Param("pings", or_none(DURATION), "none", "time between the pings that go on")
HALF = Param("half", YES_NO, "no", "whether half an event comes before the silence")
WIDE = "三"
NOTHING = Expect("empty/no_output")
NO_END = Expect("truncated/no_terminator")
INCOMPLETE = Expect("truncated/incomplete_answer")


def position(case: ScriptContext) -> int:
    """The position of the case's cut on the wire."""
    answer = case.answer
    parts = segments(case, answer)
    if (wire := case[WIRE]) is not None:
        return wire
    payload = case[PAYLOAD]
    return position_of(parts, answer.starts[answer.upto(case[AFTER])] if payload is None else payload)


def cut_anywhere(case: ScriptContext) -> Script:
    """The connection ends inside the body."""
    return cut(case, case.answer, position(case))


def judged_cut(case: ScriptContext) -> Expect:
    """The verdict of a cut, by its position: after the end it is only unclean."""
    answer = case.answer
    parts = segments(case, answer)
    place = position(case)
    sent = payload_at(parts, place)
    wired = place >= sum(len(part.wire) for part in parts) and case[FRAMING] != "close"
    if sent >= answer.complete:
        clean = wired or (case[FRAMING] == "close" and case[BY] == "fin" and sent in answer.starts)
        return OK if clean else UNCLEAN
    if case[BY] == "rst":
        return Expect("truncated/reset")
    return clean_end(case, sent) if case[FRAMING] == "close" else Expect("truncated/incomplete_body")


def clean_end(case: ScriptContext, sent: int) -> Expect:
    """The verdict of a clean end of the connection after this much payload."""
    answer = case.answer
    start = max(start for start in answer.starts if start <= sent)
    message = next((m for s, m in zip(answer.starts, answer.messages, strict=False) if s == start), b"")
    inside = "messages" in case.dialect.can and 0 < sent - start < len(message.rstrip(LINE_ENDS))
    if inside:
        return Expect("truncated/mid_event")
    if answer.end is not None:
        return NO_END
    return INCOMPLETE if sent > answer.starts[answer.output.start] else NOTHING


def clean_cut(case: ScriptContext) -> Script:
    """A clean end of the connection before the protocol's end, optionally with a bare marker."""
    answer = case.answer
    messages = answer.messages[: answer.upto(case[AFTER])]
    if case[MARKER] == "yes":
        if answer.marker is None:
            raise BadParameterError("marker=yes: this protocol has none")
        messages += (answer.messages[answer.marker],)
    return whole(case, replace(answer, messages=messages, end=None, marker=None))


def judged_endless(case: ScriptContext) -> Expect:
    """A clean end in a protocol without an end: only the check finds it."""
    if case[AFTER] >= len(case.pieces):
        return OK
    return INCOMPLETE if case[AFTER] else NOTHING


def after_end(case: ScriptContext) -> Script:
    """Everything up to the end is sent, and the body's own end is missing."""
    answer = case.answer
    stop = answer.output.stop if answer.end is None else answer.end + 1
    return [one_more(case, answer), *spoken(case, answer, stop), ending(case)]


def judged_after_end(case: ScriptContext) -> Expect:
    """A close-delimited body that ends in a FIN has nothing that could be missing."""
    return OK if case[FRAMING] == "close" and case[BY] == "fin" else UNCLEAN


def left_open(case: ScriptContext) -> Script:
    """Everything is sent, and the socket stays open."""
    return [one_more(case, case.answer), *spoken(case, case.answer), Hold()]


def one_more(case: ScriptContext, answer: EncodedAnswer) -> Send:
    """A head that promises more than the answer, so that a length-delimited body is left without its end, too."""
    return Send(head(case, answer.starts[-1] + 1))


def stall(case: ScriptContext) -> Script:
    """Silence in the middle, or pings without output."""
    answer = case.answer
    stop = answer.upto(case[AFTER])
    every, ping = case[PINGS], case.dialect.ping
    steps: list[Step] = [Send(head(case, OPEN_LENGTH)), *spoken(case, answer, stop)]
    if case[HALF] == "yes":
        steps += half_event(case, answer, min(stop, len(answer.messages) - 1))
    if every is None:
        return [*steps, Hold()]
    if ping is None:
        raise BadParameterError("pings: this protocol has none")
    return [*steps, Repeat(segment(case, ping).wire, every)]


def half_event(case: ScriptContext, answer: EncodedAnswer, index: int) -> list[Step]:
    """The first half of a message, apart from what came before it."""
    if "messages" not in case.dialect.can:
        raise BadParameterError("half=yes: this protocol has no events")
    wire = segment(case, answer.messages[index]).wire
    return [*pause(case, answer, index), Send(wire[: len(wire) // 2])]


def _middle(answer: EncodedAnswer, index: int) -> int:
    index = min(index, len(answer.messages) - 1)
    return answer.starts[index] + len(answer.messages[index]) // 2


def judged_stall(case: ScriptContext) -> Expect:
    """By the kind of silence, and whether the answer was whole before it."""
    if case.endless and case[AFTER] >= len(case.pieces):
        return UNCLEAN
    if not case[AFTER]:
        return Expect("timeout/first_chunk")
    pings = case[PINGS]
    noisy = case[HALF] == "yes" or (pings is not None and pings < IDLE)
    return Expect("stalled/no_output" if noisy else "stalled/silent")


def broken_at(case: ScriptContext, at: int) -> Script:
    """A clean end of the wire at this payload byte."""
    answer = case.answer
    index = max(i for i, start in enumerate(answer.starts) if start <= at)
    half = answer.messages[index][: at - answer.starts[index]]
    return whole(case, replace(answer, messages=(*answer.messages[:index], half)))


def mid_event(case: ScriptContext) -> Script:
    """A clean end inside an event."""
    answer = case.answer
    return broken_at(case, _middle(answer, min(answer.upto(case[AFTER]), len(answer.messages) - 1)))


def mid_character(case: ScriptContext) -> Script:
    """A clean end inside a character of three bytes."""
    after = min(case[AFTER], len(case.pieces) - 1)
    wide = replace(case, pieces=(*case.pieces[:after], WIDE, *case.pieces[after:]))
    return broken_at(wide, b"".join(wide.answer.messages).index(WIDE.encode()) + 1)


MID_EVENT = Expect("truncated/mid_event")

FAULTS = (
    LabFault(
        name="cut",
        summary="the connection ends inside the body: after some output, at a payload byte, or at a byte of the wire",
        params=(AFTER, PAYLOAD, WIRE, BY),
        script=cut_anywhere,
        ended=judged_cut,
        examples=(
            "after=5&by=fin",
            "after=5&by=rst",
            "after=0&by=fin",
            "after=0&by=rst",
            "after=5&by=fin&framing=length",
            "after=5&by=rst&framing=length",
            "after=5&by=fin&framing=close",
            "after=5&by=rst&framing=close",
            "wire=1",
        ),
    ),
    LabFault(
        name="clean-cut",
        summary="the wire ends clean and the protocol's end never came; its bare marker may",
        params=(AFTER, MARKER),
        script=clean_cut,
        ended=NO_END,
        endless=judged_endless,
        examples=("", "after=0"),
    ),
    LabFault(
        name="cut-after-end",
        summary="the answer is complete, and then the connection ends without the body's own end",
        params=(BY,),
        script=after_end,
        ended=judged_after_end,
        examples=("by=fin", "by=rst"),
    ),
    LabFault(
        name="left-open",
        summary="the answer is complete, and then the socket stays open without the body's own end",
        script=left_open,
        ended=UNCLEAN,
    ),
    LabFault(
        name="stall",
        summary="output stops and the socket stays open: in silence, with pings, or after half an event",
        params=(AFTER.but("3"), PINGS, HALF),
        script=stall,
        ended=judged_stall,
        examples=("after=3", "after=0"),
    ),
    LabFault(
        name="stall-pings",
        summary="output stops, and only pings follow",
        needs=("ping",),
        params=(AFTER.but("3"), PINGS.but("1s"), HALF),
        script=stall,
        ended=judged_stall,
        examples=("", "after=0"),
    ),
    LabFault(
        name="mid-event",
        summary="the wire ends clean inside an event",
        needs=("messages",),
        params=(AFTER,),
        script=mid_event,
        ended=MID_EVENT,
    ),
    LabFault(
        name="mid-character",
        summary="the wire ends clean inside a character",
        params=(AFTER,),
        script=mid_character,
        ended=MID_EVENT,
    ),
)
