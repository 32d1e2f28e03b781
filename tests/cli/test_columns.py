"""Columns that fit a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from monitor.cli.columns import Column, cut, fitting, in_columns

NAMES = ["a", "gateway-of-the-other-team", "\N{CJK UNIFIED IDEOGRAPH-4F60}" * 6]


def table(names: list[str]) -> list[Column]:
    """Return a table with two columns that stay, one that can be cut, and others that can be dropped."""
    return [
        Column("when", [Text("22:10:00")] * len(names), rank=2),
        Column("target", [Text(name) for name in names]),
        Column("verdict", [Text("truncated/incomplete_body")] * len(names)),
        Column("ms", [Text(str(10**place)) for place in range(len(names))], rank=1, right=True),
        Column(
            "detail", [Text("a sentence of some length that says what was seen")] * len(names), rank=3, flexible=True
        ),
    ]


def test_nothing_has_to_fit_a_pipe() -> None:
    """All columns, whole."""
    head, first, second, _ = (row.plain for row in in_columns(table(NAMES), None))
    assert head == "when      target                     verdict                     ms  detail"
    assert first.startswith("22:10:00  a                          truncated/incomplete_body    1  a sentence")
    assert "gateway-of-the-other-team  truncated/incomplete_body   10  a sentence" in second


@pytest.mark.parametrize(
    ("width", "heads"),
    [(45, ["target", "verdict"]), (58, ["target", "verdict", "ms"]), (68, ["when", "target", "verdict", "ms"]),
     (98, ["when", "target", "verdict", "ms", "detail"])],
)  # fmt: skip
def test_columns_are_dropped_before_anything_is_cut(width: int, heads: list[str]) -> None:
    """The least important columns are dropped first; the sentence gets the remaining width."""
    found = list(in_columns(table(NAMES), width))
    assert found[0].plain.split() == heads


@given(
    st.integers(40, 200),
    st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=40), max_size=5),
)
def test_every_line_fits(width: int, names: list[str]) -> None:
    """From 40 columns on every line fits, whatever the names are; the cause is never cut."""
    rows = list(in_columns(table(names), width))
    assert all(cell_len(row.plain) <= width for row in rows)
    assert all("truncated/incomplete_body" in row.plain for row in rows[1:])


def test_what_is_cut_says_so() -> None:
    """A cut text ends with an ellipsis in its last column, also after wide characters."""
    assert cut(Text("abcdef"), 4).plain == "abc…"
    assert cut(Text("abc"), 4).plain == "abc"
    assert cut(Text("\N{CJK UNIFIED IDEOGRAPH-4F60}" * 3), 4).plain == "\N{CJK UNIFIED IDEOGRAPH-4F60}…"
    assert fitting([Column("name", [Text("x" * 50)])], 20) == {"name": 20}
