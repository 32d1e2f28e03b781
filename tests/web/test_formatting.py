"""Tests of numbers and times as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from monitor.web import formatting
from tests.web import samples


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"), (UNSET, "—"), (0.0, "0 us"), (0.00042, "420 us"), (0.21, "210 ms"), (4.1, "4.10 s"),
        (119.0, "119.00 s"),
        (125.4, "2 min 05 s"),
    ],
)  # fmt: skip
def test_seconds(value: float | UnsetType | None, text: str) -> None:
    """A duration is written as on the terminal, and a missing one as a dash."""
    assert formatting.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(5.0, "5 s"), (0.5, "500 ms"), (300.0, "300 s")])
def test_limit(value: float, text: str) -> None:
    """A configured duration is written with its unit."""
    assert formatting.limit(value) == text


def test_ratio() -> None:
    """A ratio of nothing is a dash; a ratio of something is in per cent."""
    assert [formatting.ratio(0, 0), formatting.ratio(0, 9), formatting.ratio(11, 409), formatting.ratio(9, 9)] == [
        "—", "0 %", "2.69 %", "100 %",
    ]  # fmt: skip


def test_count() -> None:
    """One is singular; thousands are grouped."""
    assert [formatting.count(1, "chunk"), formatting.count(0, "chunk"), formatting.count(1234, "chunk")] == [
        "1 chunk", "0 chunks", "1,234 chunks",
    ]  # fmt: skip


def test_moments() -> None:
    """A time is written in UTC, whatever zone it is in."""
    moment = datetime(2026, 11, 22, 23, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    assert formatting.iso(moment) == "2026-11-22T22:10:00Z"
    assert formatting.clock(moment.astimezone(UTC)) == "2026-11-22 22:10:00 UTC"


def test_parsed() -> None:
    """A timestamp with a zone, or in UTC without one, is parsed; anything else is None."""
    assert formatting.parsed("2026-11-22T23:10:00+01:00") == formatting.parsed("2026-11-22T22:10:00") == samples.NOW
    assert formatting.parsed("yesterday") is None


def test_ended() -> None:
    """A probe ends its duration after it began; one without a readable timestamp is the oldest of all."""
    event = samples.event(samples.cut())
    assert formatting.ended(event) == samples.NOW - timedelta(seconds=12 - 4.4)
    assert formatting.ended(msgspec.structs.replace(event, timestamp="x")) == datetime.min.replace(tzinfo=UTC)
