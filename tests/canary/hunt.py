"""Searches outputs for secrets: as they are and decoded, however often they were encoded."""

from __future__ import annotations

import base64
import binascii
import html
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

_LAYERS = 4
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def found(output: str, cores: Iterable[str]) -> set[str]:
    """Return which of these secrets are in a text, in any case and any encoding."""
    layers, text = [], output
    for _ in range(_LAYERS):
        layers.append(text.lower())
        text = html.unescape(unquote(text.replace("\\\\", "\\")))
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    layers += [decoded.lower() for layer in (output, text) for decoded in _from_base64(layer)]
    everything = "\n".join(layers)
    return {core for core in cores if core in everything or core.encode().hex() in everything}


def _from_base64(text: str) -> Iterator[str]:
    for run in set(_BASE64.findall(text)):
        for skipped in range(4):
            piece = run[skipped:].replace("-", "+").replace("_", "/")
            with suppress(binascii.Error):
                yield base64.b64decode(piece[: len(piece) // 4 * 4]).decode("latin-1")


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
