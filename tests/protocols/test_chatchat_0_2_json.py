"""Langchain-Chatchat 0.2.7 and 0.2.8, and its older knowledge bases: objects with nothing between them."""

from __future__ import annotations

import json

import pytest

from monitor.protocols import Decoder
from monitor.protocols.chatchat_0_2_json import CHATCHAT_0_2_JSON
from monitor.stream.events import Event, Failure, Fault, Malformed, Meta, Output, Partial
from monitor.target import Target

BROKEN = Malformed("not JSON, or a value out of range")
STREAMS: dict[str, tuple[str, list[Event]]] = {
    "chat": ('{"text": "a", "message_id": "m1"}{"text": " b", "message_id": "m1"}', [Output("a"), Output(" b")]),
    "knowledge base, documents with every piece": ('{"answer": "a", "docs": ["d1"]}', [Output("a")]),
    "knowledge base, documents last": ('{"answer": "a"}{"docs": ["d1"]}', [Output("a"), Meta()]),
    "one object a line": ('{"text": "a"}\r\n{"text": "b"}\r\n', [Output("a"), Output("b")]),
    "half an object": ('{"text": "a"}{"text": "b', [Output("a"), Partial()]),
    "words between": ('{"text": "a"}oops{"text": "b"}', [Output("a"), BROKEN, Output("b")]),
    "words at the end": ('{"text": "a"}Internal Server Error', [Output("a"), BROKEN]),
    "another object": ('{"code": 404, "msg": "no"}', [Failure(Fault.NOT_FOUND, "no", None, "404")]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_streams(data: str, events: list[Event]) -> None:
    """Objects are separated by their brackets alone, and text that is not an object does not decode."""
    decoder = Decoder(CHATCHAT_0_2_JSON, event_bytes=1000, events=1000)
    assert [event for event, _ in decoder.feed(data.encode()) + decoder.close()] == events


def test_the_request() -> None:
    """The request is that of later releases."""
    target = Target("one", "chatchat-0.2-json", "http://127.0.0.1/", model="m", body={"knowledge_base_name": "mon"})
    body = json.loads(CHATCHAT_0_2_JSON.request(target, "count").body)
    assert (body["query"], body["stream"], body["knowledge_base_name"]) == ("count", True, "mon")
