"""Maintenance windows at literal moments: single and recurring ones, over midnight, and where clocks are changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitor.maintenance import active
from monitor.settings import Maintenance
from monitor.target import Target

ONE = Target("one", "openai-chat", "http://a.test/v1")
OTHER = Target("other", "openai-chat", "http://b.test/v1")
MONDAY, SATURDAY = "mon", "sat"
HOUR = 3600.0


def at(text: str) -> datetime:
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(text: str, duration: float, **more: Any) -> Maintenance:  # noqa: ANN401 - fields of Maintenance
    """Return a recurring window."""
    return Maintenance("window", at=time.fromisoformat(text), duration=duration, **more)


def begins(window: Maintenance, day: str) -> str:
    """Return the first minute, in UTC, of the day (in UTC) in which the window holds."""
    minutes = (at(day) + timedelta(minutes=number) for number in range(24 * 60))
    return next(f"{minute:%H:%M}" for minute in minutes if active([window], ONE, minute))


ONCE = Maintenance("once", start=at("2030-01-05T22:00"), end=at("2030-01-06T02:00"))
NIGHT = daily("23:00", 2 * HOUR)
WEEKLY = daily("23:00", 2 * HOUR, weekdays=(SATURDAY,))
LONG = daily("12:00", 60 * HOUR, weekdays=(SATURDAY,))
BERLIN = daily("02:30", HOUR, timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("window", "moment", "holds"),
    [
        (ONCE, "2030-01-05T21:59:59", False),
        (ONCE, "2030-01-05T22:00:00", True),
        (ONCE, "2030-01-06T01:59:59", True),
        (ONCE, "2030-01-06T02:00:00", False),
        # every night, over midnight
        (NIGHT, "2030-01-05T22:59:59", False),
        (NIGHT, "2030-01-05T23:00:00", True),
        (NIGHT, "2030-01-06T00:59:59", True),
        (NIGHT, "2030-01-06T01:00:00", False),
        # the weekday is the one on which it begins: 2030-01-05 is a Saturday
        (WEEKLY, "2030-01-05T00:30:00", False),
        (WEEKLY, "2030-01-05T23:30:00", True),
        (WEEKLY, "2030-01-06T00:30:00", True),
        (WEEKLY, "2030-01-06T23:30:00", False),
        # over two midnights
        (LONG, "2030-01-05T11:59:59", False),
        (LONG, "2030-01-05T12:00:00", True),
        (LONG, "2030-01-07T23:59:59", True),
        (LONG, "2030-01-08T00:00:00", False),
        # a window that says nothing never holds
        (Maintenance("empty"), "2030-01-05T22:00:00", False),
        (Maintenance("half", start=at("2030-01-05T22:00")), "2030-01-05T23:00:00", False),
    ],
)
def test_when_a_window_holds(window: Maintenance, moment: str, holds: bool) -> None:
    """A window holds from its first moment on, and no longer at its last."""
    assert active([window], ONE, at(moment)) is holds


def test_whom_a_window_concerns() -> None:
    """A window that names targets concerns them alone; one that names none concerns all."""
    now = at("2030-01-05T23:30")
    named = daily("23:00", HOUR, targets=("one", "two"))
    assert active([named], ONE, now)
    assert not active([named], OTHER, now)
    assert active([named, NIGHT], OTHER, now)
    assert not active([], ONE, now)


@pytest.mark.parametrize(
    ("day", "begin"),
    [
        ("2030-01-05", "01:30"),  # UTC+1
        ("2030-07-05", "00:30"),  # UTC+2
        ("2030-03-31", "01:30"),  # the clock goes from 02:00 to 03:00: as long after midnight as ever
        ("2030-10-27", "00:30"),  # 02:30 comes twice: the first
    ],
)
def test_a_window_follows_the_clock_of_its_zone(day: str, begin: str) -> None:
    """It begins once a day, in summer an hour earlier in UTC, and on the days of the change, too."""
    assert begins(BERLIN, day) == begin
    held = [minute for minute in range(24 * 60) if active([BERLIN], ONE, at(day) + timedelta(minutes=minute))]
    assert held == list(range(held[0], held[0] + 60))


def test_a_window_lasts_as_long_in_real_time_when_clocks_are_changed_in_it() -> None:
    """Four hours are four hours, whatever the clock on the wall says at their end."""
    window = daily("00:00", 4 * HOUR, timezone="Europe/Berlin")
    begin = datetime(2030, 3, 31, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    assert active([window], ONE, begin + timedelta(hours=4, seconds=-1))
    assert not active([window], ONE, begin + timedelta(hours=4))


def test_a_weekday_is_one_of_its_zone() -> None:
    """Monday in Auckland begins while it is Sunday in UTC; the zone in which the moment is given plays no part."""
    window = daily("08:00", HOUR, weekdays=(MONDAY,), timezone="Pacific/Auckland")
    moment = at("2030-01-06T19:30")
    assert f"{moment:%a}" == "Sun"
    assert active([window], ONE, moment)
    assert active([window], ONE, moment.astimezone(timezone(timedelta(hours=-11))))
    assert not active([window], ONE, moment + timedelta(days=1))


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({}, ["gateway", "vllm-1", "vllm-2", "chat/large", "chat/small"]),
        ({"targets": ("gateway",)}, ["gateway"]),
        ({"targets": ("vllm-*",)}, ["vllm-1", "vllm-2"]),
        ({"targets": ("vllm-?", "gate[w]ay")}, ["gateway", "vllm-1", "vllm-2"]),
        ({"targets": ("chat",)}, ["chat/large", "chat/small"]),
        ({"targets": ("*/small",)}, ["chat/small"]),
        ({"targets": ("VLLM-*",)}, []),
        ({"labels": {"team": "search"}}, ["vllm-1", "chat/large"]),
        ({"labels": {"team": "s*", "zone": "b"}}, ["chat/large"]),
        ({"labels": {"zone": ""}}, ["gateway", "vllm-1"]),
        ({"targets": ("vllm-*",), "labels": {"team": "search"}}, ["vllm-1"]),
    ],
)
def test_a_window_chooses_by_name_pattern_and_label(chosen: dict[str, Any], names: list[str]) -> None:
    """Any of the names or patterns has to match, and all of the labels."""
    labels = {
        "gateway": {"team": "", "zone": ""},
        "vllm-1": {"team": "search", "zone": ""},
        "vllm-2": {"team": "sales", "zone": "a"},
        "chat/large": {"team": "search", "zone": "b"},
        "chat/small": {"team": "ops", "zone": "b"},
    }
    window = replace(ONCE, **chosen)
    targets = [replace(ONE, name=name, labels=of) for name, of in labels.items()]
    assert [target.name for target in targets if active([window], target, at("2030-01-06T00:00:00"))] == names
