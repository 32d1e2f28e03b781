"""Searches outputs for secrets: as they are and decoded, however often they were encoded."""

from __future__ import annotations

import base64
import html
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

_LAYERS = 4
_NESTED = 2
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrt\\]))")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_OMITTED = re.compile(r"\0|[=\\]\r?\n[ \t]*")
_QUOTED = re.compile(r"=([0-9a-fA-F]{2})")
_DUMPED = re.compile(r"(?:\b|0x)[0-9a-f]{4,8}:? +((?:[0-9a-f]{2} {0,2}){1,16}).*\n?")
_NO_DIGITS = re.compile(r"(?:[^0-9a-f]+0*)+")
_BASE64, _BASE32 = re.compile(r"[A-Za-z0-9+/_-]{12,}"), re.compile(r"[A-Z2-7]{12,}")
_HEXADECIMAL = re.compile(r"(?:[0-9a-fA-F]{2}){12,}")
_READABLE = re.compile(rb"[\t\n\r -~]{8,}")


def found(output: str, cores: Iterable[str]) -> set[str]:
    """Return which of these secrets are in a text, in any case and any encoding.

    Of a byte that is written as a number only its digits count, and not what is around them.
    """
    text = "\n".join(dict.fromkeys(_texts(output, _NESTED))).lower()
    numbers = _NO_DIGITS.sub(" ", text)
    digits = re.sub(r"[^0-9a-f]+", "", _DUMPED.sub(r"\1", text))
    return {core for core in cores if _is_in(core.encode(), text, numbers, digits)}


def _is_in(core: bytes, text: str, numbers: str, digits: str) -> bool:
    written = (core.decode(), core.hex(), base64.b64encode(core).decode().lower())
    listed = (" ".join(format(byte, base) for byte in core) for base in "xdo")
    return core.hex() in digits or any(one in text for one in written) or any(one in numbers for one in listed)


def _texts(text: str, nested: int) -> Iterator[str]:
    """Yield a text, what it is without its escapes, and the texts that are encoded in it."""
    first = text
    for _ in range(_LAYERS):
        yield text
        text = _OMITTED.sub("", _ESCAPED.sub(_unescaped, html.unescape(unquote(text))))
    yield _QUOTED.sub(lambda match: chr(int(match[1], 16)), text)
    if nested:
        encoded = {*_encoded(first), *_encoded(text), *_encoded(re.sub(r"\s+", "", text))}
        yield from _texts("\n".join(sorted(encoded)), nested - 1)


def _unescaped(match: re.Match[str]) -> str:
    return _CONTROLS[match[3]] if match[3] else chr(int(match[1] or match[2], 16))


def _encoded(text: str) -> Iterator[str]:
    """Yield what is readable in each decoded base64, base32 and hexadecimal text, wherever that may begin."""
    for pattern, decode, characters in (
        (_BASE64, base64.urlsafe_b64decode, 4),
        (_BASE32, base64.b32decode, 8),
        (_HEXADECIMAL, bytes.fromhex, 2),
    ):
        for run in set(pattern.findall(text)):
            for skipped in range(characters):
                piece = run[skipped:].replace("+", "-").replace("/", "_")
                data = decode(piece[: len(piece) // characters * characters]).replace(b"\0", b"")
                yield from (readable.decode() for readable in _READABLE.findall(data))


def rows_of(database: Path) -> str:
    """Return all that a history's file holds, inflated."""
    texts: list[str] = []
    with closing(sqlite3.connect(database)) as base:
        for (table,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in base.execute(f'SELECT * FROM "{table}"').fetchall():  # noqa: S608 - its own tables
                texts += [_text(value) for value in row]
    return "\n".join(texts)


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    with suppress(zlib.error):
        return zlib.decompress(value).decode()
    return value.decode("latin-1")
