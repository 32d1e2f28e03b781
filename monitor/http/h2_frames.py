"""Split the bytes of an HTTP/2 connection into frames; no I/O (RFC 9113, section 4).

The library h2 gets each frame alone. For an invalid frame it raises before it returns the events of the frames before
it, and it returns the data of a frame only when that is whole; here the data of a frame is passed on as it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import NamedTuple

HEADER = 9
"""Bytes of a frame's header: its length, type, flags and stream."""
MAX_FRAME = 16384
"""The largest payload of a frame that a peer may send, because we never allow more (section 4.2)."""
_STREAM = 0x7FFF_FFFF
_HTTP_1, _TLS_ALERT = b"HTTP/1.", b"\x15\x03"
_NOT_SETTINGS = "its first frame is not SETTINGS"


class FrameType(IntEnum):
    """The frame types that are used here (section 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(IntFlag):
    """The frame flags that are used here."""

    END_STREAM = 0x1
    ACK = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8


HEADS = frozenset({FrameType.HEADERS, FrameType.PUSH_PROMISE, FrameType.CONTINUATION})
"""Frames that carry a header block or a part of one."""


class FrameError(ValueError):
    """The bytes are not valid frames; the text says why, in our words."""


class Frame(NamedTuple):
    """A whole frame."""

    kind: int
    flags: int
    stream: int
    wire: bytes
    """All its bytes."""

    @property
    def payload(self) -> bytes:
        """The bytes after its header."""
        return self.wire[HEADER:]

    @property
    def carries(self) -> bool:
        """Whether it is a DATA frame with data, or with the end of its stream: padding alone says nothing."""
        if self.kind != FrameType.DATA:
            return False
        begin = HEADER + 1 + self.wire[HEADER] if self.flags & Flag.PADDED and len(self.wire) > HEADER else HEADER
        return len(self.wire) > begin or bool(self.flags & Flag.END_STREAM)


class DataPart(NamedTuple):
    """Data of a DATA frame, of which more may follow."""

    stream: int
    data: bytes


class FrameSplitter:
    """Splits data into frames, and passes on the data of DATA frames at once."""

    __slots__ = ("_begun", "_given", "_unsplit")

    def __init__(self) -> None:
        self._unsplit = bytearray()
        self._given = 0
        """Bytes of the first frame's data that were passed on."""
        self._begun = False

    @property
    def inside_a_head(self) -> bool:
        """Whether an incomplete frame with headers has come."""
        return len(self._unsplit) > 3 and self._unsplit[3] in HEADS  # noqa: PLR2004 - the offset of a frame's type

    @property
    def between_frames(self) -> bool:
        """Whether nothing has come of a frame but data that was passed on."""
        return not self._unsplit or self._given > 0

    def split(self, data: bytes) -> Iterator[Frame | DataPart]:
        """Return the frames that `data` completes; a FrameError if the bytes are not frames, or one is too long."""
        buffer = self._unsplit
        buffer += data
        if not self._begun:
            _check_begin(buffer)
        while len(buffer) >= HEADER:
            length, kind, flags = int.from_bytes(buffer[:3]), buffer[3], buffer[4]
            stream = int.from_bytes(buffer[5:HEADER]) & _STREAM
            if not self._begun and (flags & Flag.ACK or stream):
                raise FrameError(_NOT_SETTINGS)
            if length > MAX_FRAME:
                raise FrameError(f"a frame of more than {MAX_FRAME} bytes")
            self._begun = True
            if kind == FrameType.DATA and (part := self._part(length, flags)):
                yield DataPart(stream, part)
            if len(buffer) < HEADER + length:
                return
            wire = bytes(buffer[: HEADER + length])
            del buffer[: HEADER + length]
            self._given = 0
            yield Frame(kind, flags, stream, wire)

    def _part(self, length: int, flags: int) -> bytes:
        """Return the data of the first frame that was not passed on yet, without its padding."""
        begin, end = HEADER, HEADER + length
        if flags & Flag.PADDED:
            if not length or len(self._unsplit) == HEADER:
                return b""
            begin, end = begin + 1, end - self._unsplit[HEADER]
        part = bytes(self._unsplit[begin + self._given : max(begin, end)])
        self._given += len(part)
        return part


def _check_begin(begin: bytearray) -> None:
    """Raise a FrameError as soon as what came first cannot be SETTINGS: a peer may close before a whole frame."""
    if begin.startswith(_HTTP_1):
        raise FrameError("it answers in HTTP/1.1")
    if begin.startswith(_TLS_ALERT):
        raise FrameError("it answers in TLS")
    other = len(begin) > 3 and begin[3] != FrameType.SETTINGS  # noqa: PLR2004 - the offset of a frame's type
    if other and not _HTTP_1.startswith(begin):
        raise FrameError(_NOT_SETTINGS)
