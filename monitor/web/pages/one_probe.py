"""The page of one probe: its verdict, the waterfall, what that means, and every fact of its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.probe_event import EventError, plain, read
from monitor.web.markup import Markup, h, join
from monitor.web.pages.frame import About, ago, facts, page, probe_link, section, target_link
from monitor.web.pages.pieces import badge, machine, quoting, sentence, suspects
from monitor.web.pages.waterfall import waterfall
from monitor.web.tones import Tone, flags, meaning, name, tone

_ELSEWHERE = frozenset({"event", "schema", "diagnosis", "server_error", "last_words", "detail"})


def probe(seen: Observation, about: About) -> str:
    """Return the page of one probe."""
    verdict, news = seen.verdict, tone(seen.verdict)
    body = (
        h("h1", badge(seen), h("span", f" {verdict.cause}", class_="cause") if verdict.cause else None, class_="title"),
        _lead(seen, about),
        h("p", sentence(verdict.detail), class_=f"note {news}"),
        section("The stream", waterfall(event_of(seen, timeline=True))),
        section("What it means", *_means(seen)) if news is not Tone.GOOD else None,
        suspects(seen),
        _words(seen),
        section("The record", _record(seen)),
        machine(probe_link(seen.probe_id, "/api/v1")),
    )
    title = f"{name(verdict)} \N{MIDDLE DOT} {seen.target.name} \N{MIDDLE DOT} chat-monitor"
    return page(title, about, *body, news=news)


def kept(event: Mapping[str, object], about: About) -> str:
    """Return the page of a probe that the history alone knows: the event as it was written, drawn if it can be read."""
    verdict, target = str(event.get("outcome")), str(event.get("target"))
    facts_of_it = {key: value for key, value in event.items() if key not in {"timeline", "detail"}}
    body = (
        h("h1", verdict, h("span", f" {event['cause']}", class_="cause") if "cause" in event else None, class_="title"),
        h("p", f"probe of {target}, {event.get('timestamp')}: memory has forgotten it, and the history has it"),
        h("p", sentence(str(event.get("detail"))), class_="note"),
        _drawn(event),
        section("The record", facts(*_flat(facts_of_it))),
        machine(probe_link(str(event.get("probe_id")), "/api/v1")),
    )
    return page(f"{verdict} \N{MIDDLE DOT} {target} \N{MIDDLE DOT} chat-monitor", about, *body)


def _drawn(event: Mapping[str, object]) -> Markup | None:
    try:
        return section("The stream", waterfall(read(event)))
    except EventError:
        return None


def _lead(seen: Observation, about: About) -> Markup:
    return h(
        "p",
        *("probe of ", h("a", seen.target.name, href=target_link(seen.target.name)), ", ", ago(seen.timestamp, about)),
        *(", in phase ", h("code", seen.verdict.phase.value)),
        *(h("span", word, class_="flag") for word in flags(seen)),
        class_="lead",
    )


def _means(seen: Observation) -> tuple[Markup, ...]:
    what = meaning(seen.verdict)
    return (
        h("p", h("b", "Next: "), quoting(what.do), "."),
        h("p", h("b", "Likely: "), quoting(what.whose), "."),
    )


def _words(seen: Observation) -> Markup | None:
    error, last = seen.server_error, seen.last_words
    told = (
        facts(("type", error.type or None), ("code", error.code or None), ("message", error.message or None))
        if error
        else None
    )
    tail = join(h("p", "The last text before the end:"), h("pre", last)) if last else None
    return section("In the server's own words", told, tail) if told or tail else None


def _record(seen: Observation) -> Markup:
    return facts(
        *((key, value) for key, value in _flat(plain(event_of(seen))) if key.partition(".")[0] not in _ELSEWHERE)
    )


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield the record's keys as they stand in the event, one level for each dot."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value).lower() if isinstance(value, bool) else str(value)
