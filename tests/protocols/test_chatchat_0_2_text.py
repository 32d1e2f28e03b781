"""Langchain-Chatchat 0.2.0 to 0.2.6: the bytes are the answer."""

from __future__ import annotations

import json

from monitor.protocols.chatchat_0_2_text import CHATCHAT_0_2_TEXT
from monitor.stream.events import Message, Output
from monitor.target import Target


def test_any_text_is_output() -> None:
    """Whatever it looks like."""
    assert list(CHATCHAT_0_2_TEXT.interpret(Message("data: a\n\n", 9))) == [Output("data: a\n\n")]


def test_the_request() -> None:
    """The request is that of later releases."""
    target = Target("one", "chatchat-0.2-text", "http://127.0.0.1/", model="m", body={"history": [1]})
    body = json.loads(CHATCHAT_0_2_TEXT.request(target, "count").body)
    assert (body["query"], body["stream"], body["history"]) == ("count", True, [1])
