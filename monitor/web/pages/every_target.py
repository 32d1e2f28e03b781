"""The page of all targets: how they stand at one glance, those that need somebody first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from monitor.web.markup import Markup, h
from monitor.web.pages.frame import About, page, target_link
from monitor.web.pages.pieces import labels, last_probe, strip, what_to_do
from monitor.web.rows import Row, TargetCounts, first_chunk
from monitor.web.tones import LETTERS, Tone, usual_tone
from monitor.web.words import count, ratio, seconds

STRIP = 30
"""How many of the last outcomes a row shows."""
_REFRESH, _SLOW_REFRESH, _MANY = 5, 30, 100
_ORDER = {kind: place for place, kind in enumerate(Tone)}
_COLUMNS = ("target", "last probe", f"last {STRIP}, oldest first", "first chunk", "truncated")


def status(rows: Sequence[Row], about: About) -> str:
    """Return the page of all targets, those that need somebody first."""
    refresh = _REFRESH if len(rows) <= _MANY else _SLOW_REFRESH
    headline, news = _headline(rows)
    ordered = sorted(rows, key=lambda row: (row.target.paused, _ORDER[row.tone]))
    body = (
        h("h1", headline, class_=f"headline {news}"),
        _counts(rows),
        _table(ordered, about) if rows else _no_targets(),
        _legend(),
    )
    return page(f"{headline} \N{MIDDLE DOT} chat-monitor", about, *body, news=news, refresh=refresh)


def _headline(rows: Sequence[Row]) -> tuple[str, Tone]:
    watched = [row for row in rows if not row.target.paused]
    failing = sum(row.failing for row in watched)
    waiting = sum(row.last is None for row in watched)
    unsure = sum(row.tone in {Tone.UNSURE, Tone.ODD, Tone.OWN} for row in watched)
    if failing:
        worst = min((row.tone for row in watched if row.failing), key=_ORDER.__getitem__)
        return f"{failing} of {count(len(watched), 'target')} failing", worst
    if not watched:
        return ("All targets are paused" if rows else "No targets"), Tone.NONE
    if waiting:
        return f"Waiting for the first probe of {count(waiting, 'target')}", Tone.NONE
    if unsure:
        return f"None failing, {unsure} of {count(len(watched), 'target')} not proven complete", Tone.UNSURE
    return ("All " if len(watched) > 1 else "") + f"{count(len(watched), 'target')} complete", Tone.GOOD


def _counts(rows: Sequence[Row]) -> Markup | None:
    counted = Counter((_ORDER[row.tone], row.tone, row.last.verdict.outcome) for row in rows if row.last)
    paused = sum(row.target.paused for row in rows)
    chips = [
        h("li", h("b", str(number)), f" {outcome}", class_=f"chip {news}")
        for (_, news, outcome), number in sorted(counted.items())
    ]
    chips += [h("li", h("b", str(paused)), " paused", class_="chip none")] if paused else []
    return h("ul", *chips, class_="chips", aria_label="targets by their last outcome") if chips else None


def _no_targets() -> Markup:
    return h(
        "div",
        h("p", "There is nothing to watch yet."),
        h(
            "p",
            "Add a ",
            h("code", "[[targets]]"),
            " table with a name, a protocol and a url to the config, then reload.",
        ),
        class_="empty",
    )


def _table(rows: Iterable[Row], about: About) -> Markup:
    head = h("thead", h("tr", *(h("th", column, scope="col") for column in _COLUMNS)))
    return h("table", head, *(_row(row, about) for row in rows), class_="targets")


def _row(row: Row, about: About) -> Markup:
    cells = (
        _who(row),
        h("td", *last_probe(row, about), class_="last"),
        h("td", strip(row.recent[:STRIP]), class_="history"),
        h("td", *_first_chunk(row), class_="n", data_label=_COLUMNS[3]),
        h("td", *_truncated(row.counts), class_="n", data_label=_COLUMNS[4]),
    )
    paused = " paused" if row.target.paused else ""
    return h("tbody", h("tr", *cells), _advice(row), class_=f"{row.tone}{paused}")


def _who(row: Row) -> Markup:
    target = row.target
    told = " \N{MIDDLE DOT} ".join(word for word in (target.protocol, target.model) if word)
    return h(
        "th",
        h("a", target.name, href=target_link(target.name), class_="name"),
        h("span", told, class_="sub"),
        labels(target.labels),
        scope="row",
    )


def _first_chunk(row: Row) -> tuple[Markup, ...]:
    last = first_chunk(row.last) if row.last else None
    late = last is not None and last > row.target.slo.first_chunk.threshold
    return h("span", seconds(last), class_="big late" if late else "big"), h("span", _quantiles(row), class_="sub")


def _quantiles(row: Row) -> str:
    if not row.recent:
        return "no probe yet"
    middle, high = row.first_chunk_quantile(0.5), row.first_chunk_quantile(0.95)
    return "never reached" if middle is None else f"p50 {seconds(middle)} \N{MIDDLE DOT} p95 {seconds(high)}"


def _truncated(counts: TargetCounts) -> tuple[Markup, ...]:
    told = f"{counts.truncated:,} of {counts.accepted:,}" if counts.accepted else "none accepted yet"
    big = h("span", ratio(counts.truncated, counts.accepted), class_="big late" if counts.truncated else "big")
    return big, h("span", told, class_="sub")


def _advice(row: Row) -> Markup | None:
    if row.last is None or row.tone is Tone.GOOD or row.target.paused:
        return None
    return h("tr", h("td", what_to_do(row.last), colspan=len(_COLUMNS)), class_="advice")


def _legend() -> Markup:
    squares = (
        h("li", h("span", letter, class_=f"square {usual_tone(outcome)}"), f" {outcome}")
        for outcome, letter in LETTERS.items()
    )
    return h("details", h("summary", "What the letters mean"), h("ul", *squares, class_="legend"))
