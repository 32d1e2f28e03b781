"""The last words of a stream as its bytes: sixteen a row, in hexadecimal and as text.

What is kept are words: secrets are replaced, and bytes that are not UTF-8 were replaced before that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

ROW = 16
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
"""How control, format and surrogate characters are written in last words."""
_REPLACED = "\N{REPLACEMENT CHARACTER}".encode()
_NOT_KNOWN = "??"
"""A byte that was not valid UTF-8; its value is lost."""
_PRINTABLE = range(0x20, 0x7F)


class HexRow(NamedTuple):
    """One row of a dump: the number of its first byte, and its bytes twice."""

    offset: str
    hexadecimal: str
    text: str


def unescaped(words: str) -> str:
    """Return last words with their escapes replaced; an escape that the server itself sent is replaced as well."""
    return _ESCAPED.sub(lambda found: chr(int(next(filter(None, found.groups())), 16)), words)


def hex_dump(words: str) -> Iterator[HexRow]:
    """Yield the rows of last words; a byte that was not valid UTF-8 is `??`."""
    cells: list[tuple[str, str]] = []
    for place, part in enumerate(unescaped(words).encode("utf-8", "surrogatepass").split(_REPLACED)):
        if place:
            cells.append((_NOT_KNOWN, "?"))
        cells += ((f"{byte:02x}", chr(byte) if byte in _PRINTABLE else ".") for byte in part)
    for start in range(0, len(cells), ROW):
        row = cells[start : start + ROW]
        yield HexRow(f"{start:04x}", " ".join(one for one, _ in row), "".join(text for _, text in row))
