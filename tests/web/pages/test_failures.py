"""Tests of the page of failures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.web.failure_query import FailureQuery
from monitor.web.pages import About, failures
from monitor.web.pages.failures import groups
from tests.web import samples
from tests.web.document import Document

ABOUT = About(now=samples.NOW, started=samples.STARTED, version="0")
CUT = samples.cut(samples.target("a"))
BESIDE = replace(samples.cut(samples.target("b")), probe_id="b", timestamp=CUT.timestamp - timedelta(seconds=0.5))
CHAINED = replace(samples.cut(samples.target("d")), probe_id="d", timestamp=CUT.timestamp - timedelta(seconds=1.25))
BEFORE = replace(samples.reset(samples.target("c")), probe_id="c", timestamp=CUT.timestamp - timedelta(minutes=5))
EVENTS = [samples.event(one) for one in (BEFORE, CUT, BESIDE)]


def test_failures_within_a_second_stand_together() -> None:
    """Newest end first; those that ended within a second of each other are one group."""
    found = groups(EVENTS)
    assert [[event.target for event in group.events] for group in found] == [["a", "b"], ["c"]]
    assert [group.targets for group in found] == [2, 1]


def test_a_group_is_no_longer_than_a_second() -> None:
    """What ended within a second of its oldest one, and not of its newest, is a group of its own."""
    found = groups([*EVENTS, samples.event(CHAINED)])
    assert [[event.target for event in group.events] for group in found] == [["a", "b"], ["d"], ["c"]]


def test_the_page() -> None:
    """Each failure has its target, cause, suspect and detail, and the form has what was asked for."""
    query = FailureQuery(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC), "x")
    page = failures(EVENTS, query, ABOUT, truncated=True)
    document = Document(page)
    for text in ("3 failures and more", "2 targets within a second", "proxy_timeout", "suspect not known", "reset", "Only the newest"):  # fmt: skip  # noqa: E501 - one list
        assert text in document.text
    assert {"./targets/a", "./probes/b"} <= set(document.links)
    assert 'value="2026-11-22T00:00:00Z"' in page
    assert "data-poll=" not in page
    assert 'data-poll="5"' in failures([], FailureQuery(), ABOUT)


def test_no_failure() -> None:
    """A page without failures says so."""
    assert "No failures in this time." in Document(failures([], FailureQuery(), ABOUT)).text
