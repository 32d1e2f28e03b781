"""Statistics of a recording: gaps, uncertainty, buffering, silence; pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, pairwise

from monitor.stream.endings import Mark
from monitor.stream.recording import IS_OUTPUT, LINE_ENDS, Arrival, Columns, GapFigures, Kind, Recording

BUFFERABLE = 5
"""The fewest chunks of a stream that can be recognised as buffered."""
_VISIBLE = frozenset({Kind.OUTPUT, Kind.REFUSAL})
_BUFFERED_ARRIVALS, _BUFFERED_SPREAD = 2, 0.05


def output_arrivals(recording: Recording) -> Iterator[Arrival]:
    """Yield each network read that carried output, with the uncertainty of the first output in it."""
    views, last = recording.views, -1
    for at, kind, end in zip(views.event_arrivals, views.event_kinds, views.event_offsets, strict=True):
        if kind in IS_OUTPUT and at != last:
            last = at
            yield views.arrival(at, end)


def _outputs(recording: Recording) -> tuple[list[float], list[float]]:
    """Return the times of all network reads that carried output, and how uncertain each is.

    The same as `output_arrivals` in a tenth of the time: a stream may have 200,000 of them.
    """
    return _outputs_of(recording.columns)


@lru_cache(maxsize=1)
def _outputs_of(columns: Columns) -> tuple[list[float], list[float]]:
    """The same for a recording's columns; cached, because several figures use them in a row."""
    views = columns.views
    known, sure, spread, ends = (
        views.times.tolist(),
        views.uncertainties.tolist(),
        views.spreads.tolist(),
        views.offsets.tolist(),
    )
    times: list[float] = []
    unsure: list[float] = []
    last = -1
    events = zip(views.event_arrivals.tolist(), views.event_kinds, views.event_offsets.tolist(), strict=True)
    for at, kind, end in events:
        if at != last and kind in IS_OUTPUT:
            last = at
            times.append(known[at])
            unsure.append(sure[at] if ends[at] - end <= LINE_ENDS else spread[at])
    return times, unsure


def first_chunk(recording: Recording) -> Arrival | None:
    """Return the read that carried the first output, with the uncertainty of its time; None without output."""
    found = next(output_arrivals(recording), None)
    return found and found._replace(uncertainty=found.uncertainty + recording.zero_uncertainty)


def first_content(recording: Recording) -> Arrival | None:
    """Return the read that carried the first visible text, with the uncertainty of its time; None without any."""
    found = next((at for at, kind, _ in recording.events if kind in _VISIBLE), None)
    return found and found._replace(uncertainty=found.uncertainty + recording.zero_uncertainty)


def gaps(recording: Recording) -> list[tuple[float, float]]:
    """Return the seconds between network reads that carried output, each with its uncertainty.

    For a thinned recording, `gap_figures` has the gaps of the whole stream.
    """
    return _apart(*_outputs(recording))


def _apart(times: list[float], unsure: list[float]) -> list[tuple[float, float]]:
    steps = zip(pairwise(times), pairwise(unsure), strict=True)
    return [(after - before, one + other) for (before, after), (one, other) in steps]


def gap_figures(recording: Recording) -> GapFigures | None:
    """Return median, 99th percentile and maximum of all gaps, also of a thinned recording; None without any."""
    return recording.whole.gaps if recording.whole else figures([gap for gap, _ in gaps(recording)])


def figures(apart: list[float]) -> GapFigures | None:
    """Return median, 99th percentile and maximum of gaps in seconds; None without any."""
    if not apart:
        return None
    ordered = sorted(apart)
    return GapFigures(_percentile(ordered, 50), _percentile(ordered, 99), ordered[-1])


def _percentile(ordered: list[float], percent: int) -> float:
    """Return a percentile of ordered numbers, interpolated as in `statistics.quantiles`."""
    at, rest = divmod(percent * (len(ordered) - 1), 100)
    after = ordered[min(at + 1, len(ordered) - 1)]
    return (ordered[at] * (100 - rest) + after * rest) / 100


def uncertainty(recording: Recording) -> float:
    """Return the largest uncertainty in seconds of the chunks' times; without chunks, that of the first byte."""
    chunks = max(_outputs(recording)[1], default=None)
    if chunks is None:
        return recording.mark_uncertainties.get(Mark.FIRST_BYTE, 0.0)
    return chunks + recording.zero_uncertainty


def uncertainties(recording: Recording) -> dict[str, float]:
    """Return the uncertainty in seconds of every mark, and of `duration`, `tail` and the gaps."""
    zero, found = (
        recording.zero_uncertainty,
        {mark.value: unsure for mark, unsure in recording.mark_uncertainties.items()},
    )
    times, unsures = _outputs(recording)
    if (event := next((at for at, _, _ in recording.events), None)) is not None and Mark.FIRST_EVENT in recording.marks:
        found[Mark.FIRST_EVENT.value] = event.uncertainty + zero
    if unsures:
        found[Mark.FIRST_CHUNK.value] = unsures[0] + zero
        found[Mark.LAST_CHUNK.value] = unsures[-1] + zero
    if (content := first_content(recording)) is not None and Mark.FIRST_CONTENT in recording.marks:
        found[Mark.FIRST_CONTENT.value] = content.uncertainty
    end = end_uncertainty(recording)
    found[Mark.END.value] = found["duration"] = end + zero
    if unsures:
        found["tail"] = end + unsures[-1]
    if len(unsures) > 1:
        found["gap"] = max(unsure for _, unsure in _apart(times, unsures))
    return found


def end_uncertainty(recording: Recording) -> float:
    """Return the uncertainty of the end: that of the connection's end, or of the message with the protocol's end."""
    views, end = recording.views, recording.marks[Mark.END]
    if end == recording.ending.at:
        return recording.ending.uncertainty
    return max((unsure for at, unsure in zip(views.times, views.spreads, strict=True) if at == end), default=0.0)


def buffered(recording: Recording) -> bool:
    """Whether five or more chunks came in at most two reads, within 5 % of the time to the first."""
    first = recording.marks.get(Mark.FIRST_CHUNK)
    if first is None or recording.chunks < BUFFERABLE:
        return False
    if recording.marks[Mark.LAST_CHUNK] - first > _BUFFERED_SPREAD * first:
        return False
    return sum(1 for _ in islice(output_arrivals(recording), _BUFFERED_ARRIVALS + 1)) <= _BUFFERED_ARRIVALS


def silent_since_output(recording: Recording) -> bool:
    """Whether no byte came after the last output, in a later message or read.

    Only until the ending: what came just after a deadline had passed is recorded, but was too late.
    """
    views, at = recording.views, recording.ending.at
    known, events = len(views.times), len(views.event_kinds)
    while known and views.times[known - 1] > at:
        known -= 1
    while events and views.event_arrivals[events - 1] >= known:
        events -= 1
    last = next((one for one in reversed(range(events)) if views.event_kinds[one] in IS_OUTPUT), None)
    if last is None:
        return False
    return views.event_arrivals[last] == known - 1 and views.event_offsets[last] == views.event_offsets[events - 1]
