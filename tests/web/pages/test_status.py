"""Tests of the page of all targets."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from monitor.record.rollup import Rollup
from monitor.record.target_summary import State
from monitor.web.overview import StatusQuery, overview
from monitor.web.pages import About, status
from monitor.web.pages.status import headline_of
from monitor.web.target_view import TargetView
from tests.web import samples
from tests.web.document import Document

ABOUT = About(now=samples.NOW, started=samples.STARTED, version="0")


def page(*views: TargetView, **query: str | int) -> str:
    """Return the page of these targets."""
    return status(overview(views, StatusQuery(**query)), None, ABOUT)  # type: ignore[arg-type] # as the tests give them


@pytest.mark.parametrize(
    ("counts", "headline"),
    [
        ({}, "No targets"),
        ({State.PAUSED: 2}, "All targets are paused"),
        ({State.OK: 1}, "1 target OK"),
        ({State.OK: 2, State.PAUSED: 1}, "All 2 targets OK"),
        ({State.OK: 1, State.NOT_PROVEN: 1}, "1 of 2 targets not proven"),
        ({State.OK: 1, State.NOT_PROVEN: 1, State.AT_RISK: 1}, "1 of 3 targets flaky or at risk"),
        ({State.DOWN: 1, State.AT_RISK: 1}, "1 of 2 targets down"),
    ],
)
def test_headline(counts: dict[State, int], headline: str) -> None:
    """The worst state, with how many targets are in it; paused ones are not counted."""
    assert headline_of(counts)[0] == headline


@pytest.mark.parametrize("make", samples.EVERY, ids=lambda make: make.__name__)
def test_every_outcome_makes_a_well_formed_page(make: samples.Make) -> None:
    """Whatever a probe came to, the page holds together and says so, in its title as well."""
    observation = make(None)
    made = page(samples.view(samples.target(), observation))
    assert (observation.verdict.cause or observation.verdict.outcome) in Document(made).text
    assert "of 1 target" in made or "1 target OK" in made


def test_a_row_says_since_when_why_and_who() -> None:
    """A row that is down has the cause, how long it fails, the streak, the suspect, and links to target and probe."""
    view = samples.view(samples.target("gw"), samples.cut(), samples.cut(), samples.complete())
    document = Document(page(view))
    for text in ("1 of 1 target down", "incomplete_body", "72 s", "2 in a row", "proxy_timeout", "66.7 %", "210 ms"):
        assert text in document.text
    assert {"./targets/gw", f"./probes/{view.recent[0].brief.probe_id}"} <= set(document.links)


def test_a_target_that_is_down_without_a_suspect() -> None:
    """A target that is down without a suspect is shown with an unknown suspect."""
    assert "not known" in Document(page(samples.view(samples.target(), samples.reset(), samples.reset()))).text


def test_only_what_is_not_ok_links_from_the_strip() -> None:
    """The strip of thirty probes has letters, and each square that is not ok links to its probe."""
    made = page(samples.view(samples.target(), samples.complete(), samples.cut(), *[samples.complete()] * 40))
    assert f'newest last: {"✓" * 28}T✓"' in made
    assert made.count('tabindex="-1"') == 1


def test_empty_states() -> None:
    """The page says that there is no target, that no target matches, or that a target waits for its first probe."""
    assert "No target is configured." in Document(page()).text
    assert "No target matches." in Document(page(samples.view(samples.target()), search="other")).text
    assert "waiting for the first probe" in Document(page(samples.view(samples.target()))).text


def test_overdue_and_slow_targets_say_so() -> None:
    """A flag for a last probe older than the schedule explains, and colour for a slow first chunk."""
    view = samples.view(replace(samples.target(), interval=1.0, timeouts=replace(samples.target().timeouts, total=1.0)), samples.complete(first=2.5))  # fmt: skip  # noqa: E501 - one view
    document = Document(page(view))
    assert "overdue" in document.text
    assert "late" in document.classes


def test_pages_and_filters_are_links_with_the_query() -> None:
    """Previous and next of a paged section, the rest of a cut one, and a chip for each state keep the query."""
    fine = [samples.view(samples.target(f"t{number:03}"), samples.complete()) for number in range(120)]
    assert {"./?q=t&page=2"} <= set(Document(page(*fine, search="t")).links)
    assert {"./?q=t", "./?q=t&page=3"} <= set(Document(page(*fine, search="t", page=2)).links)
    down = [samples.view(samples.target(f"d{number:03}"), samples.cut(), samples.cut()) for number in range(101)]
    document = Document(page(*down, sort="since"))
    assert "1 target more: show all of them" in document.text
    assert "./?state=down&sort=since" in document.links


def test_filters_show_what_is_selected() -> None:
    """The form has the search, the label and the order of the query, and keeps its state."""
    made = page(samples.view(replace(samples.target(), labels={"team": "a"})), search="gate", label="team=a", state="not_proven", sort="since")  # fmt: skip  # noqa: E501 - one page
    for part in ('value="gate"', "<option selected>team=a</option>", '<option value="since" selected>', 'name="state" value="not_proven"', 'aria-current="true"'):  # fmt: skip  # noqa: E501 - one list
        assert part in made


def test_a_hostile_server_and_a_hostile_config_stay_text() -> None:
    """Names, models, labels and errors with scripts, escapes or bidi marks reach the page as what they look like."""
    of = replace(samples.target(samples.CANARY), model=samples.CANARY, labels={"team": samples.CANARY})
    made = status(
        overview([samples.view(of, samples.erred())], StatusQuery()), None, replace(ABOUT, location=samples.CANARY)
    )
    assert not set("\x1b\u202e\u2066") & set(made)
    assert Document(made).text.count("alert('canary')") == 4


@pytest.mark.parametrize("targets", [1000, 10_000])
def test_a_thousand_targets_are_small(targets: int) -> None:
    """1000 targets, every tenth of them down, are at most 60 kB compressed, and so are 10,000."""
    whole, cut = [samples.complete()] * 5, [samples.cut()] * 5
    views = [samples.view(samples.target(f"gateway-{it}"), *(whole if it % 10 else cut)) for it in range(targets)]
    assert len(gzip.compress(page(*views).encode(), 5)) <= 60_000


def test_figures_of_the_history() -> None:
    """The row has truncation and cost of a day and the error budget of a month; without a probe they are empty."""
    view = samples.view(samples.target("gw"), samples.cut())
    day = Rollup(accepted=200, truncated=1, input_tokens=5000, output_tokens=7)
    windows = {"gw": {"24h": day, "30d": Rollup(probes=1000, available=995)}}
    text = Document(status(overview([view], StatusQuery()), windows, ABOUT)).text
    for words in ("for 24 hours", "0.5 %", "5,007 tok", "50 %"):
        assert words in text
    assert "0 tok" in Document(status(overview([view], StatusQuery()), {}, ABOUT)).text


def test_a_common_cause_is_shown_first() -> None:
    """If the targets that fail have one thing in common."""
    views = [samples.view(samples.target(str(number)), samples.cut()) for number in range(3)]
    assert "All 3 targets on llm.example fail." in Document(page(*views)).text


def test_groups_have_their_titles_and_link_to_all() -> None:
    """A group of which nothing is wrong is a count."""
    document = Document(page(samples.view(samples.target("a"), samples.complete()), group="protocol"))
    assert "openai-chat 1 target" in " ".join(document.text.split())
    assert "./?q=openai-chat" in document.links
