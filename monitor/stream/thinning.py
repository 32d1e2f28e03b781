"""Makes a recording small enough to keep: fewer arrivals and events, and the figures of all of them.

The answer's text is removed, because nothing needs it after the verdict. The remaining rows keep the picture of the
stream correct: the first and last output, the two around the longest gap, rare events, and an even sample of the
rest.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice, pairwise

from monitor.stream.recording import (
    ARRIVAL_BYTES,
    CODES,
    EVENT_BYTES,
    IS_OUTPUT,
    Columns,
    Kind,
    Recording,
    Views,
    Whole,
)
from monitor.stream.statistics import gap_figures

_FEWEST = 16
"""The fewest rows that are kept."""
_RARE = frozenset(CODES[kind] for kind in (Kind.FINISH, Kind.DONE, Kind.FAILURE, Kind.MALFORMED, Kind.PARTIAL))


def thinned(recording: Recording, most: int) -> Recording:
    """Return a recording without its text, whose columns take at most about `most` bytes; itself if it is like that."""
    bare = replace(recording, text="") if recording.text else recording
    size = sum(map(len, recording.columns))
    rows = max(most // (ARRIVAL_BYTES + EVENT_BYTES), _FEWEST)
    views = recording.views
    if size <= most or max(len(views.times), len(views.event_kinds)) <= rows:
        return bare
    whole = recording.whole or Whole(len(views.times), len(views.event_kinds), gap_figures(recording))
    return replace(bare, columns=_columns(views, rows), whole=whole)


def _columns(views: Views, rows: int) -> Columns:
    """Return at most `rows` events and as many arrivals."""
    events = _chosen(len(views.event_kinds), _significant_events(views), rows)
    reads = len(views.times)
    arrivals = _chosen(reads, [0, reads - 1, *(views.event_arrivals[at] for at in events)], rows + 2)
    place = {at: number for number, at in enumerate(arrivals)}
    return Columns(
        _of(views.times, arrivals, "d"),
        _of(views.uncertainties, arrivals, "d"),
        _of(views.spreads, arrivals, "d"),
        _of(views.offsets, arrivals, "q"),
        array("I", (place[views.event_arrivals[at]] for at in events)).tobytes(),
        bytes(views.event_kinds[at] for at in events),
        _of(views.event_offsets, events, "q"),
    )


def _of(column: Sequence[float], rows: Iterable[int], code: str) -> bytes:
    return array(code, [column[at] for at in rows]).tobytes()


def _chosen(count: int, wanted: Iterable[int], most: int) -> list[int]:
    """Return at most `most` of `count` indices in order: the wanted ones first, then an even sample."""
    chosen = set(islice(dict.fromkeys(wanted), most))
    room = most - len(chosen)
    if count and room > 0:
        chosen.update(range(0, count, -(-count // room)))
    return sorted(chosen)


def _significant_events(views: Views) -> list[int]:
    """Return the indices of the events that a picture needs, the most important first."""
    kinds, arrivals, times = views.event_kinds, views.event_arrivals, views.times
    output = [at for at, kind in enumerate(kinds) if kind in IS_OUTPUT]
    firsts = output[:1] + [at for before, at in pairwise(output) if arrivals[before] != arrivals[at]]
    longest = max(pairwise(firsts), key=lambda two: times[arrivals[two[1]]] - times[arrivals[two[0]]], default=())
    ends = [0, len(kinds) - 1] if kinds else []
    return [*output[:1], *output[-1:], *longest, *firsts[:3], *ends, *islice(_rare(kinds), _FEWEST // 2)]


def _rare(kinds: bytes) -> Iterable[int]:
    return (at for at, kind in enumerate(kinds) if kind in _RARE)
