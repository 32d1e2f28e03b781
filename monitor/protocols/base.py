"""The definition of a protocol, one record of data and two pure functions, and helpers to make requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from monitor.stream.events import Event, Message
from monitor.stream.framing import Framer
from monitor.stream.lines import Lines
from monitor.stream.recording import EndRule
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target, Terminator

EVENT_STREAM = ("text/event-stream",)
MARKER = "[DONE]"
ASKS_FOR_A_MARKER = frozenset({Terminator.MARKER, Terminator.EITHER, Terminator.BOTH})


@dataclass(frozen=True, slots=True)
class Request:
    """The request, without the headers that the probe adds (its key, its id)."""

    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Auth(NamedTuple):
    """The header for the key, and its format."""

    header: str = "Authorization"
    form: str = "Bearer {}"


BEARER = Auth()


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol: data, and two pure functions.

    `interpret` decodes one message; text that is not JSON raises ValueError, a container of another type TypeError. The
    decoder handles an event named `error`, pings by name, and a `[DONE]` that `interpret` does not handle.
    `end`, `marker` and `early` declare what makes a stream complete (see EndRule).
    `content_types` are the media types of the protocol's streams; empty for any.
    `asks` is False if no prompt can be sent.
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
    needs: tuple[str, ...] = ()
    """Keys of the target's `body` that the server requires."""
    paths: tuple[str, ...] = ()
    """Suffixes of the protocol's URL paths, by which the protocol of a URL is found; `*` is any one segment."""
    asked_at: str = ""
    """Its endpoints and servers, for the docs."""
    complete_when: str = "nothing declares it"
    """What makes a stream complete, for the docs."""
    note: str = ""
    """Remarks for users, for the docs."""
    example: str = ""
    """A capture of a whole stream: its file in tests/captures, without the suffix."""
    dialect: str = ""
    """The lab's side of it: `package.module:NAME` of a `monitor.lab.dialects.base.Dialect`, which the lab imports."""
    choices: str = ""
    """The dotted body key that requests several answers at once: each has its own index in the stream."""
    parts: bool = False
    """The indices of its events are parts of one answer, and each that was begun has to end."""
    opaque: bool = False
    """`interpret` returns the text of an output as the message has it, whatever that is, and keeps no state."""

    configure: Callable[[Target], Protocol] | None = None
    """Makes the protocol for one target and one stream from the target's keys."""
    remark: Callable[[], str] | None = None
    """Returns a remark for the detail of a decoded stream, in our words; "" for none."""

    def of(self, target: Target) -> Protocol:
        """Return the protocol for a target."""
        return self if self.configure is None else self.configure(target)

    @property
    def takes_marker(self) -> bool:
        """Whether a target may require a marker: the protocol's own, or `[DONE]` if the framing supports it."""
        return self.marker or (isinstance(self.framing, type) and issubclass(self.framing, ServerSentEvents | Lines))

    def end_rule(self, terminator: Terminator = Terminator.END, choices: int = 1) -> EndRule:
        """Return what counts as the end of a stream, from this declaration and the target's settings."""
        marker = self.marker or (self.takes_marker and terminator in ASKS_FOR_A_MARKER)
        return EndRule(
            terminator=terminator if self.end or marker else Terminator.NONE,
            declares_end=self.end,
            declares_marker=marker,
            early=self.early,
            choices=choices,
            parts=self.parts,
        )


def one_message(target: Target, prompt: str) -> dict[str, object]:
    """Return the body of a streamed chat with one user message, with the keys that most protocols share."""
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

    With `prompt`, it replaces `{prompt}` in any string of the target's body.
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
    """Return `body` with `{prompt}` replaced in its strings, at any depth."""
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
