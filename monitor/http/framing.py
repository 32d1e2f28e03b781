"""Cut the bytes of one connection into the response's heads, its body and what is behind it; no I/O (RFC 9112).

aiohttp parses both. These say where each begins and ends, whatever the segments, because its parser takes a fault in
the body for one of the head when they come together, a line feed alone for a line end, and what follows a body for
the next response.
"""

from __future__ import annotations

import re
from collections.abc import Callable

KIB = 1024
HEAD_LINE, HEADERS, HEAD_BYTES = 64 * KIB, 1000, 256 * KIB
"""What a response head may have: bytes in a line, headers, and bytes in all."""


class HeadSplitter:
    """Cuts what comes before the body into heads, interim ones too, so that the parser gets each alone."""

    _BLANK_LINE = re.compile(rb"\r?\n\r?\n")
    _INTERIM = re.compile(rb"HTTP/\d\.\d +1(?!01)")
    _OURS = re.compile(rb"HTTP/1\.[01] ")

    def __init__(self) -> None:
        self.final = False
        """The final head is through; from here on it is body."""
        self.foreign = False
        """That head is not one of HTTP/1.0 or 1.1; the parser would take one of RTSP."""
        self._head = bytearray()

    @property
    def size(self) -> int:
        """Bytes of the head that is not whole yet."""
        return len(self._head)

    def cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return the heads, or parts of them, that `data` holds, and the body's bytes behind them."""
        heads = []
        while data and not self.final:
            before = len(self._head)
            begun = data if before else data.lstrip(b"\r\n")  # some servers leave an empty line before a head
            self._head += begun
            blank = self._BLANK_LINE.search(self._head, max(0, before - 3))
            end = blank.end() - before + len(data) - len(begun) if blank else len(data)
            heads.append(data[:end])
            data = data[end:]
            if blank:
                self._through()
        return heads, data

    def _through(self) -> None:
        self.final = not self._INTERIM.match(self._head)
        self.foreign = not self._OURS.match(self._head)
        self._head.clear()


class CloseBody:
    """Says how many of the next bytes belong to the body; this one, of a close-delimited body: all of them."""

    whole = False
    """The body has had its last byte."""
    broken = False
    """Its framing does not hold; what comes is not its own any more."""

    def cut(self, data: bytes) -> int:
        """Return how many bytes of `data` belong to the body and are framed as they must be."""
        return len(data)


class LengthBody(CloseBody):
    """Counts a body that has said its length."""

    def __init__(self, length: int) -> None:
        self._left = length

    def cut(self, data: bytes) -> int:
        """Return how many bytes of `data` are within the length."""
        taken = min(len(data), self._left)
        self._left -= taken
        self.whole = not self._left
        return taken


class ChunkedBody(CloseBody):
    """Follows the framing of a chunked body (RFC 9112, section 7.1); old servers' blanks behind a size are let pass."""

    _SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")
    _SIZE_BEGUN = re.compile(rb"0*[0-9A-Fa-f]{1,16}[ \t]*(?:;[^\r\n]*)?\r?")
    _CRLF = b"\r\n"
    _LONGEST_LINE = 8190
    """As long as aiohttp lets a line of the head be."""

    def __init__(self) -> None:
        self._left = 0
        self._line = b""
        """What has come of a line that is not whole."""
        self._next: Callable[[ChunkedBody, bytes, int], int] = ChunkedBody._size
        """What reads on, unbound: bound, it would be a circle that only a collector frees."""

    def cut(self, data: bytes) -> int:
        """Return how many bytes of `data` belong to the body and are framed as they must be."""
        at = 0
        while at < len(data) and not self.whole and not self.broken:
            at = self._next(self, data, at)
        return at

    def _size(self, data: bytes, at: int) -> int:
        """Read a size line; where its whole chunk has come with it, that too."""
        found = None if self._line else self._SIZE.match(data, at)
        end = found.end() if found else self._line_end(data, at)
        if found is None:
            line, self._line = self._line, b""
            found = self._SIZE.fullmatch(line)
            if found is None:
                self._line = line
                self.broken = not self._SIZE_BEGUN.fullmatch(line) or len(line) > self._LONGEST_LINE
                return at if self.broken else end
        self._left = int(found[1], 16)
        if not self._left:
            self._next = ChunkedBody._trailer
        elif data[end + self._left : end + self._left + 2] == self._CRLF:
            return end + self._left + 2
        else:
            self._next = ChunkedBody._data
        return end

    def _data(self, data: bytes, at: int) -> int:
        taken = min(len(data) - at, self._left)
        self._left -= taken
        if not self._left:
            self._next = ChunkedBody._data_end
        return at + taken

    def _data_end(self, data: bytes, at: int) -> int:
        wanted = self._CRLF[len(self._line) :]
        came = data[at : at + len(wanted)]
        if not wanted.startswith(came):
            self.broken = True
            return at
        self._line += came
        if self._line == self._CRLF:
            self._line, self._next = b"", ChunkedBody._size
        return at + len(came)

    def _trailer(self, data: bytes, at: int) -> int:
        """Look for the empty line behind the last chunk; what the lines before it say is the parser's to look at."""
        end = self._line_end(data, at)
        line = self._line
        if not line.endswith(b"\n"):
            self.broken = len(line) > self._LONGEST_LINE
            return end
        self.whole = line == self._CRLF
        self.broken = not line.endswith(self._CRLF)
        self._line = b""
        return at if self.broken else end

    def _line_end(self, data: bytes, at: int) -> int:
        """Add to the line that is not whole; return where in `data` it ends for now."""
        end = data.find(b"\n", at) + 1 or len(data)
        self._line += data[at:end]
        return end
