"""Split the bytes of one connection into the response's heads, the payload of its body and the rest; no I/O (RFC 9112).

aiohttp parses each head, and gets it alone, independent of segments. Bodies are unframed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

KIB = 1024
HEAD_LINE, HEADERS, HEAD_BYTES = 64 * KIB, 1000, 256 * KIB
"""Limits of a response head: bytes in a line, headers, and bytes in total."""


class HeadSplitter:
    """Splits the data before the body into heads, interim ones included, so that the parser gets each alone."""

    __slots__ = ("_head", "final", "foreign", "taken")

    _BLANK_LINE = re.compile(rb"\r?\n\r?\n")
    _INTERIM = re.compile(rb"HTTP/\d\.\d +1(?!01)")
    _OURS = re.compile(rb"HTTP/1\.[01] (?!0)")

    def __init__(self) -> None:
        self.final = False
        """The final head is complete; the rest is body."""
        self.foreign = False
        """The head is not of HTTP/1.0 or 1.1; the parser would also accept RTSP, and a status below 100."""
        self.taken = 0
        """Bytes before the body so far: of all heads, interim ones included, and of empty lines before them."""
        self._head = bytearray()

    def split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return the heads, or parts of them, in `data`, and the body's bytes after them."""
        heads = []
        while data and not self.final:
            before = len(self._head)
            begun = data if before else data.lstrip(b"\r\n")  # some servers send an empty line before a head
            self._head += begun
            blank = self._BLANK_LINE.search(self._head, max(0, before - 3))
            end = blank.end() - before + len(data) - len(begun) if blank else len(data)
            heads.append(data[:end])
            self.taken += end
            data = data[end:]
            if blank:
                self._complete()
        return heads, data

    def _complete(self) -> None:
        self.final = not self._INTERIM.match(self._head)
        self.foreign = not self._OURS.match(self._head)
        self._head.clear()


BROKEN = "the framing does not parse"
CROWDED = "many times more bytes of framing than of payload"
FRAMING_PER_BYTE = 16
"""Bytes on the wire for each byte of payload, at most, besides the first `HEAD_BYTES`: one alone takes six to ten."""
_ANSWERED = "another HTTP response in place of a chunk's size"


class CloseBody:
    """Removes the framing of a body; this one is delimited by the close, so every byte is payload."""

    __slots__ = ("after", "broken", "rest", "whole")

    def __init__(self) -> None:
        self.after = 0
        """How many bytes of the last read came after its last byte of payload."""
        self.whole = False
        """The last byte of the body has arrived."""
        self.broken = False
        """The framing is invalid; further bytes do not belong to the body."""
        self.rest = b""
        """The bytes after the last byte of a whole body, in the same read."""

    @property
    def fault(self) -> str:
        """What is invalid in a broken framing, if known."""
        return BROKEN

    def take(self, data: bytes) -> bytes:
        """Return the payload in the next bytes."""
        return data


