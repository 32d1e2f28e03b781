"""What came over one connection, read again: head, body and ending of a capture, and the verdict on it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from monitor.judge.content_check import examine
from monitor.judge.verdict import Verdict, judge
from monitor.protocols import Decoder, Protocol
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.raw import Raw
from monitor.stream.recorder import Recorder
from monitor.target import Check, Terminator

CAPTURES = Path(__file__).parents[1] / "captures"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)\r\n")


class Capture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of a capture: the expected result without a check, the reads, and every byte of the response."""

    protocol: str
    verdict: str
    phase: str
    chunks: int
    text: str
    """How the visible answer begins."""
    ended: Literal["whole", "cut", "open"]
    """Whole, ended before its end, or still open when the recorder had seen enough."""
    raw: bytes
    reads: tuple[tuple[float, int], ...] = ()
    """When each read came, in seconds since the request, and how many bytes it had; all at once by default."""
    unclean: str = ""
    request: str = ""

    @property
    def segments(self) -> tuple[tuple[float, int], ...]:
        """The reads, with their default."""
        return self.reads or ((0.1, len(self.raw)),)

    @property
    def response(self) -> Response:
        """Return its head and payload, and how it ended."""
        start, _, rest = self.raw.partition(b"\r\n\r\n")
        status, fields = _parsed(start.decode("latin-1"))
        framing, body, whole = BodyFraming.CLOSE, rest, True
        if fields.get("transfer-encoding") == "chunked":
            framing, (body, whole) = BodyFraming.CHUNKED, dechunked(rest)
        elif "content-length" in fields:
            framing, whole = BodyFraming.LENGTH, len(rest) == int(fields["content-length"])
        head = Head(status, fields.get("content-type", "").partition(";")[0].lower(), framing=framing)
        return Response(head, body, _ending(self, whole=whole))


class Response(NamedTuple):
    """One response as it came."""

    head: Head
    body: bytes
    ending: Ending


def names() -> list[str]:
    """Return the names of all captures: the path in `tests/captures`, without the suffix."""
    return sorted(str(file.relative_to(CAPTURES).with_suffix("")) for file in CAPTURES.rglob("*.capture"))


def capture(name: str) -> Capture:
    """Return the capture with this name."""
    return read((CAPTURES / f"{name}.capture").read_bytes())


def read(data: bytes) -> Capture:
    """Read the file of a capture; the head of a response that was written by hand may have plain line ends."""
    expectation, _, raw = data.partition(b"\n---\n")
    if not raw.partition(b"\n")[0].endswith(b"\r"):
        head, _, body = raw.partition(b"\n\n")
        raw = b"\r\n".join((*head.split(b"\n"), b"", body))
    return msgspec.convert({**tomllib.loads(expectation.decode()), "raw": raw}, Capture)


def _parsed(head: str) -> tuple[int, dict[str, str]]:
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


def dechunked(data: bytes) -> tuple[bytes, bool]:
    """Return the payload of a chunked body (RFC 9112, section 7.1), and whether its terminal chunk is there."""
    payload, at = b"", 0
    while size_line := _SIZE_LINE.match(data, at):
        size, at = int(size_line[1], 16), size_line.end()
        if not size:
            return payload, data[at : at + 2] == b"\r\n"
        payload += data[at : at + size]
        at += size + 2
    return payload, False


def _ending(one: Capture, *, whole: bool) -> Ending:
    """Return how it ended; if it was still open, output had begun."""
    at = one.segments[-1][0]
    if one.ended == "open":
        return Ending(EndKind.DEADLINE, at, deadline=Deadline.IDLE)
    assert whole is (one.ended == "whole"), "the bytes and `ended` agree"
    return Ending(EndKind.COMPLETE if whole else EndKind.INCOMPLETE, at)


def decoded(protocol: Protocol, body: bytes, head: Head, *, terminator: Terminator = Terminator.END) -> Recorder:
    """Return the recorder of a body that came in one piece, with whatever was left of it read, too."""
    recorder = Recorder(protocol.end_rule(terminator))
    recorder.connected = True
    recorder.head = head
    decoder = Decoder(protocol, event_bytes=1 << 20, events=1 << 20)
    if body:
        recorder.arrived(0.5, 0.0, len(body))
    for event, offset in (*decoder.feed(body), *decoder.close()):
        recorder.record(event, offset)
    return recorder


def judged(
    protocol: Protocol, recorder: Recorder, ending: Ending, check: Check | None = None, nonce: str = ""
) -> Verdict:
    """Return the verdict on a recording that ended like this."""
    recorder.ending = ending
    recording = recorder.finish()
    found = examine(check, recording.text, nonce) if check is not None and recording.chunks else None
    return judge(recording, found, content_types=protocol.content_types)


def replayed(one: Capture, protocol: Protocol, check: Check | None = None, nonce: str = "") -> tuple[Verdict, int, str]:
    """Return the verdict on a capture, its chunks and its visible answer."""
    came = one.response
    recorder = decoded(protocol, came.body if came.head.status == 200 else b"", came.head)
    verdict = judged(protocol, recorder, came.ending, check, nonce)
    return verdict, recorder.chunks, recorder.finish().text


def check_capture(one: Capture, protocol: Protocol) -> None:
    """Raise AssertionError if a capture, read as a whole with its ending, does not give its declared result."""
    verdict, chunks, answer = replayed(one, protocol)
    comes_to = "/".join(filter(None, (verdict.outcome, verdict.cause)))
    assert (comes_to, verdict.phase, verdict.unclean or "") == (one.verdict, one.phase, one.unclean)
    assert answer[: len(one.text)] == one.text
    if protocol.framing is not Raw:  # whose chunks are the reads
        assert chunks == one.chunks
