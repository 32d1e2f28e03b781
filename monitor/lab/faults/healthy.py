"""Unusual but complete answers: a monitor that reports a fault is wrong."""

from __future__ import annotations

from itertools import cycle

from monitor.lab.dialects.base import LINE_ENDS, EncodedAnswer
from monitor.lab.fault import OK, UNCLEAN, Expect, LabFault, ScriptContext
from monitor.lab.params import (
    AT,
    DURATION,
    FRAMING,
    GAP,
    TTFC,
    YES_NO,
    Param,
    choice,
    text_like,
    whole_number,
)
from monitor.lab.steps import Script, Send, Step, Wait
from monitor.lab.wire import LAST_CHUNK, closing, hang_up, head_of, opening, pause, segments, spoken, status_line, whole

FIRST_CHUNK, IDLE, TOTAL = 60.0, 30.0, 300.0
"""The monitor's default timeouts, by which a slow answer is judged."""

DELAY = Param("delay", DURATION, "1s", "how long the proxy keeps everything back")
BYTES = Param("bytes", whole_number(1, 1 << 16), "7", "bytes in a segment")
EVERY = Param("every", DURATION, "1ms", "time between two segments")
ANY = "any"
WHAT = Param("what", text_like(r"[a-z-]+", "the name of a message beside the answer"), ANY, "what is put in")
WHERE = Param("where", choice("first", "middle", "last"), "first", "before, inside or after the output")
ENDS = Param("as", choice("lf", "crlf", "cr", "mixed"), "crlf", "which line ends")
BOM = Param("bom", YES_NO, "no", "whether a byte order mark comes first")
STYLE = Param("as", choice("extension", "zeros", "upper", "blanks", "trailer"), "extension", "which legal oddity")
BEHIND = Param("as", choice("words", "response"), "words", "what comes after the body")
TYPE = Param("as", text_like(r"[!-~]+", "a content type"), "application/octet-stream", "the content type")
LF, CRLF, CR = b"\n", b"\r\n", b"\r"
EOLS = {
    "lf": ((LF, LF),),
    "crlf": ((CRLF, CRLF),),
    "cr": ((CR, CR),),
    "mixed": ((LF, CRLF), (CRLF, CR), (CR, CRLF)),
}
"""Ends of the lines of an event and of the empty line that closes it, by turns; CR before LF would be one line end."""


def ok(case: ScriptContext) -> Script:
    """The right answer."""
    return whole(case, case.answer)


def paced(first: float, gap: float, total: float, stalled: str) -> Expect:
    """The verdict of default timeouts on a pace: to the first output, between outputs, and in total."""
    late = (
        (first >= FIRST_CHUNK, "timeout/first_chunk"),
        (gap >= IDLE, stalled),
        (total >= TOTAL, "timeout/total"),
    )
    return next((Expect(verdict) for is_late, verdict in late if is_late), OK)


def timely(case: ScriptContext) -> Expect:
    """By the pace of the output."""
    return paced(case[TTFC], case[GAP], case[TTFC] + case[GAP] * len(case.pieces), "stalled/silent")


def buffered(case: ScriptContext) -> Script:
    """The head at once, and the whole body later in one segment."""
    body = b"".join(part.wire for part in segments(case, case.answer))
    return [opening(case, case.answer), Wait(case[DELAY]), Send(body), *hang_up(case)]


def bundled(case: ScriptContext) -> Expect:
    """A flag, if there are enough chunks; without messages one segment is one chunk."""
    enough = 5
    is_buffered = "messages" in case.dialect.can and len(case.pieces) >= enough
    return Expect("ok", "buffered" if is_buffered else "")


def drip(case: ScriptContext) -> Script:
    """The body in tiny segments that ignore borders."""
    body = b"".join(part.wire for part in segments(case, case.answer))
    steps: list[Step] = [opening(case, case.answer)]
    for start in range(0, len(body), case[BYTES]):
        steps += [Wait(case[EVERY]), Send(body[start : start + case[BYTES]])]
    return [*steps, *hang_up(case)]


def judged_drip(case: ScriptContext) -> Expect:
    """By the time that each message takes, byte after byte."""
    answer, pace = case.answer, case[EVERY] / case[BYTES]
    first = answer.starts[answer.output.start + 1] * pace
    gap = max(map(len, answer.messages)) * pace
    return paced(first, gap, answer.starts[-1] * pace, "stalled/no_output")


def pings(case: ScriptContext) -> Script:
    """A ping before every output."""
    answer = case.answer
    for index in reversed(answer.output):
        answer = answer.insert(index, case.dialect.ping or b"")
    return whole(case, answer)


