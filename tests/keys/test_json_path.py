"""Dotted paths: what they find, and which texts are none."""

from __future__ import annotations

import pytest

from monitor.keys.json_path import parse

VALUE = {"a": {"b": [{"c": 1}, {"c": None}, {"d": "x"}]}, "0": "zero", "done": True, "n": None, "e": []}
FOUND: dict[str, list[object]] = {
    "a.b[*].c": [1],
    "a.b.*.c": [1],
    "a.b[0].c": [1],
    "a.b.0.c": [1],
    "a.b[2].d": ["x"],
    "a.b[9].d": [],
    "a.b.c": [],
    "a[*][0].c": [1],
    "0": ["zero"],
    "n": [],
    "n.x": [],
    "e[*]": [],
    "done": [True],
    "done=true": [True],
    "done=false": [],
    "a.b[2].d=x": ["x"],
    "a.b[2].d=": [],
    "a-b c": [],
}


@pytest.mark.parametrize(("path", "found"), FOUND.items(), ids=FOUND.keys())
def test_what_a_path_finds(path: str, found: list[object]) -> None:
    """Keys, indexes, all of them, and a value that has to be there; null is nothing."""
    assert parse(path).find(VALUE) == found
    assert parse(path).find(7) == []


@pytest.mark.parametrize(
    "text", ["", ".", ".a", "a.", "a..b", "a[", "a[]", "a[x]", "a]b", "a[-1]", "[0]a", "=x", "a" * 201, "a[1", "a*b"]
)
def test_what_is_no_path(text: str) -> None:
    """An invalid path is refused with an example of a valid one."""
    with pytest.raises(ValueError, match=r"is not a valid path: write .* such as choices\[\*\]\.text"):
        parse(text)
