"""Mistakes and warnings in order, and which keys are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.document import parse
from monitor.config.findings import Findings
from monitor.config.mistake import ConfigError, KeyPath

TEXT = "[a]\nx = 1\ny = 2\nz = no\n"


def findings() -> Findings:
    """Start with a document that has a syntax error in line 4."""
    return Findings(parse(TEXT, "c", Path()))


@pytest.mark.parametrize(
    ("path", "broken"),
    [
        (("a", "x", "deep"), True), (("a", "x"), True), (("a",), True), (("a", "y"), False), (("b",), False),
        (("a", "z"), True),
    ],
)  # fmt: skip
def test_a_key_is_broken_with_all_in_and_around_it(path: KeyPath, broken: bool) -> None:
    """A mistake breaks its key, everything in it, and the tables around it, but not other keys."""
    found = findings()
    found.mistake(("a", "x"), "is bad")
    assert found.is_broken(path) is broken


def test_nothing_is_broken_at_first() -> None:
    """Without a mistake, every key may be judged."""
    assert not Findings(parse("a = 1", "c", Path())).is_broken(("a",))


def test_the_error_is_in_the_order_of_the_file_and_says_each_once() -> None:
    """Mistakes and warnings are sorted by line, and equal ones appear once."""
    found = findings()
    for _ in range(2):
        found.mistake(("a", "y"), "is bad", "do x")
        found.warning(("a", "x"), "is unusual")
    found.mistake(("nowhere",), "is missing")
    with pytest.raises(ConfigError) as caught:
        found.raise_if_wrong()
    assert [one.line for one in caught.value.mistakes] == [None, 3, 4]
    assert list(map(str, caught.value.warnings)) == ["c:2: a.x: is unusual"]
    assert found.in_order() == caught.value.warnings


def test_nothing_is_raised_where_nothing_is_wrong() -> None:
    """Warnings alone raise no error."""
    found = Findings(parse("a = 1", "c", Path()))
    found.warning(("a",), "is unusual")
    found.raise_if_wrong()
    assert list(map(str, found.in_order())) == ["c:1: a: is unusual"]