class LengthBody(CloseBody):
    """A body with a declared length."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self._left = length
        self.whole = not length

    def take(self, data: bytes) -> bytes:
        """Return the part of `data` within the length."""
        left = self._left
        self._left = max(left - len(data), 0)
        if not self._left:
            self.whole, self.rest = True, data[left:]
            self.after = len(self.rest)
        return data[:left]


class ChunkedBody(CloseBody):
    """A chunked body (RFC 9112, section 7.1); blanks after a size, which old servers send, are accepted."""

    __slots__ = ("_left", "_line", "_paid", "_step")

    _SIZE = re.compile(rb"""0*([0-9A-Fa-f]{1,16})[ \t]*(?:;(?:[^"\r\n]|"(?:[^"\\\r\n]|\\[^\r\n])*")*)?\r\n""")
    SIZE_BEGUN = re.compile(rb"0{0,64}[0-9A-Fa-f]{1,16}[ \t]{0,64}(?:;[^\r\n]*)?\r?")
    _IN_EXTENSION = 200
    """Bytes after which what was begun as a size is in its extension."""
    _RESPONSE = b"HTTP/1."
    _FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n")
    _CRLF = b"\r\n"
    _LONGEST_LINE = HEAD_LINE
    """The limit on a chunk's size line and a trailer line in bytes: that of a line of the head."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._paid = 0
        """Where the last payload in a read ended."""
        self._line = bytearray()
        """The incomplete line so far."""
        self._step: Callable[[ChunkedBody, bytes, int, list[bytes]], int] = ChunkedBody._size
        """The function that reads on; unbound, because a bound method would be a reference cycle."""

    @property
    def fault(self) -> str:
        """What is invalid: some proxies write their own error into a body that they have begun."""
        answered = self._step is ChunkedBody._size and self._line.startswith(self._RESPONSE)
        return _ANSWERED if answered else BROKEN

    def take(self, data: bytes) -> bytes:
        """Return the payload in the next bytes; if the framing breaks, the payload before the fault."""
        if self._step is ChunkedBody._size and not self._line and (size := self._SIZE.match(data)):
            begin, length = size.end(), int(size[1], 16)
            if length and data[begin + length :] == self._CRLF:  # one whole chunk in a read: the usual case
                self.after = len(self._CRLF)
                return data[begin : begin + length]
        payload: list[bytes] = []
        at = 0
        while at < len(data) and not self.whole and not self.broken:
            at = self._step(self, data, at, payload)
        if self.whole:
            self.rest = data[at:]
        self.after = len(data) - self._paid
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _size(self, data: bytes, at: int, payload: list[bytes]) -> int:
        """Read a size line, and the data of its chunk if it is whole."""
        found = None if self._line else self._SIZE.match(data, at)
        end = found.end() if found else self._line_end(data, at)
        if found is None:
            found = self._SIZE.fullmatch(self._line) if self._line.endswith(b"\n") else None
            if found is None:
                self.broken = not self._begun(end - at) or len(self._line) > self._LONGEST_LINE
                return end
            self._line = bytearray()
        self._left = int(found[1], 16)
        if not self._left:
            self._step = ChunkedBody._trailer
        elif data[end + self._left : end + self._left + 2] == self._CRLF:
            payload.append(data[end : end + self._left])
            self._paid = end + self._left
            return self._paid + 2
        else:
            self._step = ChunkedBody._data
        return end

    def _begun(self, new: int) -> bool:
        """Whether the line may become a chunk size; of an extension only new bytes are searched."""
        line = self._line
        if len(line) - new > self._IN_EXTENSION:
            return line.find(b"\r", -new - 1, -1) < 0 and not line.endswith(b"\n")
        return bool(self.SIZE_BEGUN.fullmatch(line)) or self._RESPONSE.startswith(line)

    def _data(self, data: bytes, at: int, payload: list[bytes]) -> int:
        taken = min(len(data) - at, self._left)
        payload.append(data[at : at + taken])
        self._left -= taken
        if not self._left:
            self._step = ChunkedBody._data_end
        self._paid = at + taken
        return self._paid

    def _data_end(self, data: bytes, at: int, _payload: list[bytes]) -> int:
        wanted = self._CRLF[len(self._line) :]
        came = data[at : at + len(wanted)]
        self.broken = not wanted.startswith(came)
        self._line += came
        if self._line == self._CRLF:
            self._line, self._step = bytearray(), ChunkedBody._size
        return at + len(came)

    def _trailer(self, data: bytes, at: int, _payload: list[bytes]) -> int:
        """Find the empty line after the last chunk; the lines before it must be fields, and are ignored."""
        end = self._line_end(data, at)
        line = self._line
        if not line.endswith(b"\n"):
            self.broken = len(line) > self._LONGEST_LINE
            return end
        self.whole = line == self._CRLF
        self.broken = not self.whole and not self._FIELD.fullmatch(line)
        self._line = bytearray()
        return end

    def _line_end(self, data: bytes, at: int) -> int:
        """Add to the incomplete line; return where in `data` it ends for now."""
        end = data.find(b"\n", at) + 1 or len(data)
        self._line += data[at:end]
        return end
