"""The storage and the text of the numbers: a flat array for each subject, a text for each family, rendered on change.

A scrape renders what has changed since the last one, and then only joins texts. It takes each subject's list of texts
once, and these lists are replaced, never changed: the series of a subject are consistent. The text is byte for byte
what prometheus_client writes for the same numbers (`Collector` passes them to it; the tests compare).
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector as CollectorProtocol
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from monitor.settings import Buckets
from monitor.sinks.metrics.families import Family, MetricKind, Scope, Values, bounds_of, chosen

ABSENT: Final = math.nan
"""The value of a cell whose series is not exported; no measured number is NaN."""

PIECE = 256 * 1024
"""Bytes of a piece of a scrape: about 0.1 ms of joining."""

WRITTEN = 20
"""Families that are rendered between two turns of the loop: about 0.2 ms."""

ROWS = 64
"""Subjects between two checks of that size."""

Trace = tuple[str, float]
"""A probe's id and the time it ended, for an exemplar."""
Pairs = tuple[tuple[str, str], ...]
Split = tuple[tuple[str, ...], ...]
number_text = lru_cache(maxsize=8192)(floatToGoString)
generate_openmetrics, _ = choose_encoder("application/openmetrics-text; version=1.0.0")


class SeriesTemplate(NamedTuple):
    """The template of one series, filled with the subject's labels, in `split` runs, and the number."""

    name: str
    labels: Pairs
    split: int
    template: str


class FamilyLayout:
    """The place of one family's numbers in a subject's cells, and the lines in which they are written."""

    def __init__(
        self, family: Family, index: int, first: int, bounds: tuple[float, ...] | None, scope_layout: ScopeLayout
    ) -> None:
        self.family, self.index, self.first, self.scope_layout = family, index, first, scope_layout
        self.histogram = family.kind is MetricKind.HISTOGRAM
        self.bounds = bounds or ()
        self.places = {values: first + place for place, values in enumerate(family.values)}
        self.lines: tuple[SeriesTemplate, ...] = ()
        self.open_lines: dict[Values, SeriesTemplate] = {}
        """Lines of open labels, made when first seen."""
        self.make_lines()
        self.size = len(self.bounds) + 2 if self.histogram else len(family.values)
        """Cells: for a histogram the counts between the bounds, the last of them up to +Inf, and the sum."""
        self.kind = family.kind.value
        self.metric_name = family.name.removesuffix("_total")
        self.plain_head, self.openmetrics_head = _heads(self.metric())

    def make_lines(self) -> None:
        """Make the lines for the scope's current label names."""
        self.lines = tuple(self._lines())
        self.open_lines = {}

    def _lines(self) -> Iterator[SeriesTemplate]:
        name = self.family.name
        if not self.histogram:
            yield from (self.line(values) for values in self.family.values)
            return
        for bound in (*self.bounds, math.inf):
            yield self.scope_layout.line(f"{name}_bucket", (("le", number_text(bound)),))
        yield self.scope_layout.line(f"{name}_count", ())
        yield self.scope_layout.line(f"{name}_sum", ())

    def line(self, values: Values) -> SeriesTemplate:
        """Return the line of one series with these values of the family's own labels."""
        return self.scope_layout.line(self.family.name, tuple(zip(self.family.labels, values, strict=True)))

    def opened(self, values: Values) -> SeriesTemplate:
        """Return the line of a series that did not exist from the start."""
        line = self.open_lines.get(values)
        if line is None:
            line = self.open_lines[values] = self.line(values)
        return line

    def numbers(self, cells: array[float]) -> Sequence[float]:
        """Return the number of each line."""
        if not self.histogram:
            return cells[self.first : self.first + self.size]
        running = list(accumulate(cells[self.first : self.first + self.size - 1]))
        total, amount = running[-1], cells[self.first + self.size - 1]
        return [*running, total, amount]

    def metric(self) -> Metric:
        """Return prometheus_client's metric of this family, without samples."""
        return Metric(self.metric_name, self.family.help, self.kind)


