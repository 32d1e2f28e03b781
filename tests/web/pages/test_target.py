"""Tests of the page of one target."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.target import CountCheck
from monitor.web.pages import About
from monitor.web.pages import target as draw
from monitor.web.span import TimeSpan
from monitor.web.target_history import from_memory
from monitor.web.target_view import TargetView
from tests.web import samples
from tests.web.document import Document

ABOUT = About(now=samples.NOW, started=samples.STARTED, version="0", root="../")
DAY = TimeSpan(samples.NOW - timedelta(days=1), samples.NOW, live=True)


def target(view: TargetView, about: About = ABOUT, upstream: TargetView | None = None, curl: str = "") -> str:
    """Return the page of a target without a history, of the last day."""
    behind = upstream.recent if upstream else ()
    return draw(view, from_memory(view.recent, view.memory.counts, behind, DAY), about, curl)


@pytest.mark.parametrize("make", samples.EVERY, ids=lambda make: make.__name__)
def test_every_outcome_makes_a_well_formed_page(make: samples.Make) -> None:
    """Whatever the probes came to, the page holds together and lists them."""
    view = samples.view(samples.target(), make(None), samples.complete())
    document = Document(target(view))
    assert {f"../probes/{probe.brief.probe_id}" for probe in view.recent} <= set(document.links)
    assert view.recent[0].event.detail in document.text


def test_a_target_never_probed() -> None:
    """The page of a target without a probe says when one is due, or that none is, and has no chart."""
    page = target(samples.view(samples.target()))
    assert "No probe yet: one is due every 60 s." in Document(page).text
    assert "<figure" not in page
    paused = replace(samples.target(), paused=True)
    assert "No probe yet: this target is paused." in Document(target(samples.view(paused))).text


def test_the_incident_stands_first() -> None:
    """Since when, how many in a row, the last good probe, the cause, what to do and the suspect; state in the title."""
    view = samples.view(samples.target(), samples.cut(), samples.cut(), samples.complete())
    page = target(view)
    document = Document(page)
    assert "<title>Down: gateway · chat-monitor</title>" in page
    for text in (
        ("Failing for 72 s, since 2026-11-22 22:08:48 UTC, 2 failures in a row; began with truncated/incomplete_body; "
        "last good probe: 2 min ago"),
        "Next: look for a restart",
        "Suspect: proxy_timeout, because 4 of the last 5 cuts came 60.0 s +- 0.1 after the request.",
    ):  # fmt: skip
        assert text in document.text
    assert "Likely:" not in document.text, "the suspect is more than what such cuts usually mean"
    assert f"../probes/{view.recent[2].brief.probe_id}" in document.links
    alone = Document(target(samples.view(samples.target(), samples.reset()))).text
    assert "last good probe: none" in alone
    assert "not known: nothing observed points at one party" in alone
    assert "Failing for" not in Document(target(samples.view(samples.target(), samples.complete()))).text


def test_what_is_configured() -> None:
    """The page shows the config of the target, without the secrets of its URL, and links to its upstream."""
    of = replace(
        samples.target(), upstream="behind it", model="m", labels={"team": "search"}, check=CountCheck(), interval=0.5
    )
    document = Document(target(samples.view(of)))
    assert "secret" not in document.text
    for word in (
        "https://llm.example/v1/chat/completions?key=***", "500 ms", "count", "team=search", "2 failures in a row",
        "connect 5 s, headers 30 s, first chunk 60 s, idle 30 s, total 300 s", "99 % available, 95 % within 2 s",
    ):  # fmt: skip
        assert word in document.text
    assert "../targets/behind%20it" in document.links


def test_numbers() -> None:
    """Availability is of scheduled probes: not of our own faults, and not of requested probes; else since the start."""
    by_hand = replace(samples.cut(), trigger="api")
    made = [by_hand, samples.complete(), samples.aborted(), samples.cut(), samples.complete()]
    text = " ".join(Document(target(samples.view(samples.target(), *made))).text.split())
    for word in ("Objectives since the start", "66.7 %", "33.3 %", "by api", "33.3 times the budget", "122 tokens"):
        assert word in text


def test_an_upstream_is_shown_beside_it() -> None:
    """The outcomes of the upstream are on the same axis; the page says if there are none."""
    of = replace(samples.target(), upstream="behind")
    behind = samples.view(samples.target("behind"), samples.reset())
    document = Document(target(samples.view(of, samples.cut()), upstream=behind))
    assert "truncated/reset" in document.text
    assert any(link.startswith("../targets/behind?from=") for link in document.links)
    assert "no probe in this time" in Document(target(samples.view(of, samples.cut()))).text


def test_the_request_as_a_command() -> None:
    """It is there to be copied, as text."""
    page = target(samples.view(samples.target()), curl="curl -N '<url>'")
    assert "curl -N '<url>'" in Document(page).text
    assert "Query values are hidden, as they may be secrets: put them in for ***." in Document(page).text
    plain = replace(samples.target(), url="http://host/ask")
    assert "Query values" not in target(samples.view(plain), curl="curl -N '<url>'")


def test_probe_now_is_offered_if_it_is_possible() -> None:
    """The button, its cost and the API request are on the page only if the monitor can probe now."""
    view = samples.view(samples.target())
    page = target(view, replace(ABOUT, probe_now=True))
    assert 'action="../api/v1/targets/gateway/probe"' in page
    assert "at most 400 output tokens" in Document(page).text
    assert "POST" not in Document(target(view)).text


def test_a_threshold_that_is_near_is_drawn() -> None:
    """The chart has the SLO's line if the bars come near it."""
    assert "SLO 2 s" in Document(target(samples.view(samples.target(), samples.complete(first=1.5)))).text


def test_a_hostile_server_stays_text() -> None:
    """Names and errors with scripts, escapes or bidi marks reach the page as what they look like."""
    of = replace(samples.target(samples.CANARY), labels={"team": samples.CANARY})
    page = target(samples.view(of, samples.erred()))
    assert not set("\x1b\u202e\u2066") & set(page)
    assert Document(page).open == []
