"""Streams written by hand: the events of several vendors, and their verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from monitor.protocols import PROTOCOLS
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.target import PatternCheck, Terminator
from tests.protocols.replay import decoded, judged

DONE = "data: [DONE]\n\n"
CLEAN, CUT = Ending(EndKind.COMPLETE, 1.0), Ending(EndKind.INCOMPLETE, 1.0)


def data(*frames: object, name: str = "") -> str:
    """Return events, each an object or a text."""
    named = f"event: {name}\n" if name else ""
    return "".join(f"{named}data: {it if isinstance(it, str) else json.dumps(it)}\n\n" for it in frames)


def chunk(delta: object = None, reason: object = None, **more: object) -> dict[str, object]:
    """Return a chunk of OpenAI's with one choice."""
    return {"choices": [{"index": 0, "delta": {} if delta is None else delta, "finish_reason": reason}], **more}


def text(*words: str) -> str:
    """Return a chunk for each word."""
    return data(*(chunk({"content": word}) for word in words))


def typed(*frames: Mapping[str, object]) -> str:
    """Return events named after their type, as Anthropic and OpenAI's responses have them."""
    return "".join(data(frame, name=str(frame["type"])) for frame in frames)


def delta(words: str) -> dict[str, object]:
    """Return a piece of Anthropic's text."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}


def candidate(words: str, reason: object = None, **more: object) -> dict[str, object]:
    """Return a response of Gemini's."""
    return {"candidates": [{"content": {"parts": [{"text": words}]}, "finishReason": reason}], **more}


START = {"type": "message_start", "message": {"usage": {"input_tokens": 0}}}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
CLOSE, STOP = {"type": "content_block_stop", "index": 0}, {"type": "message_stop"}
SPOKEN = {"type": "response.output_text.delta", "delta": "a", "sequence_number": 0}
END = data(chunk(None, "stop")) + DONE
PRETTY = json.dumps({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}, indent=1)


class Reported(NamedTuple):
    """A stream of a protocol, its expected verdict, and its number of chunks."""

    protocol: str
    body: str
    comes_to: str
    chunks: int
    ending: Ending = CLEAN
    terminator: Terminator = Terminator.END
    check: PatternCheck | None = None
    unclean: bool = False


def holds(reported: Reported) -> None:
    """Raise AssertionError if a stream does not have the expected verdict."""
    protocol = PROTOCOLS[reported.protocol]
    head = Head(200, next(iter(protocol.content_types), "text/plain"), framing=BodyFraming.CHUNKED)
    stream = decoded(protocol, reported.body.encode(), head, terminator=reported.terminator)
    verdict = judged(protocol, stream, reported.ending, reported.check)
    found = f"{verdict.outcome}/{verdict.cause}" if verdict.cause else str(verdict.outcome)
    assert (found, stream.chunks) == (reported.comes_to, reported.chunks), verdict.detail
    assert verdict.outcome != "ok" or (verdict.unclean is not None) == reported.unclean
