"""Amazon's binary event stream (`application/vnd.amazon.eventstream`): frames with two checksums each.

A frame is its length and its headers' length (four bytes each, big-endian), the CRC-32 of these eight bytes, the
headers, the payload, and the CRC-32 of all before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import Struct
from zlib import crc32

from monitor.stream.events import Message
from monitor.stream.framing import Framer, Rest

_PRELUDE = Struct(">III")
_CRC = Struct(">I")
_AROUND = _PRELUDE.size + _CRC.size
_LONGEST = (24 << 20) + (128 << 10) + _AROUND
"""What the format allows: 24 MiB of payload, 128 KiB of headers."""
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; types 6 (bytes) and 7 (text) are preceded by their length."""
_COUNTED = frozenset({6, 7})
_TEXT = 7


_TEXT_BYTES = re.compile(rb"[\t\n\r -~]{4}")
"""A frame's length is never as large as four characters of text, with which an error of a gateway begins."""


class BinaryFrames(Framer):
    """A framer of such frames: `name` of a message is its event type, or `exception:TYPE`, or `error:CODE`.

    Text in place of a frame is outside the framing, and so is all that follows it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._start = 0
        self._text = False
        """The rest is text, not frames."""

    @property
    def held(self) -> int:
        """How many bytes of memory the unfinished frame takes."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the frames that they complete."""
        if self._text:
            self._rest += data[: self._limit - len(self._rest)]
        if self.too_large or self.broken or self._text:
            return []
        self._rest += data
        messages: list[Message] = []
        while (size := self._size()) and size <= len(self._rest):
            frame = bytes(self._rest[:size])
            if _CRC.unpack_from(frame, size - _CRC.size)[0] != crc32(frame[: -_CRC.size]):
                self._break("the checksum of a frame does not agree", size)
                break
            self._start += size
            del self._rest[:size]
            self._take(frame, messages)
        return messages

    def close(self) -> Rest:
        """Take the end of the stream; a frame that was begun is incomplete."""
        left = bytes(self._rest)
        self._rest.clear()
        if self._text:
            return Rest(outside=Message(left.decode("utf-8", "replace"), self._start + len(left), outside=True))
        return Rest(inside=bool(left))

    def _size(self) -> int:
        """Return the length of the current frame; 0 if it is not known yet, or wrong."""
        if _TEXT_BYTES.match(self._rest):
            self._begin_text()
        if self._text or len(self._rest) < _PRELUDE.size:
            return 0
        size, headers, checksum = _PRELUDE.unpack_from(self._rest)
        if checksum != crc32(self._rest[:8]):
            self._break("the checksum of a frame's length does not agree", _PRELUDE.size)
        elif not _AROUND + headers <= size <= _LONGEST:
            self._break("the length of a frame is invalid", _PRELUDE.size)
        elif size > self._limit:
            self.too_large = True
            self._rest.clear()
        else:
            return int(size)
        return 0

    def _begin_text(self) -> None:
        """Take the rest for text: after frames it breaks them off, and before any it shows that these are none."""
        if self._start:
            self.broken, self.broken_at = "text stands in place of a frame", self._start + 4
        self._text = self.foreign = True
        del self._rest[self._limit :]

    def _take(self, frame: bytes, messages: list[Message]) -> None:
        end = _PRELUDE.size + _PRELUDE.unpack_from(frame)[1]
        try:
            headers = dict(_headers(frame[_PRELUDE.size : end]))
        except (IndexError, ValueError):
            self._break("the headers of a frame are invalid", 0)
            return
        data = frame[end : -_CRC.size].decode("utf-8", "replace")
        match headers.get(":message-type", "event"):
            case "exception":
                name = f"exception:{headers.get(':exception-type', '')}"
            case "error":
                name, data = f"error:{headers.get(':error-code', '')}", headers.get(":error-message", "")
            case _:
                name = headers.get(":event-type", "")
        messages.append(Message(data or "{}", self._start, name))

    def _break(self, why: str, read: int) -> None:
        """Take nothing more: it is known `read` bytes after the last whole frame."""
        self.broken, self.broken_at = why, self._start + read
        self._rest.clear()


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the headers with text values; IndexError or ValueError if the bytes are invalid."""
    at = 0
    while at < len(data):
        size = data[at]
        name, kind, at = data[at + 1 : at + 1 + size].decode(), data[at + 1 + size], at + 2 + size
        if kind in _COUNTED:
            length = data[at] << 8 | data[at + 1]
            at += 2
        elif kind in _SIZES:
            length = _SIZES[kind]
        else:
            raise ValueError("an unknown type of header")
        if at + length > len(data):
            raise IndexError("a header is longer than all of them")
        if kind == _TEXT:
            yield name, data[at : at + length].decode()
        at += length
