"""What the commands print for people: the waterfall of one probe, and the table of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from monitor.config.plan import Plan
from monitor.meanings import MEANINGS
from monitor.observation import Observation, gap_summary
from monitor.redact import visible
from monitor.timeline import Kind, Mark
from monitor.verdict import OUR_OWN, Outcome

_BAR = 56
_LANES = (
    ("dns", Mark.DNS),
    ("connect", Mark.CONNECT),
    ("tls", Mark.TLS),
    ("request", Mark.REQUEST_SENT),
    ("headers", Mark.HEADERS),
    ("first chunk", Mark.FIRST_CHUNK),
)
_OUTPUT = frozenset({Kind.OUTPUT, Kind.REASONING, Kind.TOOL_CALL, Kind.REFUSAL})
_GLYPHS = {Kind.PING: "·", Kind.META: "·", Kind.MALFORMED: "?", Kind.FAILURE: "!", Kind.FINISH: "$", Kind.DONE: "$"}


def style_of(seen: Observation) -> str:
    """Return the colour of a verdict."""
    if seen.verdict.outcome in OUR_OWN:
        return "magenta"
    if seen.verdict.truncated:
        return "bold red"
    return "green" if seen.available else "yellow" if seen.verdict.outcome is Outcome.WRONG_CONTENT else "red"


def verdict_words(seen: Observation) -> str:
    """Return outcome and cause as one word, with what the wire did after the end."""
    verdict = seen.verdict
    word = f"{verdict.outcome.value}/{verdict.cause}" if verdict.cause else verdict.outcome.value
    return f"{word} (unclean end: {verdict.unclean.value})" if verdict.unclean else word


def waterfall(seen: Observation) -> Iterator[Text]:
    """Return the lines that show one probe: its verdict, where its time went, and every read with what it carried."""
    yield Text.assemble((verdict_words(seen), style_of(seen)), f"  {seen.target.name}  {seen.target.protocol}")
    yield Text(f"  {visible(seen.verdict.detail)}")
    if seen.available and not seen.first_chunk_good:
        first = seen.timeline.marks.get(Mark.FIRST_CHUNK, 0.0)
        late = f"first chunk after {duration(first)}, objective {duration(seen.target.slo.threshold)}"
        yield Text(f"  over its SLO: {late}", style="yellow")
    if seen.server_error and seen.server_error.message:
        yield Text(f"  the server says: {seen.server_error.message}", style="yellow")
    yield Text("")
    yield from _steps(seen)
    yield from _stream(seen)
    yield from _figures(seen)
    meaning = MEANINGS[seen.verdict.outcome.value, seen.verdict.cause]
    if seen.verdict.outcome not in {Outcome.OK, Outcome.ABORTED}:
        yield Text("")
        yield Text(f"  likely  {meaning.whose}")
        yield Text(f"  do      {meaning.do}")
    yield from suspects(seen)


def suspects(seen: Observation) -> Iterator[Text]:
    """Return whom this probe and those before it, together, point at, a line each."""
    for it in seen.diagnosis:
        yield Text(f"  suspect {it.suspect.value}: {it.because}")


def _steps(seen: Observation) -> Iterator[Text]:
    marks, scale, before = seen.timeline.marks, _Scale(seen), 0.0
    for name, mark in _LANES:
        if mark in marks:
            at = max(marks[mark], before)
            yield _lane(name, at - before, " " * scale(before) + "━" * max(scale(at) - scale(before), 1))
            before = at


def _lane(name: str, seconds: float, drawing: str) -> Text:
    return Text.assemble(f"  {name:<12}", (f"{duration(seconds):>10}", "bold"), "  ", (drawing, "cyan"))


def _stream(seen: Observation) -> Iterator[Text]:
    """Return the lane of the body: one column for each slice of time, how much output it brought, and the end."""
    marks = seen.timeline.marks
    if Mark.HEADERS not in marks:
        return
    scale, end = _Scale(seen), marks.get(Mark.END, 0.0)
    columns = [0] * (_BAR + 1)
    others: dict[int, str] = {}
    for arrival, kind, _ in seen.timeline.events:
        if kind in _OUTPUT:
            columns[scale(arrival.time)] += 1
        elif kind in _GLYPHS:
            others[scale(arrival.time)] = _GLYPHS[kind]
    most = max(columns) or 1
    drawing = "".join(_block(count, most) if count else others.get(at, " ") for at, count in enumerate(columns))
    drawing = drawing[: scale(end)] + ("│" if seen.available else "✗")
    first = marks.get(Mark.FIRST_CHUNK, marks[Mark.HEADERS])
    yield Text.assemble(
        f"  {'stream':<12}", (f"{duration(max(end - first, 0.0)):>10}", "bold"), "  ", (drawing, style_of(seen))
    )
    yield Text(f"  {'':<24}0{duration(end):>{max(scale(end), 2)}}", style="dim")


def _block(count: int, most: int) -> str:
    return "▁▂▃▄▅▆▇█"[max(round(count / most * 8), 1) - 1]


def _figures(seen: Observation) -> Iterator[Text]:
    line = seen.timeline
    gaps = gap_summary([gap for gap, _ in line.gaps])
    said = [f"{_some(line.chunks, 'chunk')} in {_some(line.output_arrivals, 'read')}" if line.chunks else "no output"]
    if gaps:
        said.append("gaps " + ", ".join(f"{name} {duration(value)}" for name, value in gaps.items()))
    if line.pings:
        said.append(_some(line.pings, "ping"))
    if seen.tokens and seen.output_rate:
        said.append(f"{seen.output_rate:.1f} tokens/s{' (estimated)' if seen.tokens.estimated else ''}")
    if seen.check and seen.check.progress is not None:
        said.append(f"{seen.check.progress:.0%} of the answer")
    if line.buffered:
        said.append("buffered on the way")
    said.append(f"times ±{duration(line.uncertainty)}")
    yield Text("  " + "; ".join(said), style="dim")
    yield Text(f"  probe {seen.probe_id}", style="dim")


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


class _Scale:
    """Turns seconds into a column."""

    def __init__(self, seen: Observation) -> None:
        self._all = max(seen.timeline.marks.values(), default=0.0) or 1.0

    def __call__(self, seconds: float) -> int:
        return min(round(seconds / self._all * _BAR), _BAR)


def duration(seconds: float) -> str:
    """Return seconds in the unit that reads best."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} us"  # noqa: PLR2004 - a ms


