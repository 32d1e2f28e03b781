"""Langchain-Chatchat 0.3 chat as the lab speaks it, against a real capture."""

from __future__ import annotations

import json

import pytest

from monitor.lab.dialects.chatchat import DIALECT, encode, whole
from tests.lab.wires import objects

CAPTURE = (
    b'data: {"id":"chatcmpl-fake1","choices":[{"delta":{"content":" the","function_call":null,"refusal":null,'
    b'"role":null,"tool_calls":null},"finish_reason":null,"index":0,"logprobs":null}],"created":1700000000,'
    b'"model":"ok","object":"chat.completion.chunk","service_tier":null,"system_fingerprint":null,"usage":null,'
    b'"message_id":null,"status":null}\r\n\r\n'
)


def test_an_answer() -> None:
    """The first delta is empty and carries the role, the last one a finish reason; there is no marker."""
    answer = encode((" the",))
    first, _, last = (one["choices"][0] for one in objects(answer.messages))
    assert (first["delta"]["content"], first["delta"]["role"]) == ("", "assistant")
    assert (last["delta"]["content"], last["finish_reason"]) == (None, "stop")
    assert (answer.output, answer.end, answer.marker) == (range(1, 2), 2, None)


def test_a_frame_to_the_byte() -> None:
    """As a real server sent it, but for the names of completion and model."""
    real = CAPTURE.replace(b"chatcmpl-fake1", b"chatcmpl-lab").replace(b'"model":"ok"', b'"model":"lab"')
    assert encode((" the",)).messages[1] == real


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            "auth",
            (
                "Error code: 401 - {'error': {'message': 'Incorrect API key provided', "
                "'type': 'invalid_request_error', 'code': 'invalid_api_key'}}"
            ),
        ),
        ("other", "the dice fell badly"),
        ("upstream", "peer closed connection without sending complete message body (incomplete chunked read)"),
        ("empty", ""),
    ],
)
def test_errors_are_texts(kind: str, text: str) -> None:
    """In the words of its client library, and sometimes in none."""
    assert DIALECT.errors[kind] == f"data: {json.dumps({'error': text})}\r\n\r\n".encode()


def test_no_stream() -> None:
    """A completion with the text."""
    assert json.loads(whole("a"))["choices"][0]["message"]["content"] == "a"
