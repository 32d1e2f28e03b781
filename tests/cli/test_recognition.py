"""Which protocol a payload is of."""

from __future__ import annotations

import pytest

from monitor.cli.recognition import recognized
from monitor.protocols import PROTOCOLS
from monitor.settings import Limits
from tests.protocols.replay import capture
from tests.test_replay import body_of

NAMED = [name for name, protocol in PROTOCOLS.items() if protocol.end]
SHARED = {"fastgpt": "openai-chat", "chatchat": "openai-chat", "chatchat-agent": None}
"""Protocols whose messages are those of another one; an agent's say their text twice, which only its status tells."""


@pytest.mark.parametrize("name", NAMED)
def test_a_whole_stream_is_recognized(name: str) -> None:
    """The example of each protocol is recognized as that protocol, or as the one with the same messages."""
    payload = body_of(capture(PROTOCOLS[name].example).raw)
    found = recognized(payload, Limits())
    assert (found.name if found else None) == SHARED.get(name, name)


@pytest.mark.parametrize(
    "payload", [b"", b"<html></html>", b"data: {}\n\n", b'data: {"error": "no"}\n\ndata: [DONE]\n\n']
)
def test_nothing_is_recognized_in_what_any_server_may_say(payload: bytes) -> None:
    """Only an answer with output and an end tells; an error does not."""
    assert recognized(payload, Limits()) is None
