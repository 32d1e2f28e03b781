"""The streams that a stopped process reads late: each framing, plain and in TLS, and each way to end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from monitor.http.h2_frames import FrameType
from monitor.lab import h2_wire as wire
from tests.http.h2_parts import HEAD as H2_HEAD
from tests.http.parts import CLOSED, HEAD, HI, STOP


class End(Enum):
    """A step that ends a direction, TLS or the connection."""

    FIN = auto()
    RST = auto()
    NOTIFY = auto()
    """A close_notify of TLS."""
    GARBAGE = auto()
    """A record of TLS that nobody can decrypt, which is a fatal error."""


Step = bytes | End
Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Stream:
    """A response, step by step."""

    name: str
    steps: Steps
    tls: bool
    end: int
    """The step that ends it."""

    @property
    def http2(self) -> bool:
        """Whether it is in HTTP/2."""
        return self.name.startswith("h2")

    @property
    def head(self) -> int | None:
        """The step with the final head; None without any."""
        return next(
            (at for at, step in enumerate(self.steps) if _count(step, b"text/event-stream|application/json")), None
        )

    @property
    def chunks(self) -> list[int]:
        """The step of each chunk of output."""
        return [at for at, step in enumerate(self.steps) for _ in range(_count(step, b'"content"'))]


def _count(step: Step, pattern: bytes) -> int:
    return len(re.findall(pattern, step)) if isinstance(step, bytes) else 0


def chunk(data: bytes) -> bytes:
    """Return a chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def data(payload: bytes, *, end: bool = False) -> bytes:
    """Return a DATA frame of the response."""
    return wire.data(1, payload, end=end)


def sized(length: int) -> bytes:
    """Return the head of a body with this length."""
    return HEAD + b"Content-Length: %d\r\n\r\n" % length


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
ERROR = b"HTTP/1.1 503 X\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
LONG = HI.replace(b"hi", b"x" * 20_000)
"""Four of them are more than one read, and less than the buffer that Linux gives a socket."""
PING = wire.frame(FrameType.PING, b"12345678")
GOAWAY, RESET = wire.goaway(1), wire.reset(1)

BODIES: dict[str, tuple[int | None, Steps]] = {
    "chunked, cut": (None, (CHUNKED, chunk(HI), chunk(HI))),
    "chunked, without its terminal chunk": (None, (CHUNKED + chunk(HI), chunk(HI), chunk(STOP))),
    "chunked": (3, (CHUNKED, chunk(HI), chunk(STOP), b"0\r\n\r\n")),
    "chunked, in pieces": (None, (CHUNKED, b"%x\r\n" % len(HI), HI + b"\r\n", b"%x\r\n" % len(HI))),
    "chunked, full reads": (4, (CHUNKED + chunk(HI), 2 * chunk(LONG), 2 * chunk(LONG), chunk(STOP), b"0\r\n\r\n")),
    "chunked, full reads, cut": (None, (CHUNKED + chunk(HI), 2 * chunk(LONG), 2 * chunk(LONG), chunk(HI))),
    "length": (3, (sized(len(HI + HI + STOP)), HI, HI, STOP)),
    "length, cut": (None, (sized(5000), HI, HI)),
    "close": (None, (CLOSED, HI, STOP)),
    "close, cut": (None, (CLOSED, HI, HI)),
    "after early hints": (None, (HINTS, CHUNKED, chunk(HI))),
    "early hints alone": (None, (HINTS,)),
    "part of a head": (None, (HEAD,)),
    "nothing": (None, ()),
    "error": (0, (ERROR, b"{}")),
    "h2": (3, (H2_HEAD, data(HI), data(STOP), data(b"", end=True))),
    "h2, cut": (None, (H2_HEAD, data(HI), data(HI))),
    "h2, cut after a ping": (None, (H2_HEAD, data(HI), PING)),
    "h2, without END_STREAM": (None, (H2_HEAD, data(HI), data(STOP))),
    "h2, GOAWAY after the end": (1, (H2_HEAD + data(HI), data(STOP, end=True), GOAWAY)),
    "h2, GOAWAY, cut": (None, (H2_HEAD, data(HI), GOAWAY)),
    "h2, GOAWAY without a head": (None, (wire.SETTINGS, GOAWAY)),
    "h2, refused": (1, (wire.SETTINGS, wire.goaway(0))),
    "h2, without a head": (None, (wire.SETTINGS,)),
    "h2, RST_STREAM": (2, (H2_HEAD, data(HI), RESET, GOAWAY)),
    "h2, long": (3, (H2_HEAD + data(HI), 2 * data(LONG) + PING, 2 * data(LONG) + PING, data(STOP, end=True))),
    "h2, long, cut": (None, (H2_HEAD + data(HI), 2 * data(LONG) + PING, 2 * data(LONG) + PING)),
    "h2, long, RST_STREAM": (2, (H2_HEAD + data(HI), 2 * data(LONG) + PING, data(LONG) + PING + RESET)),
}
"""The step that ends a response, None if its connection's end does, and its steps."""
ENDS: dict[bool, tuple[tuple[End, ...], ...]] = {
    False: ((End.FIN,), (End.RST,)),
    True: ((End.FIN,), (End.RST,), (End.NOTIFY,), (End.NOTIFY, End.FIN), (End.NOTIFY, End.RST), (End.GARBAGE,)),
}


def streams() -> Iterator[Stream]:
    """Yield each body with each end."""
    for tls, ends in ENDS.items():
        for end in ends:
            words = ("TLS, " if tls else "") + " + ".join(one.name for one in end)
            for name, (last, body) in BODIES.items():
                yield Stream(f"{name}, {words}", (*body, *end), tls, len(body) if last is None else last)
