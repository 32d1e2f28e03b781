"""Maintenance windows at literal moments: single and recurring ones, over midnight, and at changes of the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from monitor.files import NewerFileError
from monitor.maintenance import SetWindows, WindowRequest, active, resting_until
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
    """A recurring window follows the clock of its time zone, also when that changes to or from summer time."""
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


def test_until_when_windows_hold() -> None:
    """Of several open windows the last end counts; closed windows and those of other targets do not."""
    moment = at("2030-01-05T23:30")
    assert resting_until([ONCE, NIGHT], ONE, moment) == at("2030-01-06T02:00")
    assert resting_until([NIGHT], ONE, moment) == at("2030-01-06T01:00")
    assert resting_until([replace(NIGHT, targets=("other",))], ONE, moment) is None
    assert resting_until([ONCE, NIGHT], ONE, at("2030-01-06T03:00")) is None


NOW = at("2030-01-01T12:00")


def asked(**more: Any) -> WindowRequest:  # noqa: ANN401 - fields of WindowRequest
    """Return a request for a window of one target."""
    return WindowRequest(targets=("one",), **more)


def test_what_a_request_says() -> None:
    """By default a window lasts for a day, from now or from its start on."""
    assert asked().window("i", NOW, "me").end == NOW + timedelta(days=1)
    assert asked(duration="2h").window("i", NOW, "me").end == NOW + timedelta(hours=2)
    later = asked(start=NOW + timedelta(days=7)).window("i", NOW, "me")
    assert (later.start, later.end) == (NOW + timedelta(days=7), NOW + timedelta(days=8))
    assert asked(end=NOW + timedelta(days=60)).window("i", NOW, "me").end == NOW + timedelta(days=60)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (WindowRequest(), "name at least one"),
        (asked(end=NOW, duration="1h"), "leave one of them out"),
        (asked(end=NOW), "end: is not after start, or not in the future"),
        (asked(start=NOW + timedelta(hours=2), end=NOW + timedelta(hours=1)), "end: is not after start"),
        (asked(start=NOW - timedelta(hours=2), end=NOW - timedelta(hours=1)), "not in the future"),
        (asked(duration="0s"), "duration: is not between"),
        (asked(end=NOW + timedelta(days=400)), "end: is more than 366 days ahead"),
    ],
)
def test_what_cannot_be_asked_for(request_: WindowRequest, says: str) -> None:
    """A window without targets, without time, or too far ahead is refused."""
    with pytest.raises(ValueError, match=says):
        request_.window("i", NOW, "me")


def test_windows_that_were_set_are_kept() -> None:
    """Saved windows are read back, one that has ended is dropped, and one can be ended early."""
    windows, again = SetWindows(), SetWindows()
    short, long = asked(duration="1h").window("short", NOW, "me"), asked(comment="why").window("long", NOW, "me")
    windows.add(short)
    windows.add(long)
    again.load(windows.dump())
    assert again.all(NOW) == (short, long)
    assert again.all(NOW + timedelta(hours=1)) == (long,)
    assert again.end("short", NOW) is None
    ended = again.end("long", NOW + timedelta(hours=2))
    assert ended is not None
    assert ended.end == NOW + timedelta(hours=2)
    assert again.all(NOW) == ()
    assert active([long.window], ONE, NOW)


def test_windows_are_bounded() -> None:
    """The number of set windows is limited."""
    windows, one = SetWindows(), asked().window("0", NOW, "me")
    for number in range(1000):
        windows.add(msgspec.structs.replace(one, id=str(number)))
    with pytest.raises(ValueError, match="1,000 windows"):
        windows.add(msgspec.structs.replace(one, id="more"))


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}", b'{"version": 1, "windows": [{}]}', b'{"version": "x"}'])
def test_a_file_that_is_none(kept: bytes) -> None:
    """An invalid file is refused as a whole."""
    with pytest.raises(ValueError, match=r"."):
        SetWindows().load(kept)


def test_a_file_of_a_later_version() -> None:
    """A file of a later version is distinguished from a damaged one."""
    with pytest.raises(NewerFileError):
        SetWindows().load(b'{"version": 2, "windows": {"other": true}}')
