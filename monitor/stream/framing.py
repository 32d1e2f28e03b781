"""Cut a stream of bytes into messages, however the network cut it: server-sent events, lines, concatenated JSON, raw.

A framer holds the bytes of at most one unfinished message, `limit` of them: past that `too_large` is set and the rest
ignored. End of data is an input: `close` gives what was left. Offsets count payload bytes from the stream's start.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple, Protocol

from monitor.stream.events import Message


class Rest(NamedTuple):
    """What was left when the stream stopped.

    `message` is what it would be if it were whole: try it. `inside` says that bytes of a message were left; where it is
    False, the message is whole.
    """

    message: Message | None = None
    inside: bool = False


class Framer(Protocol):
    """What every framing offers."""

    too_large: bool
    foreign: bool
    """Bytes came that this framing never has, and were passed over."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the messages that they complete."""

    def close(self) -> Rest:
        """Take the end of the stream and return what was left."""


_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = codecs.BOM_UTF8
_IGNORED = frozenset({b"id", b"retry"})


class ServerSentEvents:
    """Events as the WHATWG HTML standard (section 9.2.6) reads them, with three differences that a monitor needs.

    Comments, and events without data, are handed on as life on the wire. The unterminated last event is offered by
    `close`. A field `error`, which old llama.cpp servers send, is handed on as an event of that name.
    """

    def __init__(self, limit: int) -> None:
        self.too_large = False
        self.foreign = False
        self._limit = limit
        self._rest = b""
        self._start = 0
        """Payload offset at which `_rest` begins."""
        self._after_cr = False
        self._at_start = True
        self._data: list[bytes] = []
        self._size = 0
        """Bytes of the event in hand, in lines of whatever field; 0 between events."""
        self._name = b""
        self._end = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the events and comments that they complete."""
        if self.too_large or not data:
            return []
        buffer = self._rest + data
        if self._at_start and not (buffer := self._without_bom(buffer)):
            return []
        messages: list[Message] = []
        at = 0  # what was left has no line end in it
        if self._after_cr or b"\r" in data:
            at = self._lines(buffer, messages)
        elif b"\n" in data:
            at = self._plain_lines(buffer, messages)
        if not self.too_large:
            self._rest = buffer[at:]
            self._start += at
            self._overflows(len(self._rest))
        return messages

    def _lines(self, buffer: bytes, messages: list[Message]) -> int:
        """Take every whole line, whatever ends it, and return where the rest begins."""
        at = 1 if self._after_cr and buffer[:1] == b"\n" else 0
        self._after_cr = False
        for found in _LINE_END.finditer(buffer, max(at, len(self._rest))):
            if self._overflows(found.start() - at):
                return at
            self._line(buffer[at : found.start()], self._start + found.start(), messages)
            at = found.end()
        self._after_cr = buffer.endswith(b"\r") and at == len(buffer)
        return at

    def _plain_lines(self, buffer: bytes, messages: list[Message]) -> int:
        """Do the same where every line ends with a line feed, as nearly all servers' do: in half the time."""
        at = 0
        *lines, _ = buffer.split(b"\n")
        for line in lines:
            size = len(line)
            if self._size + size > self._limit and self._overflows(size):
                return at
            if line:
                self._line(line, self._start + at + size, messages)
            elif self._size:
                self._dispatch(messages)
            at += size + 1
        return at

    def close(self) -> Rest:
        """Take the end of the stream; an event that lacks only its blank line is offered as a message."""
        line, self._rest = self._rest, b""
        field = line.partition(b":")[0]
        cut_field = bool(line) and field not in {b"", b"data", b"event", b"error"} | _IGNORED
        if line and not cut_field:
            self._line(line, self._start + len(line), [])
        left = bool(self._size) or (cut_field and _may_become_a_field(line))
        found: list[Message] = []
        if self._data:
            self._dispatch(found)
        self.foreign = self.foreign or (cut_field and not _may_become_a_field(line))
        return Rest(found[0] if found else None, left)

    def _without_bom(self, buffer: bytes) -> bytes:
        if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
            self._rest = buffer
            return b""
        self._at_start = False
        self._rest = b""
        if buffer.startswith(_BOM):
            self._start += len(_BOM)
            return buffer[len(_BOM) :]
        return buffer

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
            return
        elif field == b"event":
            self._name = value
        elif field == b"error":
            self._name = b"error"
            self._data.append(value)
        elif field not in _IGNORED:
            self.foreign = True
            return
        self._size += len(line) + 1
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
        """Whether the event in hand passes the limit with `line` bytes more; it is let go then."""
        if self._size + line > self._limit:
            self.too_large = True
            self._rest, self._data, self._name, self._size = b"", [], b"", 0
        return self.too_large


def _may_become_a_field(line: bytes) -> bool:
    return any(field.startswith(line) for field in (b"data", b"event", b"error", b"id", b"retry"))


