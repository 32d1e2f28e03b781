"""Tests of the page of all targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from monitor.record.observation import Observation
from monitor.web.pages import About, status
from monitor.web.rows import Row, TargetCounts
from tests.web import scenes
from tests.web.document import Document

ABOUT = About(now=scenes.NOW, started=scenes.STARTED, version="0")


def row(made: Sequence[Observation], name: str = "gateway", *, paused: bool = False) -> Row:
    """Return a target's row."""
    of = replace(scenes.target(name), paused=paused)
    return Row(of, scenes.series(made, of), TargetCounts(len(made), len(made), 0))


@pytest.mark.parametrize(
    ("rows", "headline"),
    [
        ([], "No targets"),
        ([row([])], "Waiting for the first probe of 1 target"),
        ([row([scenes.complete()])], "1 target complete"),
        ([row([scenes.complete()]), row([scenes.complete()])], "All 2 targets complete"),
        ([row([scenes.complete()]), row([scenes.unverified()])], "None failing, 1 of 2 targets not proven complete"),
        ([row([scenes.complete()]), row([scenes.cut()]), row([])], "1 of 3 targets failing"),
        ([row([scenes.cut()], paused=True)], "All targets are paused"),
        ([row([scenes.cut()], paused=True), row([scenes.complete()])], "1 target complete"),
        ([row([scenes.aborted()])], "None failing, 1 of 1 target not proven complete"),
    ],
)
def test_headline(rows: list[Row], headline: str) -> None:
    """The first line says how things stand, and so does the title of the tab."""
    page = status(rows, ABOUT)
    assert f"<title>{headline} · chat-monitor</title>" in page
    assert headline in Document(page).text


@pytest.mark.parametrize("make", scenes.EVERY, ids=lambda make: make.__name__)
def test_every_outcome_makes_a_well_formed_page(make: scenes.Make) -> None:
    """Whatever a probe came to, the page holds together and says so."""
    seen = make(None)
    document = Document(status([row([seen])], ABOUT))
    assert seen.verdict.outcome in document.text


def test_who_needs_somebody_stands_first() -> None:
    """Cuts come before what is down, that before what is unsure, that before what is well, and paused ones last."""
    rows = [
        row([scenes.cut()], "e-paused", paused=True),
        row([scenes.complete()], "d-well"),
        row([scenes.unverified()], "c-unsure"),
        row([scenes.unreachable()], "b-down"),
        row([scenes.cut()], "a-cut"),
    ]
    text = Document(status(rows, ABOUT)).text
    places = [text.index(name) for name in ("a-cut", "b-down", "c-unsure", "d-well", "e-paused")]
    assert places == sorted(places)


def test_a_row_has_the_numbers_of_its_target() -> None:
    """Protocol, model, times to first chunk and the truncation ratio with its two counts are told."""
    of = replace(scenes.target("gw"), model="m-7")
    recent = scenes.series([scenes.complete(first=first) for first in (2.5, 0.2, 0.3)], of)
    document = Document(status([Row(of, recent, TargetCounts(412, 410, 11))], ABOUT))
    for word in ("openai-chat · m-7", "2.50 s", "p50 300 ms · p95 2.50 s", "2.68 %", "11 of 410", "over its SLO"):
        assert word in document.text
    assert document.classes.count("late") == 2


def test_what_was_never_measured_is_said_in_words() -> None:
    """Neither a target without a probe nor one that never got through shows made-up numbers."""
    new = Document(status([Row(scenes.target())], ABOUT)).text
    assert "no probe yet" in new
    assert "none accepted yet" in new
    assert "never reached" in Document(status([row([scenes.unreachable()])], ABOUT)).text


def test_advice_is_for_who_needs_it() -> None:
    """What to do next stands under every row but those that are well, paused or new."""
    assert "Next: " in status([row([scenes.cut()])], ABOUT)
    well = [row([scenes.complete()]), row([]), row([scenes.cut()], paused=True)]
    assert "Next: " not in status(well, ABOUT)


def test_the_strip_is_of_thirty() -> None:
    """No more than the last thirty outcomes are drawn."""
    document = Document(status([row([scenes.complete()] * 35)], ABOUT))
    assert sum(link.startswith("/probes/") for link in document.links) == 30 + 1


def test_a_hostile_server_and_a_hostile_config_stay_text() -> None:
    """Names, models, labels and errors with scripts, escapes or bidi marks reach the page as what they look like."""
    of = replace(scenes.target(scenes.CANARY), model=scenes.CANARY, labels={"team": scenes.CANARY})
    page = status([Row(of, scenes.series([scenes.erred()], of))], replace(ABOUT, location=scenes.CANARY))
    assert not set("\x1b\u202e\u2066") & set(page)
    assert "<script" not in page
    assert Document(page).text.count("alert('canary')") == 4


def test_many_targets_refresh_less_often() -> None:
    """More than a hundred rows are drawn every half minute, fewer every five seconds."""
    assert 'content="5"' in status([row([])] * 100, ABOUT)
    assert 'content="30"' in status([row([])] * 101, ABOUT)
