"""Regular expressions in RE2's syntax."""

from __future__ import annotations

import pytest

from monitor.keys.expression import expression


def test_an_expression_is_searched_for() -> None:
    """An expression matches anywhere in the text; the result is None without a match."""
    assert expression("b+").search(b"abc")
    assert expression("b+").search(b"ac") is None


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a{1001}", r"\Z"])
def test_an_invalid_expression_is_refused(pattern: str) -> None:
    """Look-around and back references are not in RE2, for no engine can have them and be quick."""
    with pytest.raises(ValueError, match=r"."):
        expression(pattern)
