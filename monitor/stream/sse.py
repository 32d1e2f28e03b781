"""Server-sent events, as the WHATWG HTML standard (section 9.2.6) defines them, and as servers send them."""

from __future__ import annotations

import re

from monitor.stream.events import Message
from monitor.stream.framing import BOM, PIECE_BYTES, Framer, Rest

LINE_END = re.compile(rb"\r\n|\r|\n")
_IGNORED = frozenset({b"id", b"retry"})


class ServerSentEvents(Framer):
    """A framer of events, with three differences from the standard that a monitor needs.

    Comments, and events without data, are returned as signs of life. `close` returns the unterminated last event.
    A field `error`, which old llama.cpp servers send, is returned as an event of that name.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        """The pieces of the unfinished line: joined once, when its end comes."""
        self._held = 0
        """Bytes in `_pieces`."""
        self._start = 0
        """Payload offset at which the unfinished line begins."""
        self._after_cr = False
        self._at_start = True
        self._data: list[bytes] = []
        self._size = 0
        """Bytes of the current event, in lines of any field; 0 between events."""
        self._name = b""
        self._end = 0

    @property
    def held(self) -> int:
        """About how many bytes of memory the unfinished event takes."""
        return self._held + self._size + PIECE_BYTES * (len(self._pieces) + len(self._data))

    def skip(self, size: int) -> int:
        """Leave out `size` bytes of whole events, which were decoded without their framing; return the new offset."""
        self._start += size
        return self._start

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the events and comments that they complete."""
        if self.too_large or not data:
            return []
        if (whole := self._whole(data)) is not None:
            return [whole]
        if self._at_start and not (data := self._without_bom(data)):
            return []
        messages: list[Message] = []
        if self._after_cr or b"\r" in data:
            self._lines(data, messages)
        elif b"\n" in data:
            self._plain_lines(data, messages)
        elif not self._overflows(self._held + len(data)):
            self._hold(data)
        return messages

    def _whole(self, data: bytes) -> Message | None:
        """Return the event if `data` is exactly one data line with its end: most reads are."""
        if self._held or self._size or self._after_cr or len(data) > self._limit or data[:6] != b"data: ":
            return None
        if data.find(b"\n") != len(data) - 2 or data[-1:] != b"\n" or b"\r" in data:
            return None
        self._at_start = False
        self._start += len(data)
        return Message(str(data[6:-2], "utf-8", "replace"), self._start - 2)

    def _lines(self, data: bytes, messages: list[Message]) -> None:
        """Take every whole line with any line end, and buffer what follows the last one."""
        held, at = self._held, 0
        if self._after_cr and data[:1] == b"\n":
            at = 1
            self._start += 1
        begun = at
        for found in LINE_END.finditer(data, at):
            if self._overflows(held + found.start() - begun):
                return
            line = self._joined(data[begun : found.start()])
            self._line(line, self._start + len(line), messages)
            self._start += len(line) + found.end() - found.start()
            held, begun = 0, found.end()
        self._after_cr = data.endswith(b"\r") and begun == len(data)
        if not self._overflows(held + len(data) - begun):
            self._hold(data[begun:])

    def _plain_lines(self, data: bytes, messages: list[Message]) -> None:
        """The same in half the time, if every line ends with a line feed, as nearly all servers' do."""
        first, *lines = data.split(b"\n")
        lines.insert(0, self._joined(first))
        rest = lines.pop()
        for line in lines:
            size = len(line)
            if self._size + size > self._limit and self._overflows(size):
                return
            if line:
                self._line(line, self._start + size, messages)
            elif self._size:
                self._dispatch(messages)
            self._start += size + 1
        if not self._overflows(len(rest)):
            self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._held += len(piece)

    def _joined(self, last: bytes) -> bytes:
        """Return the line that ends with this piece."""
        if not self._pieces:
            return last
        line = b"".join((*self._pieces, last))
        self._pieces, self._held = [], 0
        return line

    def close(self) -> Rest:
        """Take the end of the stream; an event that lacks only its blank line is returned as a message."""
        line = self._joined(b"")
        field = line.partition(b":")[0]
        cut_field = bool(line) and field not in {b"", b"data", b"event", b"error"} | _IGNORED
        if line and not cut_field:
            self._line(line, self._start + len(line), [])
        left = bool(self._size) or (cut_field and _may_become_a_field(line))
        found: list[Message] = []
        if self._data:
            self._dispatch(found)
        if not cut_field or _may_become_a_field(line):
            return Rest(found[0] if found else None, left)
        self.foreign = True
        outside = Message(line.decode("utf-8", "replace"), self._start + len(line), outside=True)
        return Rest(found[0] if found else None, left, outside)

    def _without_bom(self, data: bytes) -> bytes:
        """Return the data so far without its byte order mark; nothing while it may still be one."""
        data = self._joined(data)
        if len(data) < len(BOM) and BOM.startswith(data):
            self._hold(data)
            return b""
        self._at_start = False
        if data.startswith(BOM):
            self._start += len(BOM)
            return data[len(BOM) :]
        return data

    def _line(self, line: bytes, end: int, messages: list[Message]) -> None:
        if not line:
            self._dispatch(messages)
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"":
            messages.append(Message("", end, comment=True))
            self._pass_over(end)
            return
        elif field == b"event":
            self._name = value
        elif field == b"error":
            self._name = b"error"
            self._data.append(value)
        elif field not in _IGNORED:
            self.foreign = True
            messages.append(Message(line.decode("utf-8", "replace"), end, outside=True))
            self._pass_over(end)
            return
        self._size += len(line) + 1
        self._end = end

    def _pass_over(self, end: int) -> None:
        """Move the end of the current event after a line in it that is not a field, so that messages end in order."""
        if self._size:
            self._end = end

    def _dispatch(self, messages: list[Message]) -> None:
        name = self._name.decode("utf-8", "replace") if self._name else ""
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            messages.append(Message(data.decode("utf-8", "replace"), self._end, name))
        elif name:
            messages.append(Message("", self._end, name, comment=True))
        self._data, self._size, self._name = [], 0, b""

    def _overflows(self, line: int) -> bool:
        """Whether the current event exceeds the limit with a line of `line` bytes; it is then dropped."""
        if self._size + line > self._limit:
            self.too_large = True
            self._pieces, self._held, self._data, self._name, self._size = [], 0, [], b"", 0
        return self.too_large


def _may_become_a_field(line: bytes) -> bool:
    return any(field.startswith(line) for field in (b"data", b"event", b"error", b"id", b"retry"))
