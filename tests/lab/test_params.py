"""Parameters: read by kind, and refused with what is allowed."""

from __future__ import annotations

import pytest

from monitor.lab import params
from monitor.lab.params import (
    AFTER,
    BY,
    COUNT,
    DURATION,
    RATIO,
    SIZE,
    BadParameterError,
    Param,
    ParamType,
    choice,
    or_none,
    read_query,
    text_like,
    whole_number,
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DURATION, "20ms", 0.02),
        (DURATION, "1.5s", 1.5),
        (DURATION, "2m", 120.0),
        (DURATION, "0", 0.0),
        (DURATION, "7", 7.0),
        (SIZE, "100", 100),
        (SIZE, "64KiB", 65536),
        (SIZE, "8MiB", 8388608),
        (RATIO, "0.25", 0.25),
        (COUNT, "12", 12),
        (or_none(COUNT), "none", None),
        (or_none(COUNT), "3", 3),
        (choice("a", "b"), "b", "b"),
        (text_like("[a-z]*", "letters"), "", ""),
        (whole_number(2, 3), "2", 2),
    ],
)
def test_a_value_is_read_by_its_kind(kind: ParamType[object], text: str, value: object) -> None:
    """Every kind reads what its words allow."""
    assert kind.read(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (DURATION, "-1s"),
        (DURATION, "1h"),
        (DURATION, "1e9"),
        (DURATION, "nan"),
        (DURATION, "25000m"),
        (SIZE, "2048MiB"),
        (SIZE, "ten"),
        (RATIO, "1.1"),
        (RATIO, "1s"),
        (COUNT, "-1"),
        (COUNT, "\u0663"),
        (COUNT, "1000001"),
        (or_none(COUNT), "nothing"),
        (choice("a", "b"), "c"),
        (text_like("[a-z]*", "letters"), "a\r\nb"),
        (whole_number(2, 3), "4"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(kind: ParamType[object], text: str) -> None:
    """The refusal names the parameter, the value and the kind."""
    with pytest.raises(BadParameterError) as caught:
        Param("x", kind, "", "").read(text)
    assert str(caught.value) == f"x={text}: allowed is {kind.allowed}"


def test_a_query_is_read_with_defaults() -> None:
    """What is not given has its default, which is written as a user would write it."""
    assert read_query((AFTER, BY), "by=rst") == {"after": 5, "by": "rst"}
    assert read_query((AFTER.but("7"), BY), "") == {"after": 7, "by": "fin"}


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("aftr=1", "aftr: no such parameter here; allowed are after, by"),
        ("after=1&after=2", "after: given twice"),
        ("by=", "by=: allowed is one of fin, rst"),
    ],
)
def test_a_wrong_query_is_refused(query: str, why: str) -> None:
    """An unknown name, a repeated one, and an empty value that is invalid."""
    with pytest.raises(BadParameterError, match=why.replace("?", r"\?")):
        read_query((AFTER, BY), query)


def test_every_default_is_allowed() -> None:
    """The shared parameters read their own defaults."""
    shared = [value for value in vars(params).values() if isinstance(value, Param)]
    assert len(shared) > 5
    for param in shared:
        param.read(param.default)
