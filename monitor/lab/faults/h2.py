"""Faults of HTTP/2 only: streams and connections that are reset or refused, broken frames, floods."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from monitor.http.h2_frames import HEADER, MAX_FRAME, Flag, FrameType
from monitor.lab import h2_wire as wire
from monitor.lab.fault import OK, UNCLEAN, Expect, LabFault, ScriptContext
from monitor.lab.h2_script import in_http2
from monitor.lab.params import AFTER, COUNT, FRAMING, Param, choice
from monitor.lab.params import BY as HOW
from monitor.lab.steps import Fin, Hold, Script, Send, Step, StreamFrames
from monitor.lab.wire import ending, opening, spoken, whole

Make = Callable[[int], bytes]
CODE = Param("code", choice(*(code.name for code in ErrorCodes)), "INTERNAL_ERROR", "which error code")
REFUSED = Param(
    "code", choice("REFUSED_STREAM", "HTTP_1_1_REQUIRED", "ENHANCE_YOUR_CALM"), "REFUSED_STREAM", "which code"
)
BY = Param("by", choice("rst_stream", "goaway"), "rst_stream", "which frame says it")
THEN = Param("then", choice("end", "fin"), "end", "whether the answer goes on to its end, or the connection closes")
DECLARED = Param("as", choice("longer", "shorter"), "longer", "what content-length says")
WIRE = Param("wire", COUNT, "100", "byte of the frames to cut before")
SIZE = Param("bytes", COUNT, "1", "bytes of data in a frame")
ENOUGH = 20_000
"""More frames than a client has to accept at once."""
PING = wire.frame(FrameType.PING, bytes(8))
LARGE = "#" * 60_000

BROKEN: Mapping[str, Make] = {
    "ping": lambda _: wire.frame(FrameType.PING, b"short"),
    "window": lambda _: wire.window(0, 2**31 - 1),
    "settings": lambda _: wire.settings({SettingCodes.MAX_FRAME_SIZE: 1}),
    "push": lambda stream: wire.frame(FrameType.PUSH_PROMISE, bytes(4), flags=Flag.END_HEADERS, stream=stream),
    "headers": lambda stream: wire.frame(FrameType.HEADERS, b"\xff" * 5, flags=Flag.END_HEADERS, stream=stream),
    "padding": lambda stream: wire.frame(FrameType.DATA, b"\x09abc", flags=Flag.PADDED, stream=stream),
    "continuation": lambda stream: wire.frame(FrameType.CONTINUATION, b"", flags=Flag.END_HEADERS, stream=stream),
    "goaway": lambda _: wire.frame(FrameType.GOAWAY, b"short"),
    "trailers": lambda stream: wire.headers(stream, [("x-lab", "trailers")]),
    "status": lambda stream: wire.headers(stream, [(":status", "200")], end=True),
    "pushed": lambda stream: wire.frame(
        FrameType.PUSH_PROMISE,
        (2).to_bytes(4) + wire.block([(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]),
        flags=Flag.END_HEADERS,
        stream=stream,
    ),
    "no-stream": lambda _: wire.data(0, b"x"),
    "other-stream": lambda stream: wire.data(stream + 2, b"x"),
    "other-head": lambda stream: wire.headers(stream + 1, [(":status", "200")]),
    "overflow": lambda stream: wire.window(stream, 2**31 - 1),
    "no-more": lambda stream: wire.window(stream, 0),
    "long": lambda stream: wire.frame(FrameType.DATA, bytes(MAX_FRAME + 1), stream=stream),
}
FRAME = Param("as", choice(*BROKEN), "ping", "which frame is broken, and how")

FLOODS: Mapping[str, Make] = {
    "settings": lambda _: wire.SETTINGS * ENOUGH,
    "ping": lambda _: PING * ENOUGH,
    "data": lambda stream: wire.data(stream, b"") * ENOUGH,
    "padding": lambda stream: wire.frame(FrameType.DATA, b"\x09" + bytes(9), flags=Flag.PADDED, stream=stream) * ENOUGH,
    "priority": lambda _: wire.frame(FrameType.PRIORITY, bytes(5), stream=1001) * ENOUGH,
    "goaway": lambda _: wire.goaway(2**31 - 1) * ENOUGH,
    "reset": lambda stream: wire.reset(stream + 2) * ENOUGH,
    "unknown": lambda _: wire.frame(0x77, b"?") * ENOUGH,
    "window": lambda _: wire.window(0, 1) * ENOUGH,
}
FLOOD = Param("as", choice(*FLOODS), "settings", "of which frames")

HEADS: Mapping[str, Callable[[int, list[tuple[str, str]]], bytes]] = {
    "http1": lambda *_: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "data": lambda stream, _: wire.data(stream, b"data: x\n\n"),
    "upper": lambda stream, fields: wire.headers(stream, [*fields, ("X-Lab", "upper")]),
    "connection": lambda stream, fields: wire.headers(stream, [*fields, ("connection", "close")]),
    "101": lambda stream, fields: wire.headers(stream, [(":status", "101"), *fields[1:]]),
    "status": lambda stream, fields: wire.headers(stream, [(":status", "2000"), *fields[1:]]),
    "none": lambda stream, fields: wire.headers(stream, fields[1:]),
    "garbage": lambda stream, _: BROKEN["headers"](stream),
    "many": lambda stream, fields: wire.headers(stream, [*fields, *((f"x-{n}", "x") for n in range(1001))]),
    "line": lambda stream, fields: wire.headers(stream, [*fields, ("x-large", LARGE + LARGE)]),
    "large": lambda stream, fields: wire.headers(stream, [*fields, *((f"x-{n}", LARGE) for n in range(9))]),
    "interim": lambda stream, _: wire.headers(stream, [(":status", "103")]) * ENOUGH,
    "trailers": lambda stream, _: wire.headers(stream, [("x-lab", "trailers")], end=True),
    "continuation": lambda stream, _: (
        wire.frame(FrameType.HEADERS, b"", stream=stream)
        + wire.frame(FrameType.CONTINUATION, b"", stream=stream) * ENOUGH
    ),
}
HEAD = Param("as", choice(*HEADS), "http1", "which bad head")


def _stop(case: ScriptContext) -> int:
    """The number of messages: all of them, if more output was requested than there is."""
    answer = case.answer
    return len(answer.messages) if case[AFTER] > len(answer.output) else answer.upto(case[AFTER])


def _up_to(case: ScriptContext) -> list[Step]:
    """The answer up to the requested amount of output."""
    case = case.but(FRAMING, "chunked")
    return [opening(case, case.answer), *spoken(case, case.answer, _stop(case))]


def _arrived(case: ScriptContext) -> bool:
    """Whether that is all of it."""
    answer = case.answer
    return sum(map(len, answer.messages[: _stop(case)])) >= answer.complete


def reset(case: ScriptContext) -> Script:
    """RST_STREAM in the body."""
    code = ErrorCodes[case[CODE]]
    return [*_up_to(case), StreamFrames(lambda stream: wire.reset(stream, code)), Hold(1.0)]


def judged_reset(case: ScriptContext) -> Expect:
    """The data before it counts."""
    return UNCLEAN if _arrived(case) else Expect("truncated/reset")


def refused(case: ScriptContext) -> Script:
    """No answer: the stream is refused."""
    code = ErrorCodes[case[REFUSED]]
    if case[BY] == "goaway":
        return [StreamFrames(lambda stream: wire.goaway(max(stream - 2, 0), code)), Hold(1.0)]
    return [StreamFrames(lambda stream: wire.reset(stream, code)), Hold(1.0)]


def goaway(case: ScriptContext) -> Script:
    """GOAWAY in the body, as from servers that stop; the stream continues."""
    case = case.but(FRAMING, "chunked")
    code = ErrorCodes[case[CODE]]
    goaways = StreamFrames(lambda stream: wire.goaway(2**31 - 1) + wire.goaway(stream, code))
    if case[THEN] == "fin":
        return [*_up_to(case), goaways, Fin()]
    before = _up_to(case)
    return [*before, goaways, *whole(case, case.answer)[len(before) :]]


def judged_goaway(case: ScriptContext) -> Expect:
    """It ends nothing by itself."""
    if case[THEN] == "end":
        return OK
    return UNCLEAN if _arrived(case) else Expect("truncated/incomplete_body")


def length(case: ScriptContext) -> Script:
    """A content-length that the data does not agree with."""
    answer = case.answer
    total = answer.starts[-1] + (1 if case[DECLARED] == "longer" else -1)
    case = case.but(FRAMING, "chunked")
    head = opening(case, answer, extra=(("Content-Length", str(total)),))
    return [head, *whole(case, answer)[1:]]


def judged_length(case: ScriptContext) -> Expect:
    """The last byte of the answer makes it whole; the length is an unclean end then."""
    answer = case.answer
    return UNCLEAN if answer.complete <= answer.starts[-1] else Expect("truncated/incomplete_body")


def frame(case: ScriptContext) -> Script:
    """A broken frame in the body, and then an open connection."""
    return [*_up_to(case), StreamFrames(BROKEN[case[FRAME]]), Hold()]


def judged_malformed(case: ScriptContext) -> Expect:
    """The data before it counts."""
    return UNCLEAN if _arrived(case) else Expect("truncated/malformed_body")


def flood(case: ScriptContext) -> Script:
    """Frames without content, in the body, and then an open connection."""
    return [*_up_to(case), StreamFrames(FLOODS[case[FLOOD]]), Hold()]


def head(case: ScriptContext) -> Script:
    """A head that HTTP/2 does not allow."""
    make = HEADS[case[HEAD]]
    fields = [(":status", "200"), ("content-type", case.content_type)]
    return [StreamFrames(lambda stream: make(stream, fields)), Hold()]


def frames(case: ScriptContext) -> Script:
    """The right answer in frames of another size, each with padding."""
    body, size = b"".join(case.answer.messages), max(case[SIZE], 1)
    head = opening(case.but(FRAMING, "chunked"), case.answer)
    pieces = [_padded(body[at : at + size]) for at in range(0, len(body), size)]
    return [head, *pieces, StreamFrames(lambda stream: wire.data(stream, b"", end=True))]


def _padded(piece: bytes) -> StreamFrames:
    return StreamFrames(
        lambda stream: wire.frame(FrameType.DATA, bytes((5,)) + piece + bytes(5), flags=Flag.PADDED, stream=stream)
    )


def pinged(case: ScriptContext) -> Script:
    """The right answer, with PING, SETTINGS, PRIORITY and an unknown frame between its messages."""
    others = PING + wire.SETTINGS + wire.frame(0x77, b"?") + wire.frame(FrameType.PRIORITY, bytes(5), stream=1001)
    head, *body = whole(case.but(FRAMING, "chunked"), case.answer)
    return [head, *(one for step in body for one in (StreamFrames(lambda _: others), step))]


def cut(case: ScriptContext) -> Script:
    """The connection ends at a byte of the frames after the head."""
    head, *body = whole(case.but(FRAMING, "chunked"), case.answer)

    def sent(stream: int) -> bytes:
        first, *rest = (step.data for step in in_http2([head, *body], stream) if isinstance(step, Send))
        return first + b"".join(rest)[: case[WIRE]]

    return [StreamFrames(sent), ending(case)]


def judged_cut(case: ScriptContext) -> Expect:
    """Expect the verdict for the amount of the answer before the fault."""
    position, arrived = case[WIRE], 0
    for message in (*case.answer.messages, b""):
        arrived += min(max(position - HEADER, 0), len(message))
        position -= HEADER + len(message)
    if arrived < case.answer.complete:
        return Expect("truncated/reset" if case[HOW] == "rst" else "truncated/incomplete_body")
    return OK if position >= 0 else UNCLEAN


MALFORMED_HEAD = Expect("bad_response/malformed_head")

FAULTS = (
    LabFault(
        name="h2-cut",
        summary="the connection ends at a byte of the frames after the head",
        params=(WIRE, HOW),
        script=cut,
        ended=judged_cut,
        examples=("", "wire=60&by=rst"),
    ),
    LabFault(
        name="h2-reset",
        summary="the stream is reset in the body, with an error code",
        params=(AFTER, CODE),
        script=reset,
        ended=judged_reset,
        examples=("", "code=NO_ERROR", "code=CANCEL", "after=0", "after=10000"),
    ),
    LabFault(
        name="h2-refused",
        summary="the stream is refused before any answer",
        params=(REFUSED, BY),
        script=refused,
        ended=Expect("no_response/reset"),
        examples=("", "by=goaway", "code=HTTP_1_1_REQUIRED"),
    ),
    LabFault(
        name="h2-goaway",
        summary="the server announces in the body that it stops; the stream goes on, or the connection closes",
        params=(AFTER, CODE.but("NO_ERROR"), THEN),
        script=goaway,
        ended=judged_goaway,
        examples=("", "then=fin&code=INTERNAL_ERROR"),
    ),
    LabFault(
        name="h2-length",
        summary="content-length does not agree with the data",
        params=(DECLARED,),
        script=length,
        ended=judged_length,
        examples=("as=longer", "as=shorter"),
    ),
    LabFault(
        name="h2-frame",
        summary="a frame in the body breaks the protocol",
        params=(AFTER, FRAME),
        script=frame,
        ended=judged_malformed,
        examples=tuple(f"as={name}" for name in BROKEN),
    ),
    LabFault(
        name="h2-flood",
        summary="a flood of frames that say nothing",
        params=(AFTER, FLOOD),
        script=flood,
        ended=judged_malformed,
        examples=tuple(f"as={name}" for name in FLOODS),
    ),
    LabFault(
        name="h2-head",
        summary="a head that HTTP/2 does not allow",
        params=(HEAD,),
        script=head,
        ended=MALFORMED_HEAD,
        examples=tuple(f"as={name}" for name in HEADS),
    ),
    LabFault(
        name="h2-frames",
        summary="the right answer in padded frames of so many bytes of data",
        params=(SIZE,),
        script=frames,
        ended=OK,
        examples=("bytes=1", "bytes=100"),
    ),
    LabFault(
        name="h2-others",
        summary="the right answer, and frames between that say nothing of it",
        script=pinged,
        ended=OK,
    ),
)
