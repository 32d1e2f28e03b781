"""The plainest probe: the bytes of any HTTP response, their gaps and the wire's end."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request
from monitor.stream.events import Event, Message, Output
from monitor.stream.raw import Raw
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Send the target's own `body` as JSON, with `{prompt}` in its strings filled in; a GET where it has none."""
    if not target.body:
        return Request("GET", {"Accept": "*/*"})
    return json_request({}, target, accept="*/*", prompt=prompt)


def interpret(message: Message) -> Iterator[Event]:
    """Take any byte as output."""
    yield Output(message.data)


RAW = Protocol(
    name="raw",
    framing=Raw,
    request=request,
    interpret=interpret,
    end=False,
    content_types=(),
    asks=False,
    asked_at="any URL",
    note="`body` is sent, with `{prompt}` filled in",
    example="chatchat/mini_v020",
    dialect="monitor.lab.dialects.raw:DIALECT",
)
