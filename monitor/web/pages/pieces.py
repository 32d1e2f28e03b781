"""Fragments that more than one page shows: a verdict's badge, the strip of outcomes, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from monitor.record.observation import Observation
from monitor.record.parts import NOT_KNOWN
from monitor.target import Target
from monitor.web.markup import Child, Markup, h, join, safe
from monitor.web.pages.frame import About, ago, probe_link, section
from monitor.web.rows import Row
from monitor.web.tones import LETTERS, flags, meaning, name, tone
from monitor.web.words import NOTHING, clock, limit


def badge(seen: Observation) -> Markup:
    """Return the outcome as a letter and a word on its colour, leading to the probe."""
    outcome = seen.verdict.outcome
    return h(
        "a",
        h("b", LETTERS[outcome], aria_hidden="true"),
        f" {outcome}",
        href=probe_link(seen.probe_id),
        class_=f"badge {tone(seen.verdict)}",
    )


def suspects(seen: Observation) -> Markup | None:
    """Return whom the incident of this probe points at, and why, or that it is not known; None for a good probe."""
    if not seen.diagnosis and not seen.failed:
        return None
    if not seen.diagnosis:
        return section("What the incident points at", h("p", NOT_KNOWN))
    rows = (h("li", h("b", it.suspect), f": {it.because}") for it in seen.diagnosis)
    return section("What the incident points at", h("ul", *rows, class_="suspects"))


def strip(recent: Sequence[Observation]) -> Markup:
    """Return the outcomes of `recent` (newest first) as small squares, the newest at the right."""
    if not recent:
        return h("span", NOTHING, class_="sub")
    told = Counter(name(seen.verdict) for seen in recent)
    label = "last outcomes: " + ", ".join(f"{number} {outcome}" for outcome, number in told.most_common())
    return h("span", *(_square(seen) for seen in reversed(recent)), class_="strip", role="group", aria_label=label)


def _square(seen: Observation) -> Markup:
    """One outcome; written out, for a page of a thousand targets has thirty thousand of them."""
    title = safe(f"{name(seen.verdict)}, {clock(seen.timestamp)}")
    return Markup(
        f'<a href="{probe_link(seen.probe_id)}" class="{tone(seen.verdict)}" tabindex="-1" title="{title}">'
        f"{LETTERS[seen.verdict.outcome]}</a>"
    )


def labels(labels: Mapping[str, str]) -> Markup | None:
    """Return a target's labels as little tags."""
    if not labels:
        return None
    return h("span", *(h("span", f"{key}={value}", class_="label") for key, value in labels.items()), class_="labels")


def last_probe(row: Row, about: About) -> tuple[Child, ...]:
    """Return what the last probe came to, how long ago, and what else is worth a word."""
    if row.target.paused:
        return (h("span", h("b", "\N{DOUBLE VERTICAL LINE}"), " paused", class_="badge none"),)
    if row.last is None:
        return h("span", h("b", "\N{MIDDLE DOT}"), " no probe yet", class_="badge none"), _every(row.target)
    return (
        badge(row.last),
        h("span", _cause(row.last), h("span", ago(row.last.timestamp, about), class_="keep"), class_="sub"),
        h("span", f"{row.failures_in_a_row} in a row", class_="flag") if row.failures_in_a_row > 1 else None,
        h("span", "overdue", class_="flag", title="no probe for three intervals") if row.stale(about.now) else None,
        *(h("span", word, class_="flag") for word in flags(row.last)),
    )


def _every(target: Target) -> Markup:
    return h("span", f"every {limit(target.interval)}", class_="sub")


def _cause(seen: Observation) -> Markup | None:
    return h("span", f"{seen.verdict.cause} \N{MIDDLE DOT} ", class_="keep") if seen.verdict.cause else None


def what_to_do(seen: Observation) -> Markup:
    """Return what was seen, what to do next, and whose fault it likely is."""
    what = meaning(seen.verdict)
    return h(
        "p",
        h("span", sentence(seen.verdict.detail), class_="seen"),
        " ",
        h("span", h("b", "Next: "), quoting(what.do), ".", class_="next"),
        " ",
        h("span", "Likely: ", quoting(what.whose), ".", class_="whose"),
    )


def sentence(text: str) -> Markup:
    """Return what was seen as a sentence."""
    return quoting(f"{text[:1].upper()}{text[1:]}." if text else "")


def quoting(text: str) -> Markup:
    """Return a text of the table of meanings with what it puts into backticks as code."""
    return join(*(h("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))))


def machine(resource: str, probe_now: str | None = None) -> Markup:
    """Return the line that says where a program finds the same."""
    return h(
        "p",
        h("a", "the same as JSON", href=resource),
        join(" \N{MIDDLE DOT} probe now: ", h("code", f"POST {probe_now}")) if probe_now else None,
        class_="machine",
    )