class ScopeLayout:
    """All families of one scope, laid out for one set of label names: made once, shared by all subjects."""

    def __init__(self, scope: Scope, buckets: Buckets, detail: str, label_names: Iterable[str]) -> None:
        self.label_names = tuple(sorted(label_names))
        self.splits: list[Split] = []
        self.layouts: list[FamilyLayout] = []
        self.by_name: dict[str, FamilyLayout | None] = {}
        """Every family of the scope; None for one that this detail leaves out."""
        self.initial = array("d")
        for family, kept in chosen(scope, detail).items():
            self.by_name[family.name] = self._place(family, bounds_of(family, buckets)) if kept else None

    def set_label_names(self, label_names: Iterable[str]) -> None:
        """Set other label names: each subject takes them when it is next written, which does not block the loop."""
        self.label_names = tuple(sorted(label_names))
        self.splits = []
        for layout in self.layouts:
            layout.make_lines()

    def _place(self, family: Family, bounds: tuple[float, ...] | None) -> FamilyLayout:
        layout = FamilyLayout(family, len(self.layouts), len(self.initial), bounds, self)
        self.layouts.append(layout)
        first = family.first
        self.initial.extend([ABSENT if first is None else first] * layout.size)
        return layout

    def line(self, name: str, labels: Pairs) -> SeriesTemplate:
        """Return a line whose own labels are merged with those of its subject, in order."""
        own, parts, runs = dict(labels), [], list[tuple[str, ...]]()
        fresh = True
        for label in sorted((*own, *self.label_names)):
            if label in own:
                parts.append(f'{label}="{_escaped(own[label])}"'.replace("%", "%%"))
                fresh = True
            elif fresh:
                parts.append("%s")
                runs.append((label,))
                fresh = False
            else:
                runs[-1] += (label,)
        braces = f"{{{','.join(parts)}}}" if parts else ""
        return SeriesTemplate(name, labels, self._split(tuple(runs)), f"{name}{braces} %s")

    def _split(self, runs: Split) -> int:
        if runs not in self.splits:
            self.splits.append(runs)
        return self.splits.index(runs)

    def most_series(self) -> int:
        """Return the largest number of series of one subject."""
        return sum(len(layout.lines) + (layout.family.most or 0) for layout in self.layouts)


class Subject:
    """One target, or the monitor itself: its numbers, and the text of each of its families."""

    __slots__ = (
        "_label_names", "_opened", "_runs", "_stale", "cells", "exemplars", "labels", "openmetrics", "plain",
        "scope_layout",
    )  # fmt: skip

    def __init__(self, scope_layout: ScopeLayout, labels: Mapping[str, str]) -> None:
        self.scope_layout = scope_layout
        self.cells = scope_layout.initial[:]
        self.exemplars: dict[int, dict[Hashable, tuple[float, Trace]]] = {}
        self._opened: dict[int, dict[Values, float]] = {}
        self.plain: list[bytes] = [b""] * len(scope_layout.layouts)
        """The text of each family; the list is never changed, only replaced."""
        self.openmetrics: list[bytes] = self.plain
        """The same with exemplars, for OpenMetrics."""
        self.relabel(labels)

    def relabel(self, labels: Mapping[str, str]) -> None:
        """Set the values of the scope's labels; every text becomes stale."""
        self._label_names = self.scope_layout.label_names
        self.labels = {name: labels.get(name, "") for name in self._label_names}
        self._runs: dict[int, tuple[str, ...]] = {}
        self._stale = set(range(len(self.scope_layout.layouts)))

    # -- changing --------------------------------------------------------------------------------------------------

    def add(self, name: str, amount: float = 1.0, values: Values = (), trace: Trace | None = None) -> None:
        """Increase a counter; an amount that is not finite or negative is ignored."""
        layout = self.scope_layout.by_name[name]
        if layout is None or not math.isfinite(amount) or amount <= 0:
            return
        place = layout.places.get(values)
        if place is None:
            opened = self._opened.get(layout.index, {})
            self._open(layout, values, opened.get(values, 0.0) + amount)
        else:
            self.cells[place] += amount
        self._mark(layout, values if place is None else place - layout.first, trace, amount)

    def set(self, name: str, number: float | None, values: Values = ()) -> None:
        """Set a gauge; None or a value that is not finite makes it absent."""
        layout = self.scope_layout.by_name[name]
        if layout is None:
            return
        cell = ABSENT if number is None or not math.isfinite(number) else number
        place = layout.places.get(values)
        if place is None:
            self._open(layout, values, cell)
            self._stale.add(layout.index)
        elif self.cells[place] != cell and not (math.isnan(cell) and math.isnan(self.cells[place])):
            self.cells[place] = cell
            self._stale.add(layout.index)

    def observe(self, name: str, *numbers: float, trace: Trace | None = None) -> None:
        """Observe numbers in a histogram; values that are not finite are ignored."""
        layout = self.scope_layout.by_name[name]
        if layout is None:
            return
        counts, last = layout.first, dict[int, float]()
        cells, bounds, total = self.cells, layout.bounds, self.cells[counts + layout.size - 1]
        for number in filter(math.isfinite, numbers):
            place = bisect_left(bounds, number)
            cells[counts + place] += 1
            total += number
            last[place] = number
        cells[counts + layout.size - 1] = total
        for place, number in last.items():
            self._mark(layout, place, trace if layout.kind == "histogram" else None, number)

    def _open(self, layout: FamilyLayout, values: Values, number: float) -> None:
        """Add an open series; only the most recent ones are kept, as many as the family allows."""
        opened = self._opened.setdefault(layout.index, {})
        opened.pop(values, None)
        opened[values] = number
        if layout.family.most is not None and len(opened) > layout.family.most:
            oldest = next(iter(opened))
            del opened[oldest]
            self.exemplars.get(layout.index, {}).pop(oldest, None)

    def _mark(self, layout: FamilyLayout, key: Hashable, trace: Trace | None, number: float) -> None:
        self._stale.add(layout.index)
        if trace is not None:
            self.exemplars.setdefault(layout.index, {})[key] = (number, trace)

    # -- writing ---------------------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Render the families that have changed; return their number."""
        self.follow()
        written = len(self._stale)
        if written:
            plain, openmetrics = self.plain[:], self.openmetrics[:]
            for index in self._stale:
                plain[index], openmetrics[index] = self._write(self.scope_layout.layouts[index])
            self.plain, self.openmetrics = plain, openmetrics
            self._stale = set()
        return written

    def follow(self) -> None:
        """Use the scope's label names, if they have changed; the values of new ones are empty until they are set."""
        if self._label_names is not self.scope_layout.label_names:
            self.relabel(self.labels)

    def series(self, layout: FamilyLayout) -> Iterator[tuple[Hashable, SeriesTemplate, float]]:
        """Yield each existing series, with the key of its exemplar."""
        for key, (line, number) in enumerate(zip(layout.lines, layout.numbers(self.cells), strict=True)):
            if number == number:  # noqa: PLR0124 (false for NaN alone, and half the price of isnan)
                yield key, line, number
        # In the order of the labels, so that the order of the text is stable.
        for values, number in sorted(self._opened.get(layout.index, {}).items()):
            if not math.isnan(number):
                yield values, layout.opened(values), number

    def _write(self, layout: FamilyLayout) -> tuple[bytes, bytes]:
        texts = {
            key: line.template % (*self._run(line.split), number_text(number))
            for key, line, number in self.series(layout)
        }
        plain = "\n".join([*texts.values(), ""]).encode()
        marked = self.exemplars.get(layout.index)
        if not marked:
            return plain, plain
        for key, (value, trace) in marked.items():
            texts[key] += _exemplar_text(value, trace)
        return plain, "\n".join([*texts.values(), ""]).encode()

    def _run(self, split: int) -> tuple[str, ...]:
        found = self._runs.get(split)
        if found is None:
            found = self._runs[split] = tuple(
                ",".join(f'{label}="{_escaped(self.labels[label])}"' for label in run)
                for run in self.scope_layout.splits[split]
            )
        return found


