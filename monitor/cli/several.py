"""Several probes of one target: a line as each ends, and a summary with outcomes and percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil

from msgspec import UNSET, UnsetType
from rich.text import Text

from monitor.cli.terminal import or_dash, style_of, suspects, verdict_words
from monitor.keys.durations import measured
from monitor.record.probe_event import ProbeEvent

_COLUMNS = (("first chunk", 11), ("duration", 10), ("longest gap", 11), ("chunks", 6))
"""In the order in which a narrow terminal keeps them."""
_VERDICT = 26
_PARTS = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


def header(count: int, width: int) -> Text:
    """Return the heads of the columns that fit a terminal of this width, for this many probes."""
    heads = "".join(f"  {name:>{size}}" for name, size in _fitting(count, width))
    return Text(f"{'#':>{len(str(count))}}  {'verdict':<{_VERDICT if heads else 0}}{heads}", style="dim")


def line(number: int, count: int, event: ProbeEvent, width: int) -> Text:
    """Return the line of one probe, the `number`th of `count`: the verdict is always shown in full."""
    cells = {
        "first chunk": or_dash(event.timings.first_chunk),
        "duration": measured(event.duration),
        "longest gap": or_dash(event.gap.max if event.gap else UNSET),
        "chunks": str(event.chunks),
    }
    rest = "".join(f"  {cells[name]:>{size}}" for name, size in _fitting(count, width))
    words = f"{verdict_words(event):<{_VERDICT if rest else 0}}"
    return Text.assemble(f"{number:>{len(str(count))}}  ", (words, style_of(event)), rest)


def _fitting(count: int, width: int) -> Iterator[tuple[str, int]]:
    left = width - len(str(count)) - 2 - _VERDICT
    for name, size in _COLUMNS:
        left -= size + 2
        if left < 0:
            return
        yield name, size


def summary(events: Sequence[ProbeEvent]) -> Iterator[Text]:
    """Yield the summary of one or more probes: the number of each outcome, percentiles, and suspects."""
    counts = Counter(map(verdict_words, events)).most_common()
    probes = f"{len(events)} probe{'' if len(events) == 1 else 's'}"
    yield Text("")
    yield Text(f"  {probes}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts))
    yield from _percentiles("first chunk", [one.timings.first_chunk for one in events])
    yield from _percentiles("duration", [one.duration for one in events if not one.ours])
    yield from _percentiles("longest gap", [one.gap.max for one in events if one.gap])
    yield from suspects(events[-1])


def _percentiles(name: str, values: Sequence[float | UnsetType]) -> Iterator[Text]:
    """Yield the line of one figure; nothing if no probe has it."""
    known = sorted(value for value in values if value is not UNSET)
    if known:
        parts = (f"{part} {measured(percentile(known, share))}" for part, share in _PARTS)
        yield Text(f"  {name:<11}  {'  '.join(parts)}")


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return a percentile of sorted values (nearest rank)."""
    return ordered[max(ceil(share * len(ordered)), 1) - 1]
