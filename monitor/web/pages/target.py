"""The page of one target: its incident, its recent probes, and its config."""

from __future__ import annotations

from monitor.record.observation import shown_url
from monitor.record.target_summary import State
from monitor.target import Slo, Timeouts
from monitor.web.overview import TITLES
from monitor.web.pages.chart import chart
from monitor.web.pages.environment import About, render
from monitor.web.target_view import TargetView
from monitor.web.tones import Tone, tone
from monitor.web.words import limit


def target(view: TargetView, about: About) -> str:
    """Return the page of one target."""
    it, last = view.target, view.last
    events = [probe.event for probe in view.recent]
    values = {
        "view": view,
        "target": it,
        "summary": view.summary(about.now),
        "last": last.event if last else None,
        "failing": view.state is State.DOWN or view.memory.state.confirmed.failures > 0,
        "state": TITLES[view.state],
        "events": events,
        "chart": chart(events, it.slo.first_chunk.threshold) if events else None,
        "config": config(view),
        "live": True,
    }
    return render("target.html", about, values, news=tone(last.brief) if last else Tone.NONE)


def config(view: TargetView) -> dict[str, str]:
    """Return the target's config in words, without secrets; what is not set has no key."""
    it = view.target
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
        "SLO": _slo(it.slo),
    }
    return {key: value for key, value in values.items() if value}


def _timeouts(it: Timeouts) -> str:
    limits = {"connect": it.connect, "headers": it.headers, "first chunk": it.first_chunk, "idle": it.idle}
    return ", ".join(f"{name} {limit(value)}" for name, value in (limits | {"total": it.total}).items())


def _slo(it: Slo) -> str:
    first = it.first_chunk
    return f"{100 * it.availability:g} % available, {100 * first.objective:g} % within {limit(first.threshold)}"