class Collector(CollectorProtocol):
    """The same numbers for prometheus_client: a registry with them must render the same text."""

    def __init__(self, scopes: Sequence[tuple[ScopeLayout, Mapping[str, Subject]]]) -> None:
        self._scopes = scopes

    def collect(self) -> Iterator[Metric]:
        """Yield every family with its samples."""
        for scope_layout, subjects in self._scopes:
            for layout in scope_layout.layouts:
                metric = layout.metric()
                for subject in subjects.values():
                    metric.samples.extend(_samples(subject, layout))
                yield metric


def _samples(subject: Subject, layout: FamilyLayout) -> Iterator[Sample]:
    subject.follow()
    marked = subject.exemplars.get(layout.index, {})
    for key, line, number in subject.series(layout):
        exemplar = None
        if key in marked:
            value, (probe_id, ended) = marked[key]
            exemplar = Exemplar({"probe_id": probe_id}, value, ended)
        yield Sample(line.name, {**subject.labels, **dict(line.labels)}, number, None, exemplar)


def pieces(
    snapshot: Sequence[tuple[ScopeLayout, Sequence[list[bytes]]]], rest: bytes, *, openmetrics: bool
) -> Iterator[bytes]:
    """Join the texts of `snapshot`, family by family, and then `rest`, into pieces of about `PIECE` bytes."""
    held: list[bytes] = []
    size = 0
    for scope_layout, rows in snapshot:
        for layout in scope_layout.layouts:
            held.append(layout.openmetrics_head if openmetrics else layout.plain_head)
            for start in range(0, len(rows), ROWS):
                texts = [row[layout.index] for row in rows[start : start + ROWS]]
                held += texts
                size += sum(map(len, texts))
                if size >= PIECE:
                    yield b"".join(held)
                    held, size = [], 0
    yield b"".join([*held, rest])


def others(registry: CollectorRegistry, *, openmetrics: bool) -> bytes:
    """Return prometheus_client's text of other collectors, with the format's end."""
    return generate_openmetrics(registry) if openmetrics else generate_latest(registry)


def _heads(metric: Metric) -> tuple[bytes, bytes]:
    """Return the HELP and TYPE lines of both formats, as prometheus_client writes them."""

    class One(CollectorProtocol):
        def collect(self) -> Iterable[Metric]:
            return [metric]

    registry = CollectorRegistry()
    registry.register(One())
    return generate_latest(registry), generate_openmetrics(registry).removesuffix(b"# EOF\n")


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _exemplar_text(value: float, trace: Trace) -> str:
    probe_id, ended = trace
    return f' # {{probe_id="{_escaped(probe_id)}"}} {number_text(value)} {ended}'