def summary(observations: Sequence[Observation]) -> Table:
    """Return the table of several probes."""
    table = Table(box=None, header_style="dim")
    for column in ("#", "verdict", "first chunk", "longest gap", "chunks", "duration"):
        table.add_column(column, justify="left" if column == "verdict" else "right")
    for number, seen in enumerate(observations, 1):
        first = seen.timeline.marks.get(Mark.FIRST_CHUNK)
        gaps = [gap for gap, _ in seen.timeline.gaps]
        table.add_row(
            str(number),
            Text(verdict_words(seen), style=style_of(seen)),
            "-" if first is None else duration(first),
            duration(max(gaps)) if gaps else "-",
            str(seen.timeline.chunks),
            duration(seen.duration),
        )
    return table


def plan_table(plan: Plan) -> Table:
    """Return what a config costs, target by target and in total."""
    table = Table(box=None, header_style="dim", show_footer=True)
    total = plan.footprint
    for name, foot in (
        ("target", "all"),
        ("requests a day", f"{plan.requests_per_day:,.0f}"),
        ("tokens a day, at most", f"{plan.tokens_per_day:,}"),
        ("series", f"{total.series:,}"),
        ("bytes a scrape", f"{total.bytes:,}"),
    ):
        table.add_column(name, footer=foot, justify="left" if name == "target" else "right")
    for one in plan.targets:
        figures = (one.requests_per_day, one.tokens_per_day, one.footprint.series, one.footprint.bytes)
        table.add_row(one.target.name, *(f"{figure:,.0f}" for figure in figures))
    return table
