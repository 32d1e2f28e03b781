"""Makes a script from an answer: head, framed messages at their pace, and the body's end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import NamedTuple

from monitor.lab.dialects.base import EncodedAnswer, compact
from monitor.lab.fault import ScriptContext
from monitor.lab.params import BY, FRAMING, GAP, TTFC
from monitor.lab.steps import Fin, Rst, Send, Step, Wait

Headers = Iterable[tuple[str, str]]
LAST_CHUNK = b"0\r\n\r\n"
OPEN_LENGTH = 1 << 40
"""Content-Length of an endless body."""


class Segment(NamedTuple):
    """One write: the payload in it, and the framing around that."""

    before: bytes
    data: bytes
    after: bytes

    @property
    def wire(self) -> bytes:
        """All its bytes."""
        return self.before + self.data + self.after


def segment(case: ScriptContext, data: bytes) -> Segment:
    """A message in the framing of the case."""
    if case[FRAMING] == "chunked":
        return Segment(f"{len(data):x}\r\n".encode(), data, b"\r\n")
    return Segment(b"", data, b"")


def segments(case: ScriptContext, answer: EncodedAnswer) -> list[Segment]:
    """The whole body, with its end."""
    body = [segment(case, message) for message in answer.messages]
    return [*body, Segment(LAST_CHUNK, b"", b"")] if case[FRAMING] == "chunked" else body


def status_line(code: int) -> str:
    """The status with its usual words."""
    known = {status.value: status.phrase for status in HTTPStatus}
    return f"HTTP/1.1 {code} {known.get(code, 'Lab')}"


def head(case: ScriptContext, length: int, *, status: int = 200, content_type: str = "", extra: Headers = ()) -> bytes:
    """A whole head; `length` is that of a length-delimited body."""
    framing = {
        "chunked": {"Transfer-Encoding": "chunked"},
        "length": {"Content-Length": str(length)},
        "close": {"Connection": "close"},
    }
    fixed = {"Content-Type": content_type or case.content_type, "Cache-Control": "no-cache"}
    fields = {**fixed, **dict(extra), **dict(case.truth), **framing[case[FRAMING]]}
    return head_of(status_line(status), fields.items())


def head_of(first: str, fields: Headers) -> bytes:
    """A head of exactly these lines."""
    return "".join(f"{line}\r\n" for line in (first, *(f"{name}: {value}" for name, value in fields), "")).encode()


def opening(case: ScriptContext, answer: EncodedAnswer, content_type: str = "", extra: Headers = ()) -> Send:
    """The head for this answer."""
    return Send(head(case, answer.starts[-1], content_type=content_type, extra=extra))


def pause(case: ScriptContext, answer: EncodedAnswer, index: int) -> list[Step]:
    """The silence before a message: before the first output, between outputs, and before the end."""
    first = answer.output.start
    gap = case[GAP] if first < index <= answer.last else 0
    seconds = case[TTFC] if index == first else gap
    return [Wait(seconds)] if seconds else []


def spoken(case: ScriptContext, answer: EncodedAnswer, stop: int | None = None) -> list[Step]:
    """The messages before number `stop`, each in a segment of its own, at their pace."""
    steps: list[Step] = []
    for index, message in enumerate(answer.messages[:stop]):
        steps += [*pause(case, answer, index), Send(segment(case, message).wire)]
    return steps


def hang_up(case: ScriptContext) -> list[Step]:
    """The FIN that a close-delimited body ends with."""
    return [Fin()] if case[FRAMING] == "close" else []


def closing(case: ScriptContext) -> list[Step]:
    """The body's own end."""
    return [Send(LAST_CHUNK)] if case[FRAMING] == "chunked" else hang_up(case)


def whole(case: ScriptContext, answer: EncodedAnswer, content_type: str = "", extra: Headers = ()) -> list[Step]:
    """This answer in a response without fault."""
    return [opening(case, answer, content_type, extra), *spoken(case, answer), *closing(case)]


def ending(case: ScriptContext) -> Step:
    """The requested end of the connection."""
    return Rst() if case[BY] == "rst" else Fin()


def cut(case: ScriptContext, answer: EncodedAnswer, position: int) -> list[Step]:
    """The response up to byte `position` of its body on the wire, and then the connection's end."""
    steps: list[Step] = [opening(case, answer)]
    for index, part in enumerate(segments(case, answer)):
        if position <= 0:
            break
        steps += [*pause(case, answer, index), Send(part.wire[:position])]
        position -= len(part.wire)
    return [*steps, ending(case)]


def position_of(parts: Sequence[Segment], payload: int) -> int:
    """The position of a payload offset on the wire; at a border, before the next framing."""
    position = 0
    for part in parts:
        if payload <= 0:
            break
        if payload < len(part.data):
            return position + len(part.before) + payload
        position, payload = position + len(part.wire), payload - len(part.data)
    return position


def payload_at(parts: Sequence[Segment], position: int) -> int:
    """The amount of payload before a position on the wire."""
    payload = 0
    for part in parts:
        payload += min(max(position - len(part.before), 0), len(part.data))
        position -= len(part.wire)
    return payload


def reply(
    case: ScriptContext, status: int, body: bytes, content_type: str = "application/json", extra: Headers = ()
) -> Send:
    """A plain answer in one segment."""
    fields = (("Content-Type", content_type), *extra, *case.truth, ("Content-Length", str(len(body))))
    return Send(head_of(status_line(status), fields) + body)


def error_body(status: int) -> bytes:
    """The error body for a status."""
    return compact({"error": {"message": f"the lab says {status}", "type": "lab_error", "code": status}}).encode()
