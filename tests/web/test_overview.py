"""Tests of which targets the status page shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.record.target_summary import State
from monitor.web.listing import BadQueryError
from monitor.web.overview import PAGE, WHOLE, StatusQuery, overview, parse
from monitor.web.target_view import TargetView
from tests.web import samples


def down(name: str) -> TargetView:
    """Return a target that is down."""
    return samples.view(samples.target(name), samples.cut(), samples.reset())


def fine(name: str, **labels: str) -> TargetView:
    """Return a target that is OK."""
    return samples.view(replace(samples.target(name), labels=labels), samples.complete())


def test_sections_begin_with_what_needs_somebody() -> None:
    """Down, at risk, not proven, OK, paused; a state without a target has no section."""
    paused = samples.view(replace(samples.target("p"), paused=True))
    views = [paused, fine("a"), samples.view(samples.target("n")), down("d")]
    shown = overview(views, StatusQuery())
    assert [section.state for section in shown.sections] == [State.DOWN, State.NOT_PROVEN, State.OK, State.PAUSED]
    assert shown.counts == {State.DOWN: 1, State.NOT_PROVEN: 1, State.OK: 1, State.PAUSED: 1}


def test_what_is_not_ok_is_whole_up_to_a_hundred_and_ok_is_paged() -> None:
    """The 101st that is down is one click away; of those that are OK a page is shown, the last at most."""
    views = [down(f"d{number:03}") for number in range(WHOLE + 1)] + [fine(f"f{number:03}") for number in range(120)]
    views += [samples.view(samples.target("unproven"))]
    broken, unproven, good = overview(views, StatusQuery(page=99)).sections
    assert (broken.total, len(broken.shown), broken.pages) == (WHOLE + 1, WHOLE, 1)
    assert (unproven.total, len(unproven.shown)) == (1, 0)
    assert (good.total, good.pages, good.shown[0].target.name) == (120, 3, f"f{2 * PAGE:03}")
    (selected,) = overview(views, StatusQuery(state="down", page=2)).sections
    assert ([view.target.name for view in selected.shown], selected.pages) == ([f"d{WHOLE:03}"], 2)


def test_search_and_label() -> None:
    """A part of name, model, protocol or label in any case; a label is matched whole."""
    views = [fine("Gateway", team="search"), fine("other", team="ads")]
    for query in (StatusQuery(search="gate"), StatusQuery(label="team=search"), StatusQuery(search="SEARCH")):
        assert [view.target.name for view in overview(views, query).sections[0].shown] == ["Gateway"]
    assert overview(views, StatusQuery(search="none")).sections == []
    assert overview(views, StatusQuery()).labels == ["team=ads", "team=search"]


def test_groups() -> None:
    """By host, protocol, upstream or a label: the worst group first, what is not OK in it, and how many there are."""
    of = replace(samples.target("d2"), labels={"team": "ads"}, upstream="up")
    views = [
        fine("a", team="search"),
        fine("b", team="ads"),
        down("d1"),
        samples.view(of, samples.cut(), samples.reset()),
    ]
    shown = overview(views, StatusQuery(group="team"))
    groups = [(it.title, it.total, [view.target.name for view in it.shown], it.rest) for it in shown.sections]
    assert groups == [
        ("ads", 2, ["d2"], "?label=team%3Dads"), ("none", 1, ["d1"], "?label=team%3D"),
        ("search", 1, [], "?label=team%3Dsearch"),
    ]  # fmt: skip
    assert shown.groups == ["host", "protocol", "upstream", "team"]
    (host,) = overview(views, StatusQuery(group="host")).sections
    assert (host.title, host.rest, len(host.shown)) == ("llm.example", "?q=llm.example", 2)
    (host,) = overview(views, StatusQuery(group="host", state="ok")).sections
    assert host.shown == []
    assert [it.title for it in overview(views, StatusQuery(group="upstream")).sections] == ["none", "up"]


def test_groups_are_bounded() -> None:
    """A hundred groups, and a hundred targets in all of them."""
    views = [fine(f"f{number}", team=str(number)) for number in range(WHOLE + 5)]
    assert len(overview(views, StatusQuery(group="team")).sections) == WHOLE
    views = [down(f"d{number}") for number in range(WHOLE + 5)]
    assert [len(it.shown) for it in overview(views, StatusQuery(group="protocol")).sections] == [WHOLE]


@pytest.mark.parametrize(
    ("sort", "names"),
    [("name", ["a", "b", "c"]), ("first_chunk", ["b", "c", "a"]), ("since", ["a", "b", "c"]),
     ("truncated", ["c", "a", "b"])],
)  # fmt: skip
def test_orders(sort: str, names: list[str]) -> None:
    """By name, the slowest, the longest failing or the most often truncated first."""
    made = {
        "a": [samples.reset()],
        "b": [samples.complete(first=1.5), samples.cut()],
        "c": [samples.complete(first=1.0)],
    }
    extra = {"a": [samples.complete()], "b": [samples.complete()], "c": [samples.reset(), samples.reset()]}
    views = [samples.view(samples.target(name), *made[name], *extra[name]) for name in "cba"]
    (section,) = overview(views, StatusQuery(sort=sort)).sections
    assert [view.target.name for view in section.shown] == names


def test_a_query_and_its_url() -> None:
    """What is asked for is in the URL, without defaults; a change of anything else goes back to the first page."""
    query = parse({"q": "a b", "state": "down", "label": "k=v", "sort": "since", "page": "3"})
    assert query == StatusQuery("a b", "down", "k=v", "since", 3)
    assert query.url(page=4) == "?q=a+b&state=down&label=k%3Dv&sort=since&page=4"
    assert query.url(state="") == "?q=a+b&label=k%3Dv&sort=since"
    assert parse({}).url() == "?"


@pytest.mark.parametrize(
    "query", [{"state": "up"}, {"sort": "x"}, {"page": "0"}, {"page": "-1"}, {"page": "x"}, {"page": "1" * 9}]
)
def test_an_invalid_query(query: dict[str, str]) -> None:
    """A state, an order or a page that does not exist is refused with what does."""
    with pytest.raises(BadQueryError, match="must be"):
        parse(query)
