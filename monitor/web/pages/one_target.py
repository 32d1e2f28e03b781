"""The page of one target: how it stands, its recent probes, and its config."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.record.observation import Observation, shown_url
from monitor.stream.statistics import gap_figures
from monitor.target import Slo, Target, Timeouts
from monitor.web.markup import Markup, h
from monitor.web.pages.chart import chart
from monitor.web.pages.frame import About, ago, facts, page, section, target_link
from monitor.web.pages.pieces import badge, labels, last_probe, machine, suspects, what_to_do
from monitor.web.rows import Row, first_chunk
from monitor.web.tones import Tone, tone
from monitor.web.words import limit, ratio, seconds

_REFRESH = 5
_PROBE_COLUMNS = ("probe", "when", "first chunk", "duration", "chunks", "longest gap", "what was seen")


def target(row: Row, about: About) -> str:
    """Return the page of one target: how it stands, its recent probes, and its config."""
    it = row.target
    body = (
        h("h1", it.name, " ", *last_probe(row, about), class_="title"),
        h("div", what_to_do(row.last), class_=f"note {row.tone}") if row.last and row.tone is not Tone.GOOD else None,
        suspects(row.last) if row.last else None,
        _figures(row),
        section("Time to first chunk", chart(row.recent, it.slo.first_chunk.threshold)) if row.recent else None,
        section("Recent probes", _probes(row.recent, about) if row.recent else _no_probes(it)),
        section("Configured", _configured(it)),
        machine(
            target_link(it.name, "/api/v1"), f"{target_link(it.name, '/api/v1')}/probe" if about.probe_now else None
        ),
    )
    return page(f"{it.name} \N{MIDDLE DOT} chat-monitor", about, *body, news=row.tone, refresh=_REFRESH)


def _figures(row: Row) -> Markup:
    judged = [seen for seen in row.recent if tone(seen.verdict) is not Tone.OWN]
    good = sum(seen.available for seen in judged)
    last = first_chunk(row.last) if row.last else None
    truncated, accepted = row.counts.truncated, row.counts.accepted
    return h(
        "ul",
        _figure("first chunk, last", seconds(last)),
        _figure("p50 of recent", seconds(row.first_chunk_quantile(0.5))),
        _figure("p95 of recent", seconds(row.first_chunk_quantile(0.95))),
        _figure("truncated", ratio(truncated, accepted), f"{truncated:,} of {accepted:,} accepted"),
        _figure("available, recent", ratio(good, len(judged)), f"{good} of {len(judged)}"),
        _figure("probes since start", f"{row.counts.probes:,}"),
        class_="figures",
    )  # fmt: skip


def _figure(label: str, value: str, note: str | None = None) -> Markup:
    return h("li", h("span", label, class_="sub"), h("b", value), h("span", note, class_="sub") if note else None)


def _no_probes(it: Target) -> Markup:
    why = "this target is paused" if it.paused else f"one is due every {limit(it.interval)}"
    return h("p", f"No probe yet: {why}.", class_="empty")


def _probes(recent: Sequence[Observation], about: About) -> Markup:
    head = h("thead", h("tr", *(h("th", column, scope="col") for column in _PROBE_COLUMNS)))
    return h("table", head, h("tbody", *(_probe_row(seen, about) for seen in recent)), class_="probes")


def _probe_row(seen: Observation, about: About) -> Markup:
    apart = gap_figures(seen.recording)
    cells = (
        ago(seen.timestamp, about),
        seconds(first_chunk(seen)),
        seconds(seen.duration),
        str(seen.recording.chunks),
        seconds(apart.max if apart else None),
    )
    numbers = (
        h("td", cell, class_="n", data_label=label) for cell, label in zip(cells, _PROBE_COLUMNS[1:], strict=False)
    )
    cause = h("span", seen.verdict.cause, class_="sub") if seen.verdict.cause else None
    return h("tr", h("td", badge(seen), cause), *numbers, h("td", seen.verdict.detail, class_="detail"))


def _configured(it: Target) -> Markup:
    return facts(
        ("url", h("code", shown_url(it))),
        ("protocol", it.protocol),
        ("model", it.model),
        ("labels", labels(it.labels)),
        ("interval", limit(it.interval)),
        ("time-outs", _timeouts(it.timeouts)),
        ("content check", it.check.kind if it.check else "none"),
        ("terminator", it.terminator.value),
        ("SLO", _slo(it.slo)),
        ("upstream", h("a", it.upstream, href=target_link(it.upstream)) if it.upstream else None),
    )


def _timeouts(it: Timeouts) -> str:
    limits = {"connect": it.connect, "headers": it.headers, "first chunk": it.first_chunk, "idle": it.idle}
    return ", ".join(f"{name} {limit(value)}" for name, value in (limits | {"total": it.total}).items())


def _slo(it: Slo) -> str:
    first = it.first_chunk
    return f"{100 * it.availability:g} % available, {100 * first.objective:g} % within {limit(first.threshold)}"
