"""The defaults of a protocol, and the body of a request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from monitor.protocols.base import BEARER, Protocol, Request, filled, json_request, merged
from monitor.stream.events import Event, Message
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

TARGET = Target("one", "echo", "http://127.0.0.1/", body={"user": "u", "options": {"seed": 7}})


def request(target: Target, prompt: str) -> Request:
    """Ask nothing."""
    del target, prompt
    return Request()


def echo(_: Message) -> Iterator[Event]:
    """Say nothing."""
    return iter(())


MERGED = {
    "its own keys": ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    "the target's value wins": ({"a": 1}, {"a": 2}, {"a": 2}),
    "what is not set is left out, however deep": ({"a": None, "b": {"c": None, "d": 1}}, {}, {"b": {"d": 1}}),
    "what is not set, beside what is replaced": ({"a": {"b": None, "c": 1}}, {"a": {"c": 2}}, {"a": {"c": 2}}),
    "tables are merged": ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
    "an empty table replaces": ({"a": {"b": 1}}, {"a": {}}, {"a": {}}),
    "a list replaces": ({"a": [1]}, {"a": [2]}, {"a": [2]}),
    "a table replaces a value": ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    "a value replaces a table": ({"a": {"b": 1}}, {"a": False}, {"a": False}),
    "nothing is not sent": ({"a": None, "b": 1}, {}, {"b": 1}),
    "but null can be asked for": ({"a": 1}, {"a": None}, {"a": None}),
}


@pytest.mark.parametrize(("base", "over", "result"), MERGED.values(), ids=MERGED.keys())
def test_bodies_are_merged(
    base: Mapping[str, object], over: Mapping[str, object], result: Mapping[str, object]
) -> None:
    """The target's own body is merged over the protocol's, table by table."""
    assert merged(base, over) == result


def test_a_prompt_is_filled_in() -> None:
    """`{prompt}` is replaced by the prompt in every string, at any depth, and nowhere else."""
    body = {"a": "say {prompt}!", "b": [{"c": "{prompt}"}, ("{prompt}", 1)], "d": 2, "{prompt}": None}
    assert filled(body, "hi") == {"a": "say hi!", "b": [{"c": "hi"}, ["hi", 1]], "d": 2, "{prompt}": None}


def test_a_json_request() -> None:
    """A POST of JSON, with the target's own body merged in, that asks for an event stream."""
    sent = json_request({"model": None, "user": "x", "options": {"top": 1}}, TARGET)
    assert (sent.method, dict(sent.headers)) == (
        "POST",
        {"Content-Type": "application/json", "Accept": "text/event-stream"},
    )
    assert json.loads(sent.body) == {"user": "u", "options": {"top": 1, "seed": 7}}


def test_a_protocol_by_default() -> None:
    """A protocol declares an end and no marker, is an event stream, and takes a bearer token and a prompt."""
    plain = Protocol("echo", ServerSentEvents, request, echo)
    assert (plain.end, plain.marker, plain.early, plain.asks) == (True, False, False, True)
    assert (plain.content_types, plain.auth) == (("text/event-stream",), BEARER)
    assert BEARER.form.format("key") == "Bearer key"
    assert request(TARGET, "") == Request("POST", {}, b"")
