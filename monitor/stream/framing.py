"""The interface of framings: they divide a stream of bytes into messages, independent of how the network split it.

A framer buffers at most one unfinished message of `limit` bytes: above that `too_large` is set and the rest is
ignored. End of data is an input: `close` gives what was left. Offsets count payload bytes from the stream's start.
Every framer takes time linear in the number of bytes, even if the reads are small.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple, Protocol

from monitor.stream.events import Message

BOM = codecs.BOM_UTF8


class Rest(NamedTuple):
    """The rest when the stream stopped.

    `message` is the rest as a message: try to decode it. `inside` says that the message is incomplete; if it is
    False, the message is whole.
    """

    message: Message | None = None
    inside: bool = False
    outside: Message | None = None
    """A last line that is not part of the framing."""


PIECE_BYTES = 64
"""What a piece of a message takes besides its bytes: an object, and its place in a list."""


class Framer(Protocol):
    """The interface of a framing. A framer sets an attribute only if its framing can fail in that way."""

    too_large: bool = False
    foreign: bool = False
    """Bytes that cannot be part of this framing came and were ignored."""
    broken: str = ""
    """Why the framing cannot be read further (a wrong checksum or length), in our words."""
    broken_at: int = 0
    """The payload offset at which it broke."""

    @property
    def held(self) -> int:
        """About how many bytes of memory the unfinished message takes."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the messages that they complete."""

    def close(self) -> Rest:
        """Take the end of the stream and return what was left."""


def text_message(text: bytes, start: int) -> Message | None:
    """Return the text that begins at payload offset `start` as a message, without the stream's BOM; None if blank."""
    content = text if start else text.removeprefix(BOM)
    return Message(content.decode("utf-8", "replace"), start + len(text)) if content.strip() else None
