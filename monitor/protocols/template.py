"""Decodes server-sent events that differ from an earlier one only in the text of its output, without parsing them.

Most servers repeat everything but the text in each chunk. What surrounds the text is the template: an event with the
same bytes before and after it is the same JSON document with another string in one place. Events that differ in
anything else (an id, a time, a number, an escape) do not match, and are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from monitor.stream.events import Event, Output, Part
from monitor.stream.sse import ServerSentEvents

Events = list[tuple[Event, int]]
"""Events, each with the payload offset of its last byte."""

_PLAIN = re.compile(rb'[^"\\\x00-\x1f]+')
"""The inside of a JSON string that stands for itself and cannot end its string, its line or its event."""
_TRIES = 4
"""How many events in a row are examined in vain: some servers number each event, or add random padding."""


class EventTemplate:
    """The template of one stream's events, taken from the last event that was examined.

    `decode` returns the events in bytes that are a whole stream; none unless it is one message and nothing else.
    `framer` is the stream's own. `longest` is the most bytes of an event that is decoded here.
    """

    __slots__ = ("_after", "_before", "_choice", "_decode", "_framer", "_longest", "_part", "_tail", "_tries")

    def __init__(self, decode: Callable[[bytes], Events], framer: ServerSentEvents, longest: int) -> None:
        self._decode, self._framer, self._longest = decode, framer, longest
        self._before = self._after = b""
        self._part: Part
        self._choice: int
        self._tail: int
        """Bytes after the event's end: its line ends. The three have values if `_after` is not empty."""
        self._tries = _TRIES

    def read(self, data: bytes) -> tuple[Output, int] | None:
        """Take `data` if it is one event of the template, and return its output with its offset; else return None."""
        before, after = self._before, self._after
        if not (after and data.startswith(before) and data.endswith(after)):
            return None
        text = data[len(before) : -len(after)]
        if _PLAIN.fullmatch(text) is None or len(data) > self._longest or self._framer.held:
            return None
        try:
            output = Output(text.decode(), self._part, self._choice)
        except UnicodeDecodeError:
            return None
        self._tries = _TRIES
        return output, self._framer.skip(len(data)) - self._tail

    def learn(self, data: bytes, output: Output) -> None:
        """Make a template of `data`, which has decoded to `output`, if it is one event with the text in one place.

        It is proven by another text in that place, which must decode to the same output with that text.
        """
        inside = b'"%b"' % output.text.encode("utf-8", "replace")
        if not self._tries or data.count(inside) != 1 or not data.endswith(b"\n"):
            return
        self._tries -= 1
        start = data.index(inside) + 1
        before, after = data[:start], data[start + len(inside) - 2 :]
        other = Output(f"{output.text}.", output.part, output.choice)
        sample = b"%b%b%b" % (before, other.text.encode("utf-8", "replace"), after)
        match self._decode(sample):
            case [(found, end)] if found == other:
                self._before, self._after, self._tail = before, after, len(sample) - end
                self._part, self._choice = output.part, output.choice
