"""Answers as users of real servers reported them, whole with their heads, and what a probe over a socket says of each.

What a stream alone comes to stands in protocols/test_reported_streams.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Script, Send
from monitor.record.observation import Observation
from tests.conftest import MakeProber, target
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"0\r\n\r\n"
OPENAI, ANTHROPIC = "openai-chat", "anthropic-messages"


def chunk(data: str) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%s\r\n" % (len(data.encode()), data.encode())


def piece(delta: Mapping[str, object], reason: str | None = None, **more: object) -> bytes:
    """Return an event of OpenAI's in a chunk of its own."""
    frame = {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}
    return chunk(f"data: {json.dumps(frame)}\n\n")


def typed(frame: Mapping[str, object]) -> bytes:
    """Return an event named after its type in a chunk of its own."""
    return chunk(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n")


HI, STOP, DONE = piece({"content": "hi"}), piece({}, "stop"), chunk("data: [DONE]\n\n")
WHOLE = HI + HI + STOP + DONE + LAST


class Answer(NamedTuple):
    """All that a server sends before it closes, and what a probe says of it."""

    sent: bytes
    verdict: str
    chunks: int
    protocol: str = OPENAI
    says: str = ""
    """What the detail names."""
    tokens: tuple[int, int] | None = None
    """Input and output as the server counted them."""


ANSWERS: dict[str, Answer] = {
    "a gateway counts the prompt late": Answer(
        SSE
        + CHUNKED
        + b"\r\n"
        + typed({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 0, "output_tokens": 1}}})
        + typed({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        + typed({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}})
        + typed({"type": "content_block_stop", "index": 0})
        + typed(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 5, "input_tokens": 41},
            }
        )
        + typed({"type": "message_stop"})
        + LAST,
        "ok",
        1,
        ANTHROPIC,
        tokens=(41, 5),
    ),
    "a length beside chunks": Answer(
        SSE + CHUNKED + b"Content-Length: 120\r\n\r\n" + WHOLE, "bad_response/malformed_head", 0, says="head"
    ),
    "a proxy answers inside a chunked body": Answer(
        SSE
        + CHUNKED
        + b"\r\n"
        + HI
        + HI
        + b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        "truncated/malformed_body",
        2,
        says="another HTTP response",
    ),
    "Groq counts in a place of its own": Answer(
        SSE
        + CHUNKED
        + b"\r\n"
        + HI
        + piece({}, "stop", x_groq={"id": "r", "usage": {"prompt_tokens": 23, "completion_tokens": 19}})
        + DONE
        + LAST,
        "ok",
        1,
        tokens=(23, 19),
    ),
    "a coding that is none": Answer(SSE + CHUNKED + b"Content-Encoding: none\r\n\r\n" + WHOLE, "ok", 2),
    "a coding that is a charset": Answer(SSE + CHUNKED + b"Content-Encoding: UTF-8\r\n\r\n" + WHOLE, "ok", 2),
    "160 headers of a gateway": Answer(
        SSE
        + CHUNKED
        + b"".join(b"llm_provider-x-header-%d: value-%040d\r\n" % (at, at) for at in range(160))
        + b"\r\n"
        + WHOLE,
        "ok",
        2,
    ),
    "more headers than are read": Answer(
        SSE + CHUNKED + b"".join(b"X-%d: v\r\n" % at for at in range(1100)) + b"\r\n" + WHOLE,
        "bad_response/malformed_head",
        0,
        says="1,000 headers",
    ),
}


def tokens(observation: Observation) -> tuple[int, int] | None:
    """Return what the server counted; None if it was estimated."""
    return (
        None
        if observation.tokens is None or observation.tokens.estimated
        else (observation.tokens.input, observation.tokens.output)
    )


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_what_a_probe_says_of_it(prober: MakeProber, answer: Answer) -> None:
    """The verdict, the chunks, the tokens that were counted, and a detail that helps."""
    script: Script = (Send(answer.sent), Fin())
    async with peer(script) as server:
        observation = await prober()(target(f"{server.url}/", answer.protocol, check=None), "cli")
        await server.over()
    assert (verdict(observation), observation.recording.chunks) == (answer.verdict, answer.chunks)
    assert answer.says in observation.verdict.detail
    assert tokens(observation) == answer.tokens
