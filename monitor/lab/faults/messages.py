"""Faults in the content of a stream on an intact connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from monitor.lab.dialects.base import EncodedAnswer
from monitor.lab.dialects.errors import ERRORS
from monitor.lab.fault import OK, Expect, LabFault, ScriptContext
from monitor.lab.faults.cuts import NO_END, NOTHING, judged_endless
from monitor.lab.params import AFTER, AT, MARKER, SIZE, BadParameterError, Param, choice, text_like
from monitor.lab.steps import Repeat, Script, Send
from monitor.lab.wire import OPEN_LENGTH, head, segment, whole

KIND = Param("kind", text_like(r"[a-z_]+", "what the error is about"), "overloaded", "what the error is about")
ABORT = Param("as", choice("abort", "error"), "abort", "the finish reason")
FILTER = Param("as", choice("content_filter"), "content_filter", "the finish reason")
WHAT = Param("what", choice("nothing", "role", "pings", "marker"), "nothing", "what comes in place of an answer")
BROKEN = Param("as", choice("json", "shape"), "json", "half an object, or one of another shape")
EVENT = Param("bytes", SIZE, "8MiB", "length of the text in one event")
BATCH = 64
"""Messages in one segment of an endless stream."""
REFUSAL = ("I ", "would ", "rather ", "not ", "count ", "today.")


def error(case: ScriptContext) -> Script:
    """An error after some output, and a clean end of the wire."""
    answer = case.answer
    failure = case.named("kind", case[KIND], case.dialect.errors)
    messages = (*answer.messages[: answer.upto(case[AFTER])], failure, *_marker(case))
    return whole(case, replace(answer, messages=messages, end=None, marker=None))


def _marker(case: ScriptContext) -> tuple[bytes, ...]:
    answer = case.answer
    if case[MARKER] == "no":
        return ()
    if answer.marker is None:
        raise BadParameterError("marker=yes: this protocol has none")
    return (answer.messages[answer.marker],)


def judged_error(case: ScriptContext) -> Expect:
    """An error without a known cause is `other`."""
    return Expect(f"stream_error/{case[KIND] if case[KIND] in ERRORS else 'other'}")


def finish(case: ScriptContext, word: str) -> Script:
    """The answer breaks off with this finish reason."""
    words = case.dialect.finishes
    if word not in words:
        raise BadParameterError(f"as={word}: allowed here is one of {', '.join(words)}")
    answer = case.encode(case.pieces[: case[AFTER]], word)
    if case[MARKER] == "no" and answer.marker is not None:
        answer = replace(answer, messages=answer.messages[: answer.marker], marker=None)
    return whole(case, answer)


def empty(case: ScriptContext) -> Script:
    """Everything of an answer except the output."""
    return whole(case, case.encode(()))


def no_output(case: ScriptContext) -> Script:
    """A clean end of the wire without output and without an end."""
    answer = case.answer
    marker = () if answer.marker is None else (answer.messages[answer.marker],)
    found = {
        "nothing": (),
        "role": answer.messages[: answer.output.start],
        "pings": (case.dialect.ping,) * 3 if case.dialect.ping else (),
        "marker": marker,
    }
    if not found[case[WHAT]] and case[WHAT] != "nothing":
        raise BadParameterError(f"what={case[WHAT]}: this protocol has none")
    return whole(case, EncodedAnswer(found[case[WHAT]], range(0)))


def edited(edit: Callable[[tuple[str, ...], int], tuple[str, ...]]) -> Callable[[ScriptContext], Script]:
    """A script whose pieces are changed at one place before they are sent."""

    def script(case: ScriptContext) -> Script:
        at = max(0, min(case[AT], len(case.pieces) - 2))
        return whole(case, case.encode(edit(case.pieces, at)))

    return script


def _twice(pieces: tuple[str, ...], at: int) -> tuple[str, ...]:
    return (*pieces[: at + 1], *pieces[at:])


def _without(pieces: tuple[str, ...], at: int) -> tuple[str, ...]:
    return (*pieces[:at], *pieces[at + 1 :])


def _swapped(pieces: tuple[str, ...], at: int) -> tuple[str, ...]:
    return (*pieces[:at], *reversed(pieces[at : at + 2]), *pieces[at + 2 :])


def wrong(case: ScriptContext) -> Script:
    """Another answer than the requested one."""
    return whole(case, case.encode(REFUSAL))


def short(case: ScriptContext) -> Script:
    """The answer stops early and has an end."""
    return whole(case, case.encode(case.pieces[: case[AFTER]]))


def judged_short(case: ScriptContext) -> Expect:
    """Nothing, too little, or all of it."""
    if case[AFTER] >= len(case.pieces):
        return OK
    return Expect("wrong_content/missing") if case[AFTER] else NOTHING


def malformed_event(case: ScriptContext) -> Script:
    """One event in the place of an output does not decode."""
    answer = case.answer
    index = answer.output[min(case[AT], len(answer.output) - 1)]
    broken = case.named("as", case[BROKEN], case.dialect.garbled)
    return whole(case, replace(answer, messages=(*answer.messages[:index], broken, *answer.messages[index + 1 :])))


def not_protocol(case: ScriptContext) -> Script:
    """Events with the correct framing and without the protocol."""
    noise = case.named("as", "text", case.dialect.garbled)
    return whole(case, EncodedAnswer((noise,) * len(case.pieces), range(0)))


def infinite(case: ScriptContext) -> Script:
    """Output that never ends."""
    answer = case.encode(("the same again and again, and then once more\n",))
    lead = b"".join(segment(case, message).wire for message in answer.messages[: answer.output.start])
    again = segment(case, answer.messages[answer.output.start]).wire
    return [Send(head(case, OPEN_LENGTH) + lead), Repeat(again * BATCH, 0.0)]


def huge_event(case: ScriptContext) -> Script:
    """One event with a very long text."""
    return whole(case, case.encode(("9" * case[EVENT],)))


def tiny_chunks(case: ScriptContext) -> Script:
    """One event in chunks of one byte, which never ends."""
    answer = case.answer
    lead = answer.messages[answer.output.start][:6]
    return [Send(head(case, OPEN_LENGTH) + segment(case, lead).wire), Repeat(segment(case, b"9").wire * 1024, 0.0)]


NOT_WHOLE = Expect("wrong_content/missing")
TOO_LARGE = Expect("bad_response/too_large")
BROKEN_FRAME = Expect("truncated/malformed_body")
MALFORMED = Expect("bad_response/malformed_event")

FAULTS = (
    LabFault(
        name="error",
        summary="the stream reports an error after some output",
        needs=("errors",),
        params=(AFTER, KIND, MARKER),
        script=error,
        ended=judged_error,
        examples=lambda dialect: ("after=0", *(f"kind={kind}" for kind in dialect.errors)),
    ),
    LabFault(
        name="server-abort",
        summary="the finish reason itself says that the answer failed",
        needs=("finish abort",),
        params=(AFTER, ABORT, MARKER.but("yes")),
        script=lambda case: finish(case, case[ABORT]),
        ended=Expect("truncated/server_abort"),
        examples=("", "marker=no"),
    ),
    LabFault(
        name="token-limit",
        summary="the model's own limit ends the answer, far below max_tokens",
        needs=("finish length",),
        params=(AFTER, MARKER.but("yes")),
        script=lambda case: finish(case, "length"),
        ended=Expect("truncated/token_limit"),
    ),
    LabFault(
        name="filtered",
        summary="a content filter ends the answer",
        needs=("finish content_filter",),
        params=(AFTER, FILTER, MARKER.but("yes")),
        script=lambda case: finish(case, case[FILTER]),
        ended=Expect("filtered/content_filter"),
    ),
    LabFault(name="empty", summary="a proper end, and no output before it", script=empty, ended=NOTHING),
    LabFault(
        name="no-output",
        summary="the wire ends clean with no output and no end: nothing, a role frame, pings or a bare marker",
        params=(WHAT,),
        script=no_output,
        ended=NO_END,
        endless=NOTHING,
    ),
    LabFault(
        name="duplicated",
        summary="one piece of the answer comes twice",
        params=(AT,),
        script=edited(_twice),
        ended=Expect("wrong_content/duplicated"),
    ),
    LabFault(
        name="missing",
        summary="one piece of the answer is left out",
        params=(AT,),
        script=edited(_without),
        ended=NOT_WHOLE,
    ),
    LabFault(
        name="out-of-order",
        summary="two pieces of the answer change places",
        params=(AT,),
        script=edited(_swapped),
        ended=Expect("wrong_content/out_of_order"),
    ),
    LabFault(
        name="wrong",
        summary="another answer than the one asked for",
        script=wrong,
        ended=NOT_WHOLE,
    ),
    LabFault(
        name="short",
        summary="the answer stops early and says that it is done",
        params=(AFTER,),
        script=short,
        ended=judged_short,
        endless=judged_endless,
    ),
    LabFault(
        name="malformed-event",
        summary="one event in the middle does not decode",
        needs=("messages",),
        params=(AT, BROKEN),
        script=malformed_event,
        ended=MALFORMED,
        examples=lambda dialect: tuple(f"as={how}" for how in ("json", "shape") if how in dialect.garbled),
    ),
    LabFault(
        name="not-protocol",
        summary="the right content type, and nothing in it decodes",
        needs=("messages",),
        script=not_protocol,
        ended=Expect("bad_response/not_protocol"),
    ),
    LabFault(name="infinite", summary="output that never ends", script=infinite, ended=TOO_LARGE),
    LabFault(
        name="huge-event",
        summary="one event longer than any answer",
        needs=("messages",),
        params=(EVENT,),
        script=huge_event,
        ended=TOO_LARGE,
    ),
    LabFault(
        name="tiny-chunks",
        summary="one event that never ends, in chunks of one byte",
        needs=("messages",),
        script=tiny_chunks,
        ended=lambda case: BROKEN_FRAME if case.dialect.framing == "binary" else TOO_LARGE,
    ),
)
