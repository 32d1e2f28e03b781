"""Selection and order of the targets on the status page: `GET /?q=&state=&label=&sort=&page=`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from monitor.record.observation import host_of
from monitor.record.target_summary import State
from monitor.target import Target
from monitor.web.common_cause import common_cause
from monitor.web.listing import BadQueryError
from monitor.web.target_view import TargetView

ATTENTION = (State.DOWN, State.AT_RISK, State.NOT_PROVEN)
"""States that need attention."""
WHOLE = 100
"""The most targets of those states, and on a page if one state is selected."""
PAGE = 50
"""The most other targets on a page."""
TITLES = {
    State.DOWN: "Down",
    State.AT_RISK: "Flaky or SLO at risk",
    State.NOT_PROVEN: "Not proven",
    State.OK: "OK",
    State.PAUSED: "Paused",
}
_LAST = "~"
SORTS: dict[str, Callable[[TargetView], tuple[float | str, ...]]] = {
    "name": lambda view: (view.target.name,),
    "since": lambda view: (view.memory.failing_since or _LAST, view.target.name),
    "first_chunk": lambda view: (-(view.first_chunk_quantile(0.95) or 0.0), view.target.name),
    "truncated": lambda view: (-view.memory.counts.truncated / max(view.memory.counts.accepted, 1), view.target.name),
}
"""The sort orders, the most urgent first."""
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """The query of the status page: a part of a name, a state, a label `key=value`, an order, and a page."""

    search: str = ""
    state: str = ""
    label: str = ""
    sort: str = "name"
    page: int = 1
    group: str = ""
    """`host`, `protocol`, `upstream`, or the name of a label; by state if it is empty."""

    def url(self, **changed: str | int) -> str:
        """Return the query string with some values changed; the page is left out unless it is changed."""
        values: dict[str, str | int] = {"q": self.search, "state": self.state, "label": self.label, "sort": self.sort}
        values |= {"group": self.group, "page": 1}
        values |= changed
        defaults = {"sort": "name", "page": 1}
        return "?" + urlencode({key: value for key, value in values.items() if value and value != defaults.get(key)})


@dataclass(frozen=True, slots=True)
class Section:
    """The targets of one state or group: their number, and those on this page."""

    state: State
    """The state; for a group, that of its worst target."""
    total: int
    shown: Sequence[TargetView]
    pages: int
    """The number of pages."""
    title: str
    rest: str = ""
    """The query for all of them, if not all are here."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The status page: counts of all targets by state, and the sections that a query selects."""

    counts: Mapping[State, int]
    sections: Sequence[Section]
    query: StatusQuery
    labels: Sequence[str]
    """Each `key=value` that a target has, at most `WHOLE`."""
    groups: Sequence[str] = ()
    """The available groupings."""
    common_cause: str = ""
    """What the failing targets have in common, as a sentence."""


def parse(query: Mapping[str, str]) -> StatusQuery:
    """Parse a request's query; BadQueryError if a value is invalid."""
    state, sort, page = query.get("state", ""), query.get("sort", "name"), query.get("page", "1")
    if state and state not in set(State):
        raise BadQueryError(f"state must be one of {', '.join(State)}.")
    if sort not in SORTS:
        raise BadQueryError(f"sort must be one of {', '.join(SORTS)}.")
    if not (page.isascii() and page.isdigit() and len(page) <= _MOST_DIGITS and int(page) > 0):
        raise BadQueryError("page must be a number of at least 1.")
    return StatusQuery(query.get("q", ""), state, query.get("label", ""), sort, int(page), query.get("group", ""))


def overview(views: Sequence[TargetView], query: StatusQuery) -> Overview:
    """Return the content of the status page for these targets."""
    chosen = [view for view in views if _matches(view, query)] if query.search or query.label else views
    found = sorted(chosen, key=SORTS[query.sort])
    labels = sorted(f"{key}={value}" for key, value in {pair for view in views for pair in view.target.labels.items()})
    names = [*_GROUPS, *sorted({label.partition("=")[0] for label in labels})]
    sections = _by_group(found, query) if query.group else _by_state(found, query)
    return Overview(
        Counter(view.state for view in views), sections, query, labels[:WHOLE], names[:WHOLE], common_cause(views)
    )


def _by_state(found: Sequence[TargetView], query: StatusQuery) -> list[Section]:
    members: dict[State, list[TargetView]] = {state: [] for state in State}
    for view in found:
        members[view.state].append(view)
    sections, left = [], WHOLE
    for state in State if not query.state else (State(query.state),):
        section = _section(state, members[state], query, left)
        if state in ATTENTION:
            left -= len(section.shown)
        if members[state]:
            sections.append(section)
    return sections


def _by_group(found: Sequence[TargetView], query: StatusQuery) -> list[Section]:
    """Return a section for each value, the worst first: the targets that are not OK, and the total number."""
    members: dict[str, list[TargetView]] = {}
    for view in found:
        members.setdefault(group_of(view.target, query.group), []).append(view)
    order, left, sections = list(State), WHOLE, []
    for value, each in members.items():
        worst = min((view.state for view in each), key=order.index)
        chosen = {"q": value} if query.group in _GROUPS else {"label": f"{query.group}={value}"}
        attention = sorted((view for view in each if view.state in ATTENTION), key=lambda view: order.index(view.state))
        shown = [view for view in attention if not query.state or view.state == query.state]
        sections.append(Section(worst, len(each), shown, 1, value or "none", query.url(**chosen, group="")))
    sections.sort(key=lambda section: (order.index(section.state), -len(section.shown), section.title))
    bounded = []
    for section in sections[:WHOLE]:
        bounded.append(replace(section, shown=section.shown[:left]))
        left -= len(bounded[-1].shown)
    return bounded


_GROUPS: dict[str, Callable[[Target], str]] = {
    "host": lambda target: host_of(target.url),
    "protocol": lambda target: target.protocol,
    "upstream": lambda target: target.upstream or "",
}
"""The groupings besides labels."""


def group_of(target: Target, group: str) -> str:
    """Return the value by which a target is grouped; empty if it has none."""
    return _GROUPS[group](target) if group in _GROUPS else target.labels.get(group, "")


def _section(state: State, members: Sequence[TargetView], query: StatusQuery, left: int) -> Section:
    """Return the page of a section; states that need attention are cut at `left` unless selected."""
    if state in ATTENTION and not query.state:
        return Section(state, len(members), members[:left], 1, TITLES[state], query.url(state=state))
    size = WHOLE if query.state else PAGE
    pages = max(-(-len(members) // size), 1)
    start = (min(query.page, pages) - 1) * size
    return Section(state, len(members), members[start : start + size], pages, TITLES[state])


def _matches(view: TargetView, query: StatusQuery) -> bool:
    target = view.target
    labels = {f"{key}={value}" for key, value in target.labels.items()}
    names = [target.name, target.protocol, target.model or "", host_of(target.url), target.upstream or ""]
    words = " ".join([*names, *labels]).casefold()
    return query.search.casefold() in words and (not query.label or query.label in labels)
