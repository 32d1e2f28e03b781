"""llama.cpp's own completion as the lab speaks it, against a real capture."""

from __future__ import annotations

import json

from monitor.lab.dialects.llamacpp_completion import DIALECT, encode
from tests.protocols.replay import capture

REAL = capture("servers/llama-server_completion_native").response.body.decode().split("\n\n")[:-1]


def test_an_answer_has_the_shape_of_a_real_one() -> None:
    """The same keys in the same order in a piece, and none in the last event that a real one lacks."""
    answer = encode((" our", " best"), "length")
    piece, _, last = (json.loads(message.removeprefix(b"data: ")) for message in answer.messages)
    real_piece, *_, real_last = (json.loads(event.removeprefix("data: ")) for event in REAL)
    assert list(piece) == list(real_piece)
    assert [key for key in last if key not in real_last] == []
    assert (last["stop"], last["stop_type"], last["tokens_predicted"]) == (True, "limit", 2)
    assert (answer.output, answer.end, answer.marker) == (range(2), 2, None)


def test_errors_in_both_forms() -> None:
    """As an event and, as older servers have it, as a field."""
    assert DIALECT.errors["overloaded"].startswith(b'data: {"error":')
    assert DIALECT.errors["field"].startswith(b'error: {"message":')
