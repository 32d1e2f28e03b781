"""The bytes of last words in hexadecimal."""

from __future__ import annotations

import pytest

from monitor.redaction import visible
from monitor.web.pages.hex_dump import HexRow, hex_dump, unescaped


def test_sixteen_bytes_are_a_row() -> None:
    """Each has the number of its first byte, its bytes, and what of them can be printed."""
    assert list(hex_dump("data: {}\\x0a\\x0adata: x")) == [
        HexRow("0000", "64 61 74 61 3a 20 7b 7d 0a 0a 64 61 74 61 3a 20", "data: {}..data: "),
        HexRow("0010", "78", "x"),
    ]


def test_characters_are_the_bytes_that_came() -> None:
    """A Chinese one is three of UTF-8; what was no UTF-8 is not known any more."""
    assert list(hex_dump("您\N{REPLACEMENT CHARACTER}!")) == [HexRow("0000", "e6 82 a8 ?? 21", "...?!")]


def test_no_words_have_no_row() -> None:
    """Nothing is dumped of nothing."""
    assert list(hex_dump("")) == []


@pytest.mark.parametrize("text", ["a\tb\r\n", "\N{RIGHT-TO-LEFT OVERRIDE}x", "\N{LANGUAGE TAG}", "\udc80", "plain 您"])
def test_escapes_become_the_characters_again(text: str) -> None:
    """Of one, two and four bytes."""
    assert unescaped(visible(text)) == text
