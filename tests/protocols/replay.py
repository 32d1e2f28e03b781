"""What came over one connection, read again: head, body and ending of a capture, and the verdict on it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from monitor.judge.content_check import examine
from monitor.judge.verdict import Verdict, judge
from monitor.protocols import Decoder, Protocol
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.recorder import Recorder
from monitor.target import Check, Terminator

CAPTURES = Path(__file__).parents[1] / "captures"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)\r\n")


class Capture(NamedTuple):
    """One response as it came."""

    head: Head
    body: bytes
    ending: Ending


class Expected(NamedTuple):
    """What a capture comes to without a check, as the `.toml` beside it says."""

    protocol: str
    verdict: str
    phase: str
    chunks: int
    text: str
    """How the visible answer begins."""
    unclean: str = ""


def names() -> list[str]:
    """Return the names of all captures."""
    return sorted(str(file.relative_to(CAPTURES).with_suffix("")) for file in CAPTURES.rglob("*.raw"))


def expected(name: str) -> Expected:
    """Return what the capture `name` comes to."""
    return Expected(**tomllib.loads((CAPTURES / f"{name}.toml").read_text(encoding="utf-8")))


def capture(name: str) -> Capture:
    """Return the capture `name`, relative to `tests/captures` and without its suffix."""
    start, _, rest = (CAPTURES / f"{name}.raw").read_bytes().partition(b"\r\n\r\n")
    status, fields = _parsed(start.decode("latin-1"))
    chunked = fields.get("transfer-encoding") == "chunked"
    body, whole = dechunked(rest) if chunked else (rest, len(rest) == int(fields["content-length"]))
    last = (CAPTURES / f"{name}.timing").read_text().splitlines()
    head = Head(
        status,
        fields.get("content-type", "").partition(";")[0].lower(),
        framing=BodyFraming.CHUNKED if chunked else BodyFraming.LENGTH,
    )
    return Capture(head, body, _ending(last[-1], at=float(last[-2].split()[0]), whole=whole))


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


def _ending(last: str, *, at: float, whole: bool) -> Ending:
    """Say how it ended: END, then what the recorder noted; where our own limit came, output had begun."""
    if "CLIENT_MAX" in last or "our limit" in last:
        return Ending(EndKind.DEADLINE, at, deadline=Deadline.IDLE)
    assert whole == ("WITHOUT" not in last and "exit 18" not in last), "the bytes and the note agree"
    return Ending(EndKind.COMPLETE if whole else EndKind.INCOMPLETE, at)


def seen(protocol: Protocol, body: bytes, head: Head, *, terminator: Terminator = Terminator.END) -> Recorder:
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
