"""One message a line, and lines of JSON objects as NDJSON has them."""

from __future__ import annotations

from monitor.stream.events import Message
from monitor.stream.framing import PIECE_BYTES, Framer, Rest, text_message


class Lines(Framer):
    """A framer of lines; blank lines and a byte order mark are skipped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        """The pieces of the unfinished line: joined once, when its end comes."""
        self._held = 0
        self._start = 0

    @property
    def held(self) -> int:
        """About how many bytes of memory the unfinished line takes."""
        return self._held + PIECE_BYTES * len(self._pieces)

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the lines that they complete."""
        *ended, rest = data.split(b"\n")
        messages: list[Message] = []
        for piece in ended:
            if self._overflows(self._held + len(piece)):
                return messages
            line = self._joined(piece)
            if message := text_message(line.removesuffix(b"\r"), self._start):
                messages.append(message)
            self._start += len(line) + 1
        if rest and not self._overflows(self._held + len(rest)):
            self._pieces.append(rest)
            self._held += len(rest)
        return messages

    def close(self) -> Rest:
        """Take the end of the stream; a last line without its line end is offered as a message."""
        message = text_message(self._joined(b"").removesuffix(b"\r"), self._start)
        return Rest(message, inside=message is not None)

    def _joined(self, last: bytes) -> bytes:
        """Return the line that ends with this piece."""
        if not self._pieces:
            return last
        line = b"".join((*self._pieces, last))
        self._pieces, self._held = [], 0
        return line

    def _overflows(self, line: int) -> bool:
        """Whether a line of this many bytes exceeds the limit; it is then dropped."""
        if line > self._limit:
            self.too_large, self._pieces = True, []
        return self.too_large


class JsonLines(Lines):
    """A framer of lines that are JSON objects: a last line that does not begin like one is not half of one."""

    def close(self) -> Rest:
        """Take the end of the stream; a last line without its line end is offered as a message."""
        rest = super().close()
        return rest._replace(inside=rest.message is not None and rest.message.data.lstrip().startswith("{"))
