"""Tests of the page of one target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.target import CountCheck
from monitor.web.pages import About, target
from monitor.web.rows import Row, TargetCounts
from tests.web import scenes
from tests.web.document import Document

ABOUT = About(now=scenes.NOW, started=scenes.STARTED, version="0")


@pytest.mark.parametrize("make", scenes.EVERY, ids=lambda make: make.__name__)
def test_every_outcome_makes_a_well_formed_page(make: scenes.Make) -> None:
    """Whatever the probes came to, the page holds together and lists them."""
    of = scenes.target()
    recent = scenes.series([make(None), scenes.complete()], of)
    document = Document(target(Row(of, recent, TargetCounts(2, 2, 1)), ABOUT))
    assert {f"/probes/{seen.probe_id}" for seen in recent} <= set(document.links)
    assert recent[0].verdict.detail in document.text


def test_a_target_never_probed() -> None:
    """Without a probe the page says when one is due, or that none is, and draws no chart."""
    page = target(Row(scenes.target()), ABOUT)
    assert "No probe yet: one is due every 60 s." in Document(page).text
    assert "<svg" not in page
    paused = replace(scenes.target(), paused=True)
    assert "No probe yet: this target is paused." in Document(target(Row(paused), ABOUT)).text


def test_what_is_configured() -> None:
    """The config of the target is told in words, without the URL's secrets, with a link to its upstream."""
    of = replace(
        scenes.target(), upstream="behind it", model="m", labels={"team": "search"}, check=CountCheck(), interval=0.5
    )
    document = Document(target(Row(of), ABOUT))
    assert "secret" not in document.text
    for word in (
        "https://llm.example/v1/chat/completions?key=***", "0.5 s", "count", "team=search",
        "connect 5 s, headers 30 s, first chunk 60 s, idle 30 s, total 300 s", "99 % available, 95 % within 2 s",
    ):  # fmt: skip
        assert word in document.text
    assert "/targets/behind%20it" in document.links


def test_whom_the_recent_probes_point_at() -> None:
    """The last probe's diagnosis stands above the numbers, after a success, too; nobody is named where nobody is."""
    of = scenes.target()
    recovered = replace(scenes.complete(), diagnosis=scenes.cut().diagnosis)
    for last, named in ((scenes.cut(), True), (recovered, True), (scenes.complete(), False)):
        text = Document(target(Row(of, scenes.series([last, scenes.cut()], of)), ABOUT)).text
        assert ("proxy_timeout: 4 of the last 5 cuts came 60.0 s +- 0.1 after the request" in text) is named


def test_numbers() -> None:
    """Availability leaves out what we stopped ourselves; the truncation ratio has its two counts."""
    of = scenes.target()
    recent = scenes.series([scenes.complete(), scenes.aborted(), scenes.cut(), scenes.complete()], of)
    text = Document(target(Row(of, recent, TargetCounts(1412, 1410, 141)), ABOUT)).text
    for word in ("66.7 %", "2 of 3", "10 %", "141 of 1,410 accepted", "1,412"):
        assert word in text


def test_probe_now_is_offered_where_it_is_possible() -> None:
    """The way to probe now stands on the page only where the monitor can."""
    row = Row(scenes.target())
    assert "POST /api/v1/targets/gateway/probe" in target(row, replace(ABOUT, probe_now=True))
    assert "POST" not in target(row, ABOUT)


def test_a_hostile_server_stays_text() -> None:
    """Names and errors with scripts, escapes or bidi marks reach the page as what they look like."""
    of = replace(scenes.target(scenes.CANARY), labels={"team": scenes.CANARY})
    page = target(Row(of, scenes.series([scenes.erred()], of)), ABOUT)
    assert not set("\x1b\u202e\u2066") & set(page)
    assert "<script" not in page
    assert Document(page).open == []
