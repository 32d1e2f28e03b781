"""The shape that every protocol has, and the decoder that runs one: bytes in, events out, end of stream an input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from monitor.stream.events import Event, Malformed, Message, Meta, Partial
from monitor.stream.framing import Framer
from monitor.target import Target

EVENT_STREAM = ("text/event-stream",)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, but for the headers that are the probe's to add (its key, its id)."""

    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Auth(NamedTuple):
    """Which header carries the key, and how."""

    header: str = "Authorization"
    form: str = "Bearer {}"


BEARER = Auth()


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way to ask and to read: data, and two pure functions.

    `interpret` reads one message; a shape that the protocol does not have raises KeyError, ValueError or TypeError.
    `end`, `marker` and `early` declare what says that a stream is complete (see timeline.EndRule).
    `content_types` are the media types that the protocol's stream has; empty for any.
    `asks` is False where no prompt can be sent.
    """

    name: str
    framing: Callable[[int], Framer]
    request: Callable[[Target, str], Request]
    interpret: Callable[[Message], Iterable[Event]]
    end: bool = True
    marker: bool = False
    early: bool = False
    content_types: tuple[str, ...] = EVENT_STREAM
    auth: Auth = BEARER
    asks: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    """What the URL's query has to say for a stream of this kind to come."""
    needs: tuple[str, ...] = ()
    """Keys of the target's `body` without which the server refuses the request."""
    choices: str = ""
    """Key of the request's body that asks for several answers at once; for protocols with a marker, which says that
    no more will come where a server sends fewer."""


def one_message(target: Target, prompt: str) -> dict[str, object]:
    """Return the body of a streamed chat of one user message, in the words that most protocols share."""
    return {
        "model": target.model,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
        "max_tokens": target.max_tokens,
        "temperature": target.temperature,
    }


def json_request(
    body: Mapping[str, object], target: Target, *, accept: str = "text/event-stream", prompt: str | None = None
) -> Request:
    """Return a POST of `body` with the target's own `body` merged into it, its values last.

    With `prompt`, `{prompt}` in any string of the target's body stands for it.
    """
    own = target.body if prompt is None else filled(target.body, prompt)
    headers = {"Content-Type": "application/json", "Accept": accept}
    return Request("POST", headers, msgspec.json.encode(merged(body, own)))


def merged(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Return `base` without its None values, with `over` merged in table by table; an empty table replaces."""
    result: dict[str, object] = {
        key: merged(value, {}) if isinstance(value, Mapping) else value
        for key, value in base.items()
        if value is not None
    }
    for key, value in over.items():
        known = result.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping) and value:
            result[key] = merged(known, value)
        else:
            result[key] = value
    return result


def filled(body: Mapping[str, object], prompt: str) -> dict[str, object]:
    """Return `body` with `{prompt}` in its strings replaced, however deep."""
    return {key: _fill(value, prompt) for key, value in body.items()}


def _fill(value: object, prompt: str) -> object:
    match value:
        case str():
            return value.replace("{prompt}", prompt)
        case Mapping():
            return filled(value, prompt)
        case list() | tuple():
            return [_fill(item, prompt) for item in value]
        case _:
            return value


class Decoder:
    """Runs one protocol over one stream; the only stateful part of decoding.

    `too_large` says in our words which cap was passed; from then on nothing more is read.
    """

    def __init__(self, protocol: Protocol, *, event_bytes: int, events: int) -> None:
        self.too_large: str | None = None
        self._protocol = protocol
        self._framer = protocol.framing(event_bytes)
        self._event_bytes = event_bytes
        self._left = events
        self._framed = False
        self._end = 0

    def feed(self, data: bytes) -> list[tuple[Event, int]]:
        """Return the events that `data` completes, each with the payload offset of its last byte."""
        found: list[tuple[Event, int]] = []
        if self.too_large is not None:
            return found
        self._end += len(data)
        for message in self._framer.feed(data):
            if not self._left:
                self.too_large = "too many events"
                return found
            self._read(message, found)
        if self._framer.too_large:
            self.too_large = f"an event of more than {self._event_bytes} bytes"
        return found

    def close(self) -> list[tuple[Event, int]]:
        """Take the end of the stream: return what its unterminated rest still says, and that it was left."""
        found: list[tuple[Event, int]] = []
        if self.too_large is not None:
            return found
        rest = self._framer.close()
        if rest.message is not None and rest.message.data:
            self._read(rest.message, found)
        if rest.inside:
            whole = bool(found) and not any(isinstance(event, Malformed) for event, _ in found)
            found = [*(found if whole else ()), (Partial(parsed=whole), self._end)]
        if self._framer.foreign and not self._framed:
            why = "none of it is framed as the protocol frames its messages"
            found.append((Malformed(why, framed=False), self._end))
        return found

    def _read(self, message: Message, found: list[tuple[Event, int]]) -> None:
        self._left -= 1
        if message.comment or not message.data:  # some keep a connection alive with empty events
            found.append((Meta(ping=True), message.end))
            return
        self._framed = True
        try:
            for event in self._protocol.interpret(message):
                found.append((event, message.end))  # noqa: PERF401 - what came before an error is kept
        except (KeyError, ValueError, TypeError) as error:
            found.append((Malformed(_why(error)), message.end))


def _why(error: Exception) -> str:
    """Say in our words what was wrong: the server's own text stays out."""
    match error:
        case KeyError():
            return f"no key {error.args[0]!r}" if error.args and isinstance(error.args[0], str) else "a missing key"
        case msgspec.DecodeError() | UnicodeError():
            return "no JSON"
        case ValueError():
            return "no JSON, or a value out of range"
        case _:
            return "a value of another type"
