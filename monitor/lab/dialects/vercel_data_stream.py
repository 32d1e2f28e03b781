"""Vercel's AI SDK 4: a line a part; the text under `0:`, the end of a step under `e:`, of the message under `d:`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact
from monitor.lab.dialects.errors import ERRORS

WORDS: Mapping[str, str] = {"stop": "stop", "length": "length", "content_filter": "content-filter", "abort": "error"}
"""The lab's finish reasons, and the SDK's."""


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one part a piece."""
    outputs = [_part("0", piece) for piece in pieces]
    end = {"finishReason": WORDS[finish], "usage": {"promptTokens": 20, "completionTokens": len(outputs)}}
    messages = (
        _part("f", {"messageId": "msg-lab"}),
        *outputs,
        _part("e", {**end, "isContinued": False}),
        _part("d", end),
    )
    return EncodedAnswer(messages, range(1, 1 + len(outputs)), len(outputs) + 2)


def whole(text: str) -> bytes:
    """The parts in one piece: a data stream is all that it has."""
    return b"".join(encode((text,)).messages)


def _part(code: str, value: object) -> bytes:
    return f"{code}:{compact(value)}\n".encode()


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/plain; charset=utf-8",
    whole_type="text/plain; charset=utf-8",
    framing="lines",
    finishes=tuple(WORDS),
    errors={kind: _part("3", error["message"]) for kind, (_, error) in ERRORS.items()},
    asides={
        "empty": _part("0", ""),
        "reasoning": _part("g", "one after the other "),
        "data": _part("2", [{"status": "searching"}]),
        "annotation": _part("8", [{"id": "lab"}]),
        "tool": _part("9", {"toolCallId": "call_lab", "toolName": "count", "args": {"to": 9}}),
    },
    kinds={"reasoning": "reasoning", "tool": "tool_call"},
    usage=(20, 1),
    garbled={
        "json": b'0:"the cat\n',
        "shape": _part("d", [7]),
        "text": b"the cat sat on the wire\n",
    },
)
