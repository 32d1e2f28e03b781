"""Dify as the lab speaks it, after the vendor's documentation."""

from __future__ import annotations

import json

from monitor.lab.dialects.dify import DIALECT, encode
from tests.lab.wires import objects


def test_an_answer() -> None:
    """An event a piece, and the message's end with the counts."""
    answer = encode(("1\n", "2\n"))
    first, second, last = objects(answer.messages)
    assert [first["event"], first["answer"], second["answer"]] == ["message", "1\n", "2\n"]
    assert (last["event"], last["metadata"]["usage"]["completion_tokens"]) == ("message_end", 2)
    assert (answer.output, answer.end, answer.marker) == (range(2), 2, None)


def test_what_a_filter_stops_is_replaced() -> None:
    """By an event of its own, before the end."""
    answer = encode(("1\n",), "content_filter")
    assert [frame["event"] for frame in objects(answer.messages)] == ["message", "message_replace", "message_end"]
    assert (answer.output, answer.end) == (range(1), 2)


def test_a_workflow_ends_beside_the_answer() -> None:
    """It is put into a chat whole, or fails it."""
    assert [frame["event"] for frame in objects([DIALECT.asides["workflow"]])] == [
        "workflow_started",
        "node_started",
        "node_finished",
        "workflow_finished",
    ]
    assert objects([DIALECT.errors["workflow"]])[-1]["data"]["status"] == "failed"
    assert json.loads(DIALECT.whole("1"))["answer"] == "1"
