"""A framing without messages: every read is the text of its bytes."""

from __future__ import annotations

import codecs

from monitor.stream.events import Message
from monitor.stream.framing import Framer, Rest


class Raw(Framer):
    """Every read is a message: the text of its bytes, with characters kept whole."""

    held = 0

    def __init__(self, limit: int) -> None:
        del limit  # a message is one read
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._end = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return their text."""
        self._end += len(data)
        text = self._decode.decode(data)
        return [Message(text, self._end)] if text else []

    def close(self) -> Rest:
        """Take the end of the stream; an unfinished character is the rest."""
        return Rest(inside=bool(self._decode.getstate()[0]))
