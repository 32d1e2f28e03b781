"""The simplest protocol: any byte is output, and the target's config has the request."""

from __future__ import annotations

import json

import pytest

from monitor.protocols import Request
from monitor.protocols.raw import RAW
from monitor.stream.events import Message, Output
from monitor.target import Target


@pytest.mark.parametrize("data", ["a", "\n", "data: [DONE]\n\n", '{"error": "no"}', "\ufffd"])
def test_any_byte_is_output(data: str) -> None:
    """Nothing in the bytes has a meaning."""
    assert list(RAW.interpret(Message(data, len(data)))) == [Output(data)]


def test_a_get() -> None:
    """Without a body in the target, the request is a plain GET that accepts any type."""
    target = Target("one", "raw", "http://127.0.0.1/file")
    assert RAW.request(target, "count") == Request("GET", {"Accept": "*/*"})
    assert (RAW.content_types, RAW.asks) == ((), False)


def test_a_post() -> None:
    """With a body in the target, the request is a POST with the prompt filled in."""
    target = Target("one", "raw", "http://127.0.0.1/v020", body={"query": "{prompt}", "n": 1})
    sent = RAW.request(target, "count")
    assert (sent.method, sent.headers["Accept"]) == ("POST", "*/*")
    assert json.loads(sent.body) == {"query": "count", "n": 1}