class Lines:
    """One message a line, as NDJSON has it; lines of white space alone and a byte order mark are passed over."""

    def __init__(self, limit: int) -> None:
        self.too_large = False
        self.foreign = False
        self._limit = limit
        self._rest = b""
        self._start = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the lines that they complete."""
        if self.too_large:
            return []
        *lines, rest = (self._rest + data).split(b"\n") if b"\n" in data else (self._rest + data,)
        messages: list[Message] = []
        for line in lines:
            if self._overflows(line):
                return messages
            if message := _message(line.removesuffix(b"\r"), self._start):
                messages.append(message)
            self._start += len(line) + 1
        if not self._overflows(rest):
            self._rest = rest
        return messages

    def close(self) -> Rest:
        """Take the end of the stream; a last line without its line end is offered as a message."""
        line, self._rest = self._rest, b""
        message = _message(line.removesuffix(b"\r"), self._start)
        return Rest(message, inside=message is not None)

    def _overflows(self, line: bytes) -> bool:
        if len(line) > self._limit:
            self.too_large, self._rest = True, b""
        return self.too_large


def _message(text: bytes, start: int) -> Message | None:
    """Return the text that begins at payload offset `start` as a message, without the stream's BOM; None if blank."""
    said = text if start else text.removeprefix(_BOM)
    return Message(said.decode("utf-8", "replace"), start + len(text)) if said.strip() else None


_OUTSIDE = re.compile(rb'[{}\[\]"]')
_INSIDE = re.compile(rb'["\\]')
_OPENING = re.compile(rb"[{\[]")
_BETWEEN = b" \t\r\n,"
_SPACE = re.compile(rb"[ \t\r\n,]*")


class ConcatenatedJson:
    """JSON objects one after another with nothing, or white space, between them; found by their brackets alone.

    What stands between them and is neither white space nor a comma is a message of its own, which will not decode.
    """

    def __init__(self, limit: int) -> None:
        self.too_large = False
        self.foreign = False
        self._limit = limit
        self._rest = b""
        self._start = 0
        self._at = 0
        """Where in `_rest` the message in hand begins; `_scanned` is how far it was looked at."""
        self._scanned = 0
        self._depth = 0
        self._quoted = False

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the values that they complete."""
        if self.too_large:
            return []
        self._rest += data
        messages: list[Message] = []
        while (end := self._scan()) is not None:
            if self._overflows(end - self._at):
                return messages
            if message := self._message(end):
                messages.append(message)
            self._at = end
        self._rest = self._rest[self._at :]
        self._start += self._at
        self._scanned -= self._at
        self._at = 0
        self._overflows(len(self._rest))
        return messages

    def close(self) -> Rest:
        """Take the end of the stream; a value that was begun cannot be whole, and what is no value is."""
        end = len(self._rest)
        rest = Rest(inside=True) if self._depth else Rest(self._message(end))
        self._rest = b""
        return rest

    def _message(self, end: int) -> Message | None:
        """Return what stands before `end` as a message; None where that is nothing but white space."""
        return _message(self._rest[self._at : end].rstrip(_BETWEEN), self._start + self._at)

    def _overflows(self, size: int) -> bool:
        if size > self._limit:
            self.too_large, self._rest = True, b""
            self._depth = 0
        return self.too_large

    def _scan(self) -> int | None:
        """Return where the message in hand ends, or None where it does not yet."""
        if not self._depth and (opening := self._opening()) != self._at:
            return opening
        while found := (_INSIDE if self._quoted else _OUTSIDE).search(self._rest, self._scanned):
            self._scanned = found.end()
            if self._step(found[0]) and not self._depth:
                return self._scanned
        self._scanned = max(self._scanned, len(self._rest))
        return None

    def _opening(self) -> int | None:
        """Pass over white space, and return where the next value begins; None where none does yet."""
        space = _SPACE.match(self._rest, self._at)
        self._at = space.end() if space else self._at
        opening = _OPENING.search(self._rest, max(self._at, self._scanned))
        self._scanned = opening.start() if opening else len(self._rest)
        return opening.start() if opening else None

    def _step(self, mark: bytes) -> bool:
        """Follow one bracket, quote or escape; True after a closing bracket."""
        if mark == b"\\":
            self._scanned += 1
        elif mark == b'"':
            self._quoted = not self._quoted
        elif mark in b"{[":
            self._depth += 1
        else:
            self._depth -= 1
            return True
        return False


class Raw:
    """Every read is a message: the text of its bytes, with characters kept whole."""

    def __init__(self, limit: int) -> None:
        self.too_large = False
        self.foreign = False
        self._limit = limit
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._end = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return their text."""
        self._end += len(data)
        text = self._decode.decode(data)
        return [Message(text, self._end)] if text else []

    def close(self) -> Rest:
        """Take the end of the stream; a character that was begun is left."""
        return Rest(inside=bool(self._decode.getstate()[0]))
