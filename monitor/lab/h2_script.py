"""Translates an HTTP/1.1 script to HTTP/2: the same head, messages, waits and endings, in frames of one stream.

Faults that only HTTP/1.1 has (a bad status line, the size of a chunk, bytes after the end) cannot be translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.lab.h2_wire import data, headers
from monitor.lab.params import BadParameterError
from monitor.lab.steps import Fin, Repeat, Script, Send, Step, StreamFrames

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}|10[23]) [^\r\n]*\r\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\r\n]*)\r\n")
_HEAD_END = b"\r\n\r\n"
_OF_HTTP_1 = frozenset({"connection", "keep-alive", "transfer-encoding"})
_NO_BODY = frozenset({"204", "304"})


class NotInHttp2Error(BadParameterError):
    """The script cannot be translated to HTTP/2."""

    def __init__(self) -> None:
        super().__init__("this fault exists only in HTTP/1.1")


def in_http2(script: Script, stream: int) -> Script:
    """The same script on a stream; NotInHttp2Error if that is not possible."""
    translation = _Translation(stream)
    return [step for one in script for step in translation.steps(one)]


class _Translation:
    """The state of a translation."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._waiting = bytearray()
        self._framing = ""
        """The body's framing, after its head was sent."""
        self._left = 0
        self._ended = False

    def steps(self, step: Step) -> Iterator[Step]:
        """Return the translation of one step."""
        match step:
            case StreamFrames(make):
                yield Send(make(self._stream))
            case Send(wire):
                if frames := self._said(wire):
                    yield Send(frames)
            case Repeat(wire, every, seconds):
                yield Repeat(self._said(wire), every, seconds)
            case Fin() if self._framing == "close" and not self._ended:
                self._ended = True
                yield Send(data(self._stream, b"", end=True))
            case _:
                yield step

    def _said(self, wire: bytes) -> bytes:
        """Return the frames that these bytes complete."""
        self._waiting += wire
        frames = []
        while self._waiting and (more := self._head() if not self._framing else self._body()) is not None:
            frames.append(more)
        return b"".join(frames)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._waiting[:size])
        del self._waiting[:size]
        return taken

    def _head(self) -> bytes | None:
        end = self._waiting.find(_HEAD_END) + len(_HEAD_END)
        if end < len(_HEAD_END):
            return None
        head = self._take(end).removesuffix(b"\r\n")
        line = _STATUS_LINE.match(head)
        if line is None:
            raise NotInHttp2Error
        status = line[1].decode()
        fields = [(name.lower(), value) for name, value in _fields(head[line.end() :])]
        kept = [(":status", status), *((name, value) for name, value in fields if name not in _OF_HTTP_1)]
        if status.startswith("1"):
            return headers(self._stream, kept)
        given = dict(fields)
        length = given.get("content-length")
        self._framing = "chunked" if "transfer-encoding" in given else "length" if length is not None else "close"
        self._left = int(length or 0) if self._framing == "length" else 0
        self._ended = status in _NO_BODY or length == "0"
        return headers(self._stream, kept, end=self._ended)

    def _body(self) -> bytes | None:
        if self._ended:
            raise NotInHttp2Error
        return {"chunked": self._chunk, "length": self._counted, "close": self._rest}[self._framing]()

    def _counted(self) -> bytes:
        taken = self._take(self._left)
        self._left -= len(taken)
        self._ended = not self._left
        return data(self._stream, taken, end=self._ended)

    def _rest(self) -> bytes:
        return data(self._stream, self._take(len(self._waiting)))

    def _chunk(self) -> bytes | None:
        """Take one chunk, or the part of it so far; the last one ends the stream, including its trailer."""
        if self._left:
            return self._data_of_chunk()
        if self._waiting.startswith(b"\r\n"):
            self._take(2)
        size = _SIZE.match(self._waiting)
        if size is None:
            if b"\n" in self._waiting:
                raise NotInHttp2Error
            return None
        if int(size[1], 16):
            self._left = int(size[1], 16)
            self._take(size.end())
            return b""
        return self._last(size.end())

    def _last(self, begin: int) -> bytes | None:
        """End the stream when the trailer that begins there is complete."""
        if not self._waiting.endswith(b"\r\n" if len(self._waiting) == begin + 2 else _HEAD_END):
            return None
        trailer, self._ended = self._take(len(self._waiting))[begin:].removesuffix(b"\r\n"), True
        fields = [(name.lower(), value) for name, value in _fields(trailer)]
        return headers(self._stream, fields, end=True) if fields else data(self._stream, b"", end=True)

    def _data_of_chunk(self) -> bytes:
        taken = self._take(self._left)
        self._left -= len(taken)
        if not self._left and self._waiting and not self._waiting.startswith(b"\r"):
            raise NotInHttp2Error
        return data(self._stream, taken)


def _fields(lines: bytes) -> Iterator[tuple[str, str]]:
    while lines:
        field = _FIELD.match(lines)
        if field is None:
            raise NotInHttp2Error
        yield field[1].decode(), field[2].decode("latin-1")
        lines = lines[field.end() :]
