"""What a protocol is: one record of data and two pure functions; and what most of them need to make a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from monitor.stream.events import Event, Message
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
