"""Amazon Bedrock's ConverseStream: binary frames with two checksums each, the message's stop, and the counts."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from zlib import crc32

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact
from monitor.lab.dialects.errors import ERRORS

WORDS: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens", "content_filter": "content_filtered"}
"""OpenAI's finish reasons, which the lab's faults use, and Bedrock's."""
EXCEPTIONS: Mapping[str, str] = {
    "overloaded": "serviceUnavailableException",
    "rate_limited": "throttlingException",
    "upstream": "modelStreamErrorException",
    "other": "internalServerException",
}
"""Cause of `stream_error` -> the exceptions that ConverseStream has; it reports all else before the stream."""


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one delta a piece."""
    outputs = [_delta({"text": piece}) for piece in pieces]
    usage = {"inputTokens": 20, "outputTokens": len(outputs), "totalTokens": 20 + len(outputs)}
    messages = (
        _event("messageStart", role="assistant"),
        *outputs,
        _event("contentBlockStop", contentBlockIndex=0),
        _event("messageStop", stopReason=WORDS[finish]),
        _event("metadata", usage=usage, metrics={"latencyMs": 612}),
    )
    return EncodedAnswer(messages, range(1, 1 + len(outputs)), len(outputs) + 2, closed_by=b"")


def whole(text: str) -> bytes:
    """The one object if no stream was requested."""
    message = {"role": "assistant", "content": [{"text": text}]}
    return compact({"output": {"message": message}, "stopReason": "end_turn"}).encode()


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame: its lengths and their checksum, headers, payload, and the checksum of all."""
    fields = b"".join(
        bytes((len(name),)) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack(">II", 16 + len(fields) + len(payload), len(fields))
    rest = lengths + struct.pack(">I", crc32(lengths)) + fields + payload
    return rest + struct.pack(">I", crc32(rest))


def _event(kind: str, **fields: object) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, compact({**fields, "p": "abcdefgh"}).encode())


def _exception(kind: str, text: str) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, compact({"message": text}).encode())


def _delta(delta: Mapping[str, object]) -> bytes:
    return _event("contentBlockDelta", contentBlockIndex=0, delta=delta)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="application/vnd.amazon.eventstream",
    framing="binary",
    finishes=tuple(WORDS),
    errors={
        kind: _exception(EXCEPTIONS[kind], str(error["message"]))
        for kind, (_, error) in ERRORS.items()
        if kind in EXCEPTIONS
    }
    | {"error": frame({":message-type": "error", ":error-code": "500", ":error-message": "the dice fell badly"}, b"")},
    asides={
        "empty": _delta({"text": ""}),
        "reasoning": _delta({"reasoningContent": {"text": "one after the other "}}),
        "signature": _delta({"reasoningContent": {"signature": "EqQBCgIYAhIM"}}),
        "unknown": _event("note", text="of a later version"),
    },
    kinds={"reasoning": "reasoning"},
    usage=(20, 1),
    garbled={
        "json": frame({":event-type": "contentBlockDelta", ":message-type": "event"}, b'{"delta":'),
        "shape": _event("contentBlockDelta", delta=7),
        "text": frame({":event-type": "contentBlockDelta", ":message-type": "event"}, b"the cat sat on the wire"),
    },
)
