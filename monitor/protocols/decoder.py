"""Runs one protocol over one stream: bytes in, events out; the end of the stream is an input."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import get_args

import msgspec

from monitor.protocols.base import MARKER, Protocol
from monitor.protocols.outside import Outside
from monitor.protocols.stream_errors import named_error
from monitor.protocols.template import Events, EventTemplate
from monitor.stream.events import Done, Event, Malformed, Message, Meta, Output, Partial
from monitor.stream.framing import BOM
from monitor.stream.sse import ServerSentEvents

_PINGS = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})
"""Names of events that are pings, with any data."""
_SHORT = 16
"""The most characters of a marker with white space around it."""
_FEW = 10
"""The most events of a sample that should have one."""
MOST_VALUES = 100_000
"""Objects, lists and their elements in one message."""
_JSON = ("{", "[", '"')
_EVENTS = frozenset(get_args(Event))
"""The classes of events: a lookup takes a fifth of the time of `isinstance`."""


class InterpretError(RuntimeError):
    """A protocol's `interpret` returned something that is not an event: a bug of the protocol, not of the target."""


class Decoder:
    """Runs one protocol over one stream; the only stateful part of decoding.

    `too_large` names the limit that was exceeded; then nothing more is decoded. `outside` has the text outside
    the protocol's framing, and messages that are not JSON. Without `templates` every message is parsed.
    """

    def __init__(self, protocol: Protocol, *, event_bytes: int, events: int, templates: bool = True) -> None:
        self.too_large: str | None = None
        self.outside = Outside()
        self._protocol = protocol
        self._framer = protocol.framing(event_bytes)
        self._event_bytes = event_bytes
        self._left = events
        self._template: EventTemplate | None = None
        if templates and protocol.opaque and isinstance(self._framer, ServerSentEvents):
            self._template = EventTemplate(
                partial(_decoded_alone, protocol), self._framer, min(event_bytes, MOST_VALUES)
            )
        self._framed = False
        self._broken = False
        self._end = 0

    @property
    def held(self) -> int:
        """About how many bytes the message takes that is not whole yet."""
        return self._framer.held

    def feed(self, data: bytes) -> Events:
        """Return the events that `data` completes, each with the payload offset of its last byte."""
        if self.too_large is not None:
            return []
        self._end += len(data)
        if self._template is not None and self._left > 0 and (piece := self._template.read(data)) is not None:
            self._left -= 1
            return [piece]
        found: Events = []
        for message in self._framer.feed(data):
            if self._left <= 0:
                self.too_large = "too many events"
                return found
            if _crowded(message):
                self.too_large = f"an event of more than {MOST_VALUES} values"
                return found
            before = len(found)
            self._read(message, found)
            self._left -= max(len(found) - before, 1)
        if self._framer.broken:
            self._report_broken(found)
        if self._framer.too_large:
            self.too_large = f"an event of more than {self._event_bytes} bytes"
        if self._template is not None and len(found) == 1 and isinstance(output := found[0][0], Output):
            self._template.learn(data, output)
        return found

    def close(self) -> Events:
        """Take the end of the stream: return the events of its unterminated rest, and a Partial for it."""
        found: Events = []
        if self.too_large is not None:
            return found
        rest, unseparated = self._framer.close(), False
        self._report_broken(found)
        if rest.message is not None and rest.message.data and not _crowded(rest.message):
            unseparated = not self._framed and self._unseparated(rest.message)
            self._read(rest.message, found)
        if rest.inside and not unseparated:
            whole = bool(found) and not any(isinstance(event, Malformed) for event, _ in found)
            found = [*(found if whole else ()), (Partial(parsed=whole), self._end)]
        if rest.outside is not None:
            self._read(rest.outside, found)
        if self._framer.foreign and not self._framed:
            why = "nothing in it has the protocol's framing"
            found.append((Malformed(why, framed=False), self._end))
        return found

    def _unseparated(self, message: Message) -> bool:
        """Whether a message is several without separators: its first line decodes by itself."""
        first, line_end, _ = message.data.partition("\n")
        return bool(line_end) and self._readable(first)

    def _report_broken(self, found: Events) -> None:
        """Report once that the framing is broken; the framer ignores all that follows."""
        if self._framer.broken and not self._broken:
            self._broken = True
            found.append((Malformed(self._framer.broken, body=True), self._framer.broken_at))

    def _read(self, message: Message, found: Events) -> None:
        if message.outside:
            if (failure := self.outside.take(message.data, self._readable)) is not None:
                found.append((failure, message.end))
            return
        if message.comment or not message.data or message.name in _PINGS:  # empty events are also keep-alives
            found.append((Meta(ping=True), message.end))
            return
        self._framed = True
        if message.name == "error":
            found.append((named_error(message.data), message.end))
        else:
            self._interpret(message, found)

    def _interpret(self, message: Message, found: Events) -> None:
        marks = len(message.data) < _SHORT and message.data.strip() == MARKER  # gateways append it to any protocol
        try:
            events = self._protocol.interpret(message)
            if type(events) is not tuple and not isinstance(events, Iterable):
                raise InterpretError(f"{self._protocol.name}: interpret returned {type(events).__name__}, not events")
            for event in events:
                if type(event) not in _EVENTS:
                    raise InterpretError(f"{self._protocol.name}: {type(event).__name__} is not an event")
                found.append((event, message.end))
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            marks = marks or message.data.lstrip().startswith(MARKER)
            if not marks:
                found.append((self._malformed(message, error), message.end))
                if self.outside.goes_on(message.data):
                    joined = self.outside.take(message.data, self._readable)
                    found.extend([] if joined is None else [(joined, message.end)])
        if marks and not (found and found[-1] == (Done(), message.end)):
            found.append((Done(), message.end))

    def _malformed(self, message: Message, error: Exception) -> Malformed:
        of_an_object = message.data.lstrip().startswith(_JSON) or self.outside.goes_on(message.data)
        if isinstance(error, ValueError) and not of_an_object:
            self.outside.keep(message.data)
        return Malformed(_why(error))

    def _readable(self, text: str) -> bool:
        """Whether the protocol could decode a text if it were framed."""
        try:
            found = list(self._protocol.interpret(Message(text, 0)))
        except (KeyError, ValueError, TypeError, RecursionError):
            return text.lstrip().startswith(MARKER)
        return not all(isinstance(event, Meta) and event.foreign for event in found)


def _decoded_alone(protocol: Protocol, data: bytes) -> Events:
    """Return the events of a whole stream that consists of `data`; none unless it is one message and nothing else.

    A line outside the framing changes more than the events, the rest of a next event would be lost if it were left
    out, and a byte order mark is one only at the start.
    """
    decoder = Decoder(protocol, event_bytes=len(data), events=_FEW, templates=False)
    found = decoder.feed(data)
    alone = decoder._left == _FEW - 1 and not decoder.held and not data.startswith(BOM)  # noqa: SLF001 - its own
    return found if alone else []


def _crowded(message: Message) -> bool:
    """Whether a message may hold more values than are read: as JSON they take many times its bytes, and long."""
    text = message.data
    return len(text) > MOST_VALUES and sum(map(text.count, "{[,")) > MOST_VALUES


def _why(error: Exception) -> str:
    """Return what is wrong in our words, without text of the server."""
    match error:
        case KeyError():
            return f"no key {error.args[0]!r}" if error.args and isinstance(error.args[0], str) else "a missing key"
        case RecursionError():
            return "nested too deeply"
        case msgspec.DecodeError() | UnicodeError():
            return "no JSON"
        case ValueError():
            return "not JSON, or a value out of range"
        case _:
            return "a value of another type"
