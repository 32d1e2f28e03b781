"""The frames of HTTP/2 as the lab sends them: bytes, right or wrong, without any state (RFC 9113, section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack import Encoder

from monitor.http.h2_frames import MAX_FRAME, Flag, FrameType

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The client's connection preface."""


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """One frame with any content."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def settings(values: Mapping[SettingCodes, int] | None = None) -> bytes:
    """A SETTINGS frame."""
    pairs = (int(code).to_bytes(2) + value.to_bytes(4) for code, value in (values or {}).items())
    return frame(FrameType.SETTINGS, b"".join(pairs))


SETTINGS = settings()
SETTINGS_ACK = frame(FrameType.SETTINGS, flags=Flag.ACK)


def block(fields: Iterable[tuple[str, str]]) -> bytes:
    """A header block; each is self-contained, because a new encoder has no table entries.

    Without Huffman coding its size is predictable, and it is cheap to make.
    """
    return Encoder().encode(list(fields), huffman=False)


def headers(stream: int, fields: Iterable[tuple[str, str]], *, end: bool = False) -> bytes:
    """A block of headers, in as many frames as it needs."""
    encoded = block(fields)
    parts = [encoded[at : at + MAX_FRAME] for at in range(0, len(encoded), MAX_FRAME)]
    kinds = [FrameType.HEADERS, *(FrameType.CONTINUATION for _ in parts[1:])]
    last = len(parts) - 1
    return b"".join(
        frame(
            kind,
            part,
            flags=(Flag.END_STREAM if end and not number else 0) | (Flag.END_HEADERS if number == last else 0),
            stream=stream,
        )
        for number, (kind, part) in enumerate(zip(kinds, parts, strict=True))
    )


def data(stream: int, payload: bytes, *, end: bool = False) -> bytes:
    """Data, in as many frames as it needs."""
    parts = [payload[at : at + MAX_FRAME] for at in range(0, len(payload), MAX_FRAME)] or [b""]
    last = len(parts) - 1
    return b"".join(
        frame(FrameType.DATA, part, flags=Flag.END_STREAM if end and number == last else 0, stream=stream)
        for number, part in enumerate(parts)
    )


def reset(stream: int, code: int = ErrorCodes.INTERNAL_ERROR) -> bytes:
    """An RST_STREAM frame."""
    return frame(FrameType.RST_STREAM, int(code).to_bytes(4), stream=stream)


def goaway(last: int, code: int = ErrorCodes.NO_ERROR) -> bytes:
    """A GOAWAY frame."""
    return frame(FrameType.GOAWAY, last.to_bytes(4) + int(code).to_bytes(4))


def window(stream: int, more: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(FrameType.WINDOW_UPDATE, more.to_bytes(4), stream=stream)
