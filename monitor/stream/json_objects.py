"""JSON objects one after another with nothing, white space or a comma between them."""

from __future__ import annotations

import re

from monitor.stream.events import Message
from monitor.stream.framing import BOM, Framer, Rest, text_message

OUTSIDE = re.compile(rb'[{}\[\]"]')
INSIDE = re.compile(rb'["\\]')
OPENING = re.compile(rb"[{\[]")
_BETWEEN = b" \t\r\n,"
_SPACE = re.compile(rb"[ \t\r\n,]*")
_BLANK = BOM + b" \t\r\n"


class ConcatenatedJson(Framer):
    """A framer of concatenated JSON; values are found by their brackets alone.

    Anything between them other than white space and commas is a separate message, which will not decode.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._start = 0
        self._at = 0
        """The start of the current message in `_rest`; `_scanned` is how far it was scanned."""
        self._scanned = 0
        self._depth = 0
        self._quoted = False

    @property
    def held(self) -> int:
        """How many bytes of memory the unfinished value takes."""
        return len(self._rest)

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
        del self._rest[: self._at]
        self._start += self._at
        self._scanned -= self._at
        self._at = 0
        self._overflows(len(self._rest))
        return messages

    def close(self) -> Rest:
        """Take the end of the stream; a value that was begun is incomplete, any other text is complete."""
        end = len(self._rest)
        rest = Rest(inside=True) if self._depth else Rest(self._message(end))
        self._rest.clear()
        return rest

    def _message(self, end: int) -> Message | None:
        """Return the text before `end` as a message; None if it is only white space."""
        return text_message(bytes(self._rest[self._at : end]).rstrip(_BETWEEN), self._start + self._at)

    def _overflows(self, size: int) -> bool:
        if size > self._limit:
            self.too_large = True
            self._rest.clear()
            self._depth = 0
        return self.too_large

    def _scan(self) -> int | None:
        """Return the end of the current message, or None if it is incomplete."""
        if not self._depth and (opening := self._opening()) != self._at:
            return opening
        while found := (INSIDE if self._quoted else OUTSIDE).search(self._rest, self._scanned):
            self._scanned = found.end()
            if self._step(found[0]) and not self._depth:
                return self._scanned
        self._scanned = max(self._scanned, len(self._rest))
        return None

    def _opening(self) -> int | None:
        """Skip white space, and return the start of the next value; None if there is none yet."""
        space = _SPACE.match(self._rest, self._at)
        self._at = space.end() if space else self._at
        opening = OPENING.search(self._rest, max(self._at, self._scanned))
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


class JsonArray(ConcatenatedJson):
    """A framer of the elements of one array: each is a message when it ends, and the array must be closed.

    A body that is not an array is read as concatenated JSON.
    """

    def __init__(self, limit: int, start: int = 0) -> None:
        super().__init__(limit)
        self._start = start
        self._begun = False
        self._open = False

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the elements that they complete."""
        if not self._begun and data:
            rest = data.lstrip(_BLANK)
            self._begun, self._open = bool(rest), rest[:1] == b"["
            self._start += len(data) - len(rest) + self._open
            data = rest[self._open :]
        return super().feed(data)

    def close(self) -> Rest:
        """Take the end of the stream; an array that is not closed is incomplete."""
        rest = super().close()
        return Rest(rest.message, inside=True) if self._open else rest

    def _opening(self) -> int | None:
        """Skip white space, commas and the bracket that closes the array."""
        found = super()._opening()
        if self._open and self._rest[self._at : self._at + 1] == b"]":
            self._open = False
            self._rest[self._at] = ord(",")
            return super()._opening()
        return found
