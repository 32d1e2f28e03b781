"""What every framing offers: a stream of bytes is cut into messages, however the network cut it.

A framer holds the bytes of at most one unfinished message, `limit` of them: past that `too_large` is set and the rest
ignored. End of data is an input: `close` gives what was left. Offsets count payload bytes from the stream's start.
Every framer takes time linear in the bytes it reads, however small the reads are.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple, Protocol

from monitor.stream.events import Message

BOM = codecs.BOM_UTF8


class Rest(NamedTuple):
    """What was left when the stream stopped.

    `message` is what it would be if it were whole: try it. `inside` says that bytes of a message were left; if it is
    False, the message is whole.
    """

    message: Message | None = None
    inside: bool = False
    outside: Message | None = None
    """A last line that the framing does not have."""


PIECE_BYTES = 64
"""What a piece of a message takes besides its bytes: an object, and its place in a list."""


class Framer(Protocol):
    """What every framing offers."""

    too_large: bool
    foreign: bool
    """Bytes came that this framing never has, and were passed over."""
    broken: str
    """Why nothing more can be taken out of this framing (a checksum or a length that is wrong), in our words."""
    broken_at: int
    """The payload offset at which that is known."""

    @property
    def held(self) -> int:
        """About how many bytes of memory the unfinished message takes."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the messages that they complete."""

    def close(self) -> Rest:
        """Take the end of the stream and return what was left."""


def text_message(text: bytes, start: int) -> Message | None:
    """Return the text that begins at payload offset `start` as a message, without the stream's BOM; None if blank."""
    said = text if start else text.removeprefix(BOM)
    return Message(said.decode("utf-8", "replace"), start + len(text)) if said.strip() else None
