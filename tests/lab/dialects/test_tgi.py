"""Text Generation Inference as the lab speaks it, after the server's source."""

from __future__ import annotations

import json

from monitor.lab.dialects.tgi import DIALECT, encode


def test_an_answer() -> None:
    """A token a piece, and a special one with the whole text and why it ended."""
    answer = encode(("1\n", "2\n"), "length")
    assert all(message.startswith(b"data:{") for message in answer.messages)
    first, second, last = (json.loads(message.removeprefix(b"data:")) for message in answer.messages)
    assert [first["token"]["text"], second["token"]["text"], last["generated_text"]] == ["1\n", "2\n", "1\n2\n"]
    assert (first["generated_text"], first["token"]["special"], last["token"]["special"]) == (None, False, True)
    assert (last["details"]["finish_reason"], last["details"]["generated_tokens"]) == ("length", 3)
    assert (answer.output, answer.end, answer.marker) == (range(2), 2, None)


def test_errors_come_with_their_type() -> None:
    """As the server names them."""
    assert DIALECT.errors["overloaded"] == b'data:{"error":"Model is overloaded","error_type":"overloaded"}\n\n'
