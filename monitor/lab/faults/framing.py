"""Bodies whose chunk framing is broken, in the head's segment or in a later one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor.lab.fault import Expect, LabFault, ScriptContext
from monitor.lab.params import AFTER, FRAMING, Param, choice, text_like
from monitor.lab.steps import Hold, Script, Send
from monitor.lab.wire import opening, pause, segment, spoken

SIZE = Param("as", text_like(r"[ -~]{0,64}", "up to 64 printable characters, or nothing"), "zz", "the size line")
DATA = Param(
    "as",
    choice("longer", "shorter", "lf", "lf-behind", "bare"),
    "longer",
    "data against its size, or which CRLF is wrong",
)
WITH = Param("with", choice("own", "head"), "own", "whether it comes in a segment of its own or with the head")

DATA_FAULTS: Mapping[str, Callable[[bytes], bytes]] = {
    "longer": lambda data: f"{len(data) // 2:x}\r\n".encode() + data + b"\r\n",
    "shorter": lambda data: f"{len(data) + 2:x}\r\n".encode() + data + b"\r\n",
    "lf": lambda data: f"{len(data):x}\n".encode() + data + b"\n",
    "lf-behind": lambda data: f"{len(data):x}\r\n".encode() + data + b"\n",
    "bare": lambda data: f"{len(data):x}\r\n".encode() + data,
}


def chunk_size(case: ScriptContext) -> Script:
    """An invalid size line."""
    return _broken(case, lambda data: f"{case[SIZE]}\r\n".encode() + data + b"\r\n")


def chunk_data(case: ScriptContext) -> Script:
    """Data that does not fit its size, or is not closed as it must be."""
    return _broken(case, DATA_FAULTS[case[DATA]])


def _broken(case: ScriptContext, broken: Callable[[bytes], bytes]) -> Script:
    """The body up to the bad chunk and a good one after it; then an open socket: the monitor must detect the fault."""
    case = case.but(FRAMING, "chunked")
    answer = case.answer
    index = min(answer.upto(case[AFTER]), answer.last)
    message = answer.messages[index]
    bad = broken(message) + segment(case, message).wire
    steps = [opening(case, answer), *spoken(case, answer, index), *pause(case, answer, index), Send(bad)]
    if case[WITH] == "head":
        steps = [Send(b"".join(step.data for step in steps if isinstance(step, Send)))]
    return [*steps, Hold()]


JUDGED = Expect("truncated/malformed_body")
"""Independent of segments: the part of the body that a client can read does not depend on them."""

FAULTS = (
    LabFault(
        name="chunk-size",
        summary="a chunk whose size line is not a valid size",
        params=(SIZE, AFTER.but("3"), WITH),
        script=chunk_size,
        ended=JUDGED,
        examples=("as=zz", "as=-5", "as=0x5", "as=", "as=fffffffffffffffffff", "as=zz&with=head"),
    ),
    LabFault(
        name="chunk-data",
        summary="a chunk whose data does not fit its size, or is not closed by CRLF",
        params=(DATA, AFTER.but("3"), WITH),
        script=chunk_data,
        ended=JUDGED,
        examples=tuple(f"as={name}" for name in DATA_FAULTS),
    ),
)
