"""The page of one probe: its verdict, waterfall and explanation, and every value of its event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.keys.durations import measured
from monitor.record.parts import NOT_KNOWN
from monitor.record.probe_event import ProbeEvent, plain
from monitor.target import Timeouts
from monitor.web.pages.environment import About, render
from monitor.web.pages.hex_dump import hex_dump
from monitor.web.pages.waterfall import waterfall
from monitor.web.tones import Tone, tone

_ELSEWHERE = frozenset({"event", "schema", "diagnosis", "server_error", "last_words", "detail", "timeline"})
_SECONDS = frozenset({"uncertainty", "own_delay", "schedule_delay", "duration", "tail", "retry_after"})
_IN_SECONDS = ("timings.", "uncertainties.", "gap.")
_UNITS = {"bytes": "bytes"}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The ids of the target's previous and next probe, and of the last good one before."""

    previous: str | None = None
    next: str | None = None
    last_good: str | None = None


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts about the request, if its target is still configured."""

    timeouts: Timeouts | None = None
    curl: str = ""
    hidden: str = ""
    """What is hidden in the command, as a sentence."""


def probe(
    event: ProbeEvent, neighbours: Neighbours, about: About, asked: RequestFacts | None = None, decoded: str = ""
) -> str:
    """Return the page of one probe; `decoded` is the last output in the last text of the server."""
    news, asked = tone(event), asked or RequestFacts()
    values = {
        "probe": event,
        "neighbours": neighbours,
        "waterfall": waterfall(event, asked.timeouts),
        "curl": asked.curl,
        "hidden": asked.hidden,
        "decoded": decoded,
        "last_bytes": list(hex_dump(event.last_words or "")),
        "explained": news is not Tone.GOOD,
        "not_known": None if event.available or event.ours or event.diagnosis else NOT_KNOWN,
        "record": list(flat({key: value for key, value in plain(event).items() if key not in _ELSEWHERE})),
    }
    return render("probe.html", about, values, news=news)


def flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the event's keys, with dots for nested ones, with their values and units."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flat(value, f"{name}.")
        elif isinstance(value, bool):
            yield name, str(value).lower()
        elif name in _SECONDS or name.startswith(_IN_SECONDS):
            yield name, measured(float(value)) if isinstance(value, float) else f"{value} s"
        else:
            yield name, f"{value} {_UNITS[name]}" if name in _UNITS else str(value)
