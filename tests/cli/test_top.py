"""The screen of `top`, and the output of the other commands, at 60, 80 and 120 columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len
from rich.text import Text

from monitor.cli.terminal import explanation, lines
from monitor.cli.top import Screen, draw, totals, truncation
from monitor.record.target_summary import TargetSummary, WindowSummary, summarize
from tests.cli.test_terminal import event_from
from tests.sinks.samples import GATEWAY, START, cut, refused, whole

STORED = Path(__file__).parent / "stored"
NOW = START + timedelta(seconds=90)
LONG = replace(GATEWAY, name="a-gateway-with-a-name-that-is-long")


def summaries() -> list[TargetSummary]:
    """Return targets of several states."""
    down = summarize("b", [event_from(cut()), event_from(cut()), event_from(whole())])
    return [
        msgspec.structs.replace(down, state="down"),
        msgspec.structs.replace(summarize(LONG.name, [event_from(refused(LONG))] * 3), state="at_risk"),
        msgspec.structs.replace(summarize("fine", [event_from(whole())] * 30), state="ok"),
        TargetSummary(name="new", state="not_proven"),
        TargetSummary(name="resting", last=event_from(whole()), paused=True, state="paused"),
    ]


def test_a_target_in_maintenance() -> None:
    """A target in maintenance says so in place of its last verdict."""
    it = TargetSummary(name="moved", last=event_from(cut()), maintenance_until="2026-11-22T23:10:00Z", state="down")
    [screen] = [" ".join(line.plain for line in draw([it], Screen(), NOW, (100, 12)))]
    assert "maintenance" in screen


def top(width: int) -> Iterable[Text]:
    """Return the screen of a terminal of 12 lines."""
    return draw(summaries(), Screen(), NOW, (width, 12))


def history(width: int) -> Iterable[Text]:
    """Return a list of probes."""
    return lines([event_from(cut()), event_from(refused(LONG)), event_from(whole(replace(GATEWAY, name="b")))], width)


def explain(width: int) -> Iterable[Text]:
    """Return all that is kept of a probe."""
    words = "so far " * 30
    return explanation(event_from(replace(cut(), last_words=words, peer="192.0.2.7:443")), width)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("make", [top, history, explain], ids=lambda it: it.__name__)
def test_it_is_what_is_stored(make: Callable[[int], Iterable[Text]], width: int) -> None:
    """Line by line, and nothing is wider than the terminal; UPDATE=1 stores it."""
    shown = [line.plain.rstrip() for line in make(width)]
    assert all(cell_len(line) <= width for line in shown), [line for line in shown if cell_len(line) > width]
    path = STORED / f"{make.__name__}-{width}.txt"
    if os.environ.get("UPDATE"):
        path.write_text("\n".join(shown) + "\n", encoding="utf-8")
    assert "\n".join(shown) + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", range(40, 130, 7))
@pytest.mark.parametrize("make", [top, history, explain], ids=lambda it: it.__name__)
def test_it_fits_every_width(make: Callable[[int], Iterable[Text]], width: int) -> None:
    """From 40 columns on every line fits."""
    assert all(cell_len(line.plain.rstrip()) <= width for line in make(width))


def names(screen: Screen, height: int | None = None) -> list[str]:
    """Return the targets that a screen shows."""
    rows = list(draw(summaries(), screen, NOW, (None if height is None else 120, height)))
    return [row.plain.split()[0] for row in rows[2 : None if height is None else -1]]


@pytest.mark.parametrize(
    ("sort", "first"), [("state", "b"), ("name", "a-gateway-with-a-name-that-is-long"), ("truncated", "b")]
)
def test_orders(sort: str, first: str) -> None:
    """The orders are by urgency, by name, and by truncations."""
    assert names(Screen(sort=sort))[0] == first
    assert len(names(Screen(sort="first chunk"))) == 5


def pressed(*keys: str) -> Screen:
    """Return the screen after some keys."""
    screen = Screen()
    for key in keys:
        screen = screen.pressed(key)
    return screen


@pytest.mark.parametrize(
    ("keys", "screen"),
    [
        ("s", Screen(sort="name")),
        ("ssss", Screen()),
        (["j", "down", "k"], Screen(first=1)),
        (["k"], Screen()),
        (["page down", "page up", " "], Screen(first=10)),
        (["j", "g"], Screen()),
        (["j", "home"], Screen()),
        ("/ab", Screen(search="ab", typing=True)),
        (["/", "a", "b", "backspace", "enter"], Screen(search="a")),
        (["/", "q", "up", "escape"], Screen()),
        ("q", Screen(quit=True)),
        (["x", "escape"], Screen()),
    ],
)
def test_keys(keys: Sequence[str], screen: Screen) -> None:
    """Keys sort, scroll, filter and end; unknown keys are ignored."""
    assert pressed(*keys) == screen


def test_a_filter_and_a_window() -> None:
    """The names that contain the text; of many targets those from the first that was scrolled to, the last at most."""
    assert names(Screen(search="FIN")) == ["fine"]
    assert names(Screen(first=1), 6) == names(Screen())[1:3]
    assert names(Screen(first=99), 6) == names(Screen())[3:]
    assert names(Screen(search="none"), 6) == []
    last = list(draw(summaries(), Screen(search="x", typing=True), NOW, (120, 6)))[-1].plain
    assert last.startswith("0-0 of 0  by state  filter: x_")


def test_totals() -> None:
    """How many targets are in each state; a daemon of another version may not say."""
    assert totals(summaries()).plain == "5 targets  1 down  1 at risk  1 not proven  1 ok  1 paused"
    assert totals([TargetSummary(name="a")]).plain == "1 target  1 not known"


def test_the_truncation_ratio_of_a_day() -> None:
    """If a history is kept, else since the start."""
    it = TargetSummary(name="a", truncation_ratio=0.5)
    assert truncation(it) == 0.5
    assert truncation(msgspec.structs.replace(it, windows={"24h": WindowSummary(truncation_ratio=0.1)})) == 0.1
    assert truncation(msgspec.structs.replace(it, windows={"24h": WindowSummary()})) is None
