"""OpenAI's chat as the lab speaks it."""

from __future__ import annotations

import json

from monitor.lab.dialects.openai_chat import DIALECT, encode, whole
from tests.lab.wires import objects


def test_an_answer() -> None:
    """Role frame, deltas, finish reason, usage frame without choices, marker."""
    answer = encode(("a", "b"))
    role, first, second, finish, usage = objects(answer.messages)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [one["choices"][0]["delta"] for one in (first, second)] == [{"content": "a"}, {"content": "b"}]
    assert finish["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22}
    assert answer.messages[-1] == b"data: [DONE]\n\n"
    assert (answer.output, answer.end, answer.marker) == (range(1, 3), 3, 5)


def test_a_frame_to_the_byte() -> None:
    """Compact JSON and LF, as llama.cpp and OpenAI write it."""
    assert encode(("1\n",)).messages[1] == (
        b'data: {"id":"chatcmpl-lab","object":"chat.completion.chunk","created":1700000000,"model":"lab",'
        b'"choices":[{"index":0,"delta":{"content":"1\\n"},"finish_reason":null}]}\n\n'
    )


def test_other_endings() -> None:
    """Every finish reason can be sent, and every error is a separate object."""
    for word in DIALECT.finishes:
        assert objects(encode((), word).messages)[1]["choices"][0]["finish_reason"] == word
    assert objects([DIALECT.errors["quota"]])[0]["error"]["code"] == "insufficient_quota"


def test_no_stream() -> None:
    """A completion with the text and its usage."""
    assert json.loads(whole("a"))["choices"][0]["message"] == {"role": "assistant", "content": "a"}
