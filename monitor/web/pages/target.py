"""The page of one target: its incident, its probes in a span of time, and its config."""

from __future__ import annotations

from monitor.probe.curl import hidden_in_curl
from monitor.record.observation import shown_url
from monitor.record.parts import NOT_KNOWN
from monitor.target import Slo, Target, Timeouts
from monitor.web.formatting import limit
from monitor.web.overview import TITLES
from monitor.web.pages import chart
from monitor.web.pages.environment import About, render
from monitor.web.pages.objectives import windows
from monitor.web.target_history import SINCE_START, WINDOWS, TargetHistory
from monitor.web.target_view import TargetView
from monitor.web.tones import Tone, tone

_PRESETS = ("1h", *WINDOWS, "90d")


def target(view: TargetView, history: TargetHistory, about: About, curl: str = "") -> str:
    """Return the page of one target; `curl` is its request as a command."""
    it, last = view.target, view.last
    total = history.total
    values = {
        "view": view,
        "target": it,
        "summary": view.summary(about.now),
        "last": last.event if last else None,
        "failing": view.failing,
        "state": TITLES[view.state],
        "history": history,
        "span": history.span,
        "presets": _PRESETS,
        "outcomes": chart.outcomes(history),
        "first_chunks": chart.first_chunks(history, it.slo.first_chunk.threshold),
        "gaps": {
            "median gap of each stream": chart.distribution(total.gap_p50, "gap_p50"),
            "longest gap of each stream": chart.distribution(total.gap_max, "gap_max"),
        },
        "cuts": chart.cut_ages(total),
        "windows": list(windows(history.windows, it.slo)),
        "since_start": SINCE_START in history.windows,
        "config": config(it),
        "curl": curl,
        "not_known": NOT_KNOWN,
        "hidden": hidden_in_curl(it),
        "live": history.span.live,
        "viewbox": f"0 0 {chart.WIDTH} {chart.HEIGHT}",
    }
    return render("target.html", about, values, news=tone(last.brief) if last else Tone.NONE)


def config(it: Target) -> dict[str, str]:
    """Return the target's config as text, without secrets; keys that are not set are absent."""
    values = {
        "url": shown_url(it),
        "protocol": it.protocol,
        "model": it.model,
        "labels": ", ".join(f"{key}={value}" for key, value in it.labels.items()),
        "interval": limit(it.interval),
        "timeouts": _timeouts(it.timeouts),
        "content check": it.check.kind if it.check else "none",
        "terminator": it.terminator.value,
        "down after": f"{it.confirm} failures in a row",
        "max_tokens": f"{it.max_tokens:,} tokens" if it.max_tokens else None,
        "tokens_per_day": f"{it.tokens_per_day:,} tokens" if it.tokens_per_day else None,
        "SLO": _slo(it.slo),
    }
    return {key: value for key, value in values.items() if value}


def _timeouts(it: Timeouts) -> str:
    limits = {"connect": it.connect, "headers": it.headers, "first chunk": it.first_chunk, "idle": it.idle}
    return ", ".join(f"{name} {limit(value)}" for name, value in (limits | {"total": it.total}).items())


def _slo(it: Slo) -> str:
    first = it.first_chunk
    return f"{100 * it.availability:g} % available, {100 * first.objective:g} % within {limit(first.threshold)}"
