"""Durations and sizes: read, written, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from monitor.keys.units import duration, duration_text, memory, rounded_size, seconds, size, size_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500ms", 0.5), ("90s", 90.0), ("5m", 300.0), ("1h", 3600.0), ("1m30s", 90.0), ("1.5h", 5400.0),
        ("2d", 172800.0),
        ("1d1h1m1s1ms", 90061.001), ("0s", 0.0), ("0.1s", 0.1),
        ("", None), ("90", None), ("s", None), ("-5s", None), ("5 s", None), ("30s1m", None), ("1e3s", None),
        ("5S", None),
        ("५s", None), ("1m1m", None), ("1w", None), ("\n5s", None), ("5s\n", None), ("1234567890s", None),
    ],
)  # fmt: skip
def test_reads_durations(text: str, value: float | None) -> None:
    """A duration is numbers with units, the larger first; anything else is none."""
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("32MiB", 32 * 2**20), ("500kB", 500_000), ("1.5GiB", 3 * 2**29), ("1GB", 10**9), ("7B", 7), ("2KiB", 2048),
        ("3MB", 3_000_000),
        ("32", None), ("32M", None), ("MiB", None), ("1 MiB", None), ("-1B", None), ("1mib", None), ("", None),
    ],
)  # fmt: skip
def test_reads_sizes(text: str, value: int | None) -> None:
    """A size is a number with a unit; anything else is none."""
    assert size(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(60.0, "60s"), (90.0, "90s"), (300.0, "5m"), (0.5, "500ms"), (1.5, "1.5s"), (0.0, "0s"), (3661.0, "1h1m1s"),
     (86400.0, "1d"), (150.25, "2m30s250ms")],
)  # fmt: skip
def test_writes_durations_as_people_do(value: float, text: str) -> None:
    """Up to two minutes are written in seconds, more in the larger units."""
    assert duration_text(value) == text


@given(st.integers(0, 10**11))
def test_durations_survive_writing(milliseconds: int) -> None:
    """Every duration that is written is read back as itself."""
    assert seconds(duration_text(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(1, 10**9), st.sampled_from(["B", "kB", "MB", "KiB", "MiB"]))
def test_sizes_survive_writing(number: int, unit: str) -> None:
    """Every size that is written is read back as itself."""
    value = size(f"{number % 10**9}{unit}")
    assert value is not None
    assert size(size_text(value)) == value or value >= 10**9


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the readers fail, and what they read is finite and not negative."""
    for value in (seconds(text), size(text)):
        assert value is None or 0 <= value < float("inf")


@pytest.mark.parametrize(
    ("given_value", "message", "better"),
    [
        (60, "is not a duration", 'write "60s"'),
        (1.5, "is not a duration", 'write "1.5s"'),
        ("90", "is not a duration", 'write "90s"'),
        ("5 min", "is not a duration", ""),
        (True, "is not a duration", ""),
        (["5s"], "is not a duration", ""),
        ("1ms", "is below the minimum, 10ms", ""),
        ("2h", "is above the maximum, 1h", ""),
    ],
)
def test_says_what_is_no_duration(given_value: object, message: str, better: str) -> None:
    """An invalid duration, or one outside the bounds, is refused; a bare number gets a hint with its unit."""
    with pytest.raises(PydanticCustomError) as caught:
        duration("10ms", "1h").value(given_value)
    context = caught.value.context or {}
    assert (context["message"], context["better"]) == (message, better)


def test_bounds_belong_to_it() -> None:
    """The least and the most are allowed."""
    assert [duration("10ms", "1h").value(text) for text in ("10ms", "1h")] == [0.01, 3600.0]
    assert memory("1KiB", "1MiB").value("1MiB") == 2**20


def test_a_bare_size_gets_its_unit() -> None:
    """The hint for a bare size names bytes."""
    with pytest.raises(PydanticCustomError) as caught:
        memory("1KiB", "1MiB").value(4096)
    assert (caught.value.context or {})["better"] == 'write "4096B"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (17_445, "17.4 kB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
        (152_400_000, "152 MB"), (1_234_000_000, "1,234 MB"),
    ],
)  # fmt: skip
def test_a_size_to_be_read_has_three_digits(value: int, text: str) -> None:
    """The unit is the largest in which the size is at least one, so that a small size is never shown as 0.0."""
    assert rounded_size(value) == text
