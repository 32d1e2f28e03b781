"""OpenAI's responses as the lab speaks them."""

from __future__ import annotations

import json

from monitor.lab.dialects.openai_responses import DIALECT, encode


def test_an_answer() -> None:
    """Every event is numbered and named by its type, and the last one holds the whole."""
    answer = encode((" the", " sea"))
    frames = [json.loads(message.split(b"data: ")[1]) for message in answer.messages]
    assert [frame["sequence_number"] for frame in frames] == list(range(6))
    assert all(
        f"event: {frame['type']}\n".encode() in message for frame, message in zip(frames, answer.messages, strict=True)
    )
    assert [frames[index]["delta"] for index in answer.output] == [" the", " sea"]
    assert frames[5]["response"]["output"][0]["content"][0]["text"] == " the sea"
    assert (answer.end, answer.marker) == (5, None)


def test_an_incomplete_one_says_why() -> None:
    """By a state of its own."""
    assert b'"type":"response.incomplete"' in encode(("a",), "length").messages[-1]
    assert b'"max_output_tokens"' in encode(("a",), "length").messages[-1]


def test_errors_are_a_state_or_an_event() -> None:
    """Both are sent in its streams."""
    assert DIALECT.errors["overloaded"].startswith(b"event: response.failed\n")
    assert DIALECT.errors["event"].startswith(b"event: error\n")