def aside(case: ScriptContext) -> Script:
    """One more message that real servers put in."""
    answer = case.answer
    asides = case.dialect.asides
    message = case.named("what", case[WHAT], {**asides, ANY: next(iter(asides.values()))})
    places = {"first": answer.output.start, "middle": answer.upto(len(answer.output) // 2), "last": answer.output.stop}
    return whole(case, answer.insert(places[case[WHERE]], message))


def no_marker(case: ScriptContext) -> Script:
    """The end, and nothing after it."""
    answer = case.answer
    return whole(case, EncodedAnswer(answer.messages[: answer.marker], answer.output, answer.end))


def unterminated(case: ScriptContext) -> Script:
    """The message that makes it whole comes last, and without its line end."""
    answer = case.answer
    messages = (*answer.messages[: answer.last], answer.messages[answer.last].rstrip(LINE_ENDS))
    return whole(case, EncodedAnswer(messages, answer.output, answer.end))


def judged_unterminated(case: ScriptContext) -> Expect:
    """Expect an unclean end, or ok if messages have no line ends."""
    last = case.answer.messages[case.answer.last]
    return OK if last == last.rstrip(LINE_ENDS) else UNCLEAN


def line_ends(case: ScriptContext) -> Script:
    """The same events with other line ends, and with a byte order mark if requested."""
    answer = case.answer
    messages = [
        eol.join(message.splitlines()) + last
        for message, (eol, last) in zip(answer.messages, cycle(EOLS[case[ENDS]]), strict=False)
    ]
    if case[BOM] == "yes":
        messages[0] = b"\xef\xbb\xbf" + messages[0]
    return whole(case, EncodedAnswer(tuple(messages), answer.output, answer.end))


def chunk_style(case: ScriptContext) -> Script:
    """Chunk framing that is legal and rare."""
    case = case.but(FRAMING, "chunked")
    sizes = {"extension": "{:x};lab=1", "zeros": "{:08x}", "upper": "{:X}", "blanks": "{:x}  ", "trailer": "{:x}"}
    steps: list[Step] = [opening(case, case.answer)]
    for index, message in enumerate(case.answer.messages):
        size = sizes[case[STYLE]].format(len(message)).encode()
        steps += [*pause(case, case.answer, index), Send(size + b"\r\n" + message + b"\r\n")]
    return [*steps, Send(b"0\r\nX-Lab-Trailer: yes\r\n\r\n" if case[STYLE] == "trailer" else LAST_CHUNK)]


def content_type(case: ScriptContext) -> Script:
    """The right stream under a wrong type."""
    return whole(case, case.answer, content_type=case[TYPE])


def trailing(case: ScriptContext) -> Script:
    """Bytes after the body's end, in its segment: a client closes after the end and would miss a later one."""
    if case[FRAMING] == "close":
        case = case.but(FRAMING, "length")
    *before, last = (*spoken(case, case.answer), *closing(case))
    more = {"words": b"and one more thing\r\n", "response": b"HTTP/1.1 200 OK\r\n\r\n"}[case[BEHIND]]
    return [opening(case, case.answer), *before, Send(last.data + more if isinstance(last, Send) else more)]


def interim(case: ScriptContext) -> Script:
    """Informational heads before the final one."""
    hints = head_of(status_line(103), (("Link", "</style.css>; rel=preload"),))
    return [*(Send(hints) for _ in range(case[AT])), *whole(case, case.answer)]


FAULTS = (
    LabFault(name="ok", summary="the right answer, whole", script=ok, ended=timely),
    LabFault(
        name="slow",
        summary="the right answer, slowly; default timeouts may find it too slow",
        params=(TTFC.but("2s"), GAP.but("300ms")),
        script=ok,
        ended=timely,
        examples=("", "ttfc=70s", "gap=40s", "gap=10s"),
    ),
    LabFault(
        name="buffered",
        summary="a proxy buffers the answer and sends it in one segment",
        params=(DELAY,),
        script=buffered,
        ended=bundled,
    ),
    LabFault(
        name="drip",
        summary="the body in tiny segments that ignore the borders of events and chunks",
        params=(BYTES, EVERY),
        script=drip,
        ended=judged_drip,
        examples=("", "bytes=1&every=0", "bytes=1&every=2s"),
    ),
    LabFault(
        name="pings",
        summary="a ping before every output chunk",
        needs=("ping",),
        script=pings,
        ended=OK,
    ),
    LabFault(
        name="aside",
        summary="one more message beside the answer, as real servers send",
        needs=("asides",),
        params=(WHAT, WHERE),
        script=aside,
        ended=OK,
        examples=lambda dialect: (
            *(f"what={name}" for name in dialect.asides),
            *(f"where={place}" for place in ("middle", "last")),
        ),
    ),
    LabFault(
        name="no-marker",
        summary="the protocol's end without the marker after it",
        needs=("marker",),
        script=no_marker,
        ended=OK,
    ),
    LabFault(
        name="unterminated",
        summary="the last event lacks its blank line",
        needs=("messages",),
        script=unterminated,
        ended=judged_unterminated,
    ),
    LabFault(
        name="line-ends",
        summary="the same events with other line ends",
        needs=("sse",),
        params=(ENDS, BOM),
        script=line_ends,
        ended=OK,
        examples=("as=cr", "as=mixed&bom=yes"),
    ),
    LabFault(
        name="chunk-style",
        summary="chunk framing that is legal and rare",
        params=(STYLE,),
        script=chunk_style,
        ended=OK,
        examples=tuple(f"as={style}" for style in ("extension", "zeros", "upper", "blanks", "trailer")),
    ),
    LabFault(
        name="content-type",
        summary="the right stream under a wrong content type",
        needs=("messages",),
        params=(TYPE,),
        script=content_type,
        ended=Expect("ok", "content_type_mismatch"),
    ),
    LabFault(
        name="trailing",
        summary="bytes after the body's end",
        params=(BEHIND,),
        script=trailing,
        ended=UNCLEAN,
        examples=("", "framing=length", "as=response"),
    ),
    LabFault(
        name="interim",
        summary="informational heads before the final one",
        params=(AT,),
        script=interim,
        ended=OK,
    ),
)
