"""What the commands print for people: the waterfall of one probe, lists of several, and what a config costs.

All texts come from others and are made visible here: no control character of theirs reaches a terminal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from monitor.config.plan import Plan
from monitor.judge.explanations import MEANINGS
from monitor.judge.verdict import Outcome
from monitor.record.probe_event import Event, Glance
from monitor.redaction import visible
from monitor.stream.endings import Mark
from monitor.stream.recording import Kind

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
_GLYPHS = {"ping": "·", "meta": "·", "malformed": "?", "failure": "!", "finish": "$", "done": "$"}


def style_of(event: Event) -> str:
    """Return the colour of a verdict."""
    if event.ours:
        return "magenta"
    if event.truncated:
        return "bold red"
    return "green" if event.available else "yellow" if event.wrong_content else "red"


def verdict_words(event: Event) -> str:
    """Return outcome and cause as one word, with what the wire did after the end."""
    unclean = f" (unclean end: {visible(event.unclean_cause)})" if event.unclean_cause else ""
    return visible(event.verdict) + unclean


# -- one probe ---------------------------------------------------------------------------------------------------------


def waterfall(event: Event, objective: float | None = None) -> Iterator[Text]:
    """Return the lines that show one probe: its verdict, where its time went, and every read with what it carried.

    `objective` is the first chunk's threshold, in seconds, where it is known.
    """
    yield Text.assemble(
        (verdict_words(event), style_of(event)), f"  {visible(event.target)}  {visible(event.protocol)}"
    )
    yield Text(f"  {visible(event.detail)}")
    if event.available and event.slo is not None and not event.slo.first_chunk:
        late = f"first chunk after {duration(event.timings.get(Mark.FIRST_CHUNK, 0.0))}"
        known = "" if objective is None else f", objective {duration(objective)}"
        yield Text(f"  over its SLO: {late}{known}", style="yellow")
    if event.server_error and event.server_error.message:
        yield Text(f"  the server says: {visible(event.server_error.message)}", style="yellow")
    yield Text("")
    yield from _steps(event)
    yield from _stream(event)
    yield from _figures(event)
    meaning = MEANINGS.get((event.outcome, event.cause))
    if meaning is not None and event.outcome not in {Outcome.OK, Outcome.ABORTED}:
        yield Text("")
        yield Text(f"  likely  {meaning.whose}")
        yield Text(f"  do      {meaning.do}")
    yield from suspects(event)


def suspects(event: Event) -> Iterator[Text]:
    """Return whom this probe and those before it, together, point at, a line each."""
    for it in event.diagnosis:
        yield Text(f"  suspect {visible(it.suspect)}: {visible(it.because)}")


def explanation(event: Event) -> Iterator[Text]:
    """Return the lines that tell all that is kept of a probe: the waterfall, when and whom it asked, the last words."""
    yield from waterfall(event)
    yield Text("")
    asked = (event.trigger, event.url, event.peer, event.http_status and f"HTTP {event.http_status}")
    yield Text("  " + "  ".join([moment(event), *(visible(str(it)) for it in asked if it)]), style="dim")
    for name, value in event.request_ids.items():
        yield Text(f"  {visible(name)}: {visible(value)}", style="dim")
    if event.last_words:
        yield Text("  the last that came:")
        yield Text(f"    {visible(event.last_words)}", style="yellow")
    if event.timeline is None:
        yield Text("  its timeline was not kept", style="dim")


def _steps(event: Event) -> Iterator[Text]:
    marks, scale, before = event.timings, _Scale(event), 0.0
    for name, mark in _LANES:
        if mark in marks:
            at = max(marks[mark], before)
            yield _lane(name, at - before, " " * scale(before) + "━" * max(scale(at) - scale(before), 1))
            before = at


def _lane(name: str, seconds: float, drawing: str) -> Text:
    return Text.assemble(f"  {name:<12}", (f"{duration(seconds):>10}", "bold"), "  ", (drawing, "cyan"))


def _stream(event: Event) -> Iterator[Text]:
    """Return the lane of the body: one column for each slice of time, how much output it brought, and the end."""
    marks = event.timings
    if Mark.HEADERS not in marks:
        return
    scale, end = _Scale(event), marks.get(Mark.END, 0.0)
    columns = [0] * (_BAR + 1)
    others: dict[int, str] = {}
    for time, _, kind, _ in event.timeline.events if event.timeline else ():
        if kind in _OUTPUT:
            columns[scale(time)] += 1
        elif kind in _GLYPHS:
            others[scale(time)] = _GLYPHS[kind]
    most = max(columns) or 1
    drawing = "".join(_block(count, most) if count else others.get(at, " ") for at, count in enumerate(columns))
    drawing = drawing[: scale(end)] + ("│" if event.available else "✗")
    first = marks.get(Mark.FIRST_CHUNK, marks[Mark.HEADERS])
    yield Text.assemble(
        f"  {'stream':<12}", (f"{duration(max(end - first, 0.0)):>10}", "bold"), "  ", (drawing, style_of(event))
    )
    yield Text(f"  {'':<24}0{duration(end):>{max(scale(end), 2)}}", style="dim")


def _block(count: int, most: int) -> str:
    return "▁▂▃▄▅▆▇█"[max(round(count / most * 8), 1) - 1]


def _figures(event: Event) -> Iterator[Text]:
    said = [_some(event.chunks, "chunk") + _reads(event) if event.chunks else "no output"]
    if event.gap:
        said.append("gaps " + ", ".join(f"{visible(name)} {duration(value)}" for name, value in event.gap.items()))
    if event.pings:
        said.append(_some(event.pings, "ping"))
    if event.tokens and event.output_rate:
        said.append(f"{event.output_rate:.1f} tokens/s{' (estimated)' if event.tokens.estimated else ''}")
    if event.check and event.check.progress is not None:
        said.append(f"{event.check.progress:.0%} of the answer")
    if event.buffered:
        said.append("buffered on the way")
    said.append(f"times ±{duration(event.uncertainty)}")
    yield Text("  " + "; ".join(said), style="dim")
    yield Text(f"  probe {visible(event.probe_id)}", style="dim")


def _reads(event: Event) -> str:
    """Say in how many reads the output came."""
    if event.timeline is None:
        return ""
    ends = [offset + size for _, _, offset, size in event.timeline.arrivals]
    reads = {bisect_left(ends, offset) for _, _, kind, offset in event.timeline.events if kind in _OUTPUT}
    return " in " + _some(len(reads), "read")


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


class _Scale:
    """Turns seconds into a column."""

    def __init__(self, event: Event) -> None:
        self._all = max(event.timings.values(), default=0.0) or 1.0

    def __call__(self, seconds: float) -> int:
        return min(round(seconds / self._all * _BAR), _BAR)


def duration(seconds: float) -> str:
    """Return seconds in the unit that reads best."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} us"  # noqa: PLR2004 - a ms


def moment(event: Event) -> str:
    """Return when a probe began, in UTC to the second."""
    return visible(event.timestamp[:19].replace("T", " ")) + "Z"


# -- several -----------------------------------------------------------------------------------------------------------


def summary(events: Sequence[Event]) -> Table:
    """Return the table of several probes."""
    table = Table(box=None, header_style="dim")
    for column in ("#", "verdict", "first chunk", "longest gap", "chunks", "duration"):
        table.add_column(column, justify="left" if column == "verdict" else "right")
    for number, event in enumerate(events, 1):
        table.add_row(
            str(number),
            Text(verdict_words(event), style=style_of(event)),
            _or_dash(event.timings.get(Mark.FIRST_CHUNK)),
            _or_dash(event.gap.get("max")),
            str(event.chunks),
            duration(event.duration),
        )
    return table


def _or_dash(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


def lines(events: Sequence[Event]) -> Iterator[Text]:
    """Return one line a probe: when, target, verdict, time to the first chunk, duration, chunks, detail."""
    names = max((len(visible(event.target)) for event in events), default=0)
    verdicts = max((len(event.verdict) for event in events), default=0)
    for event in events:
        first = _or_dash(event.timings.get(Mark.FIRST_CHUNK))
        yield Text.assemble(
            f"{moment(event)}  {visible(event.target):<{names}}  ",
            (f"{visible(event.verdict):<{verdicts}}", style_of(event)),
            f"  {first:>9}  {duration(event.duration):>9}  {event.chunks:>5}  {visible(event.detail)}",
            (f"  {visible(event.probe_id)}", "dim"),
        )


def overview(glances: Sequence[Glance], now: datetime) -> Table:
    """Return the table of targets, those that fail first."""
    table = Table(box=None, header_style="dim")
    for column in ("target", "verdict", "ago", "first chunk", "half within", "truncated", "failed in a row", "recent"):
        table.add_column(column, justify="left" if column in {"target", "verdict", "recent"} else "right", no_wrap=True)
    for it in sorted(glances, key=lambda it: (-it.failures, it.name)):
        last = it.last
        table.add_row(
            visible(it.name),
            Text(visible(it.note) or "-", style="dim")
            if last is None or it.note
            else Text(verdict_words(last), style=style_of(last)),
            "-" if last is None else _ago(last, now),
            _or_dash(last.timings.get(Mark.FIRST_CHUNK) if last else None),
            _or_dash(it.first_chunk),
            "-" if it.truncation_ratio is None else f"{it.truncation_ratio:.1%}",
            str(it.failures),
            Text.assemble(*(("■", _COLOURS.get(outcome, "red")) for outcome in it.outcomes[:_STRIP])),
        )
    return table


_STRIP = 20
_COLOURS = {"ok": "green", "unverified": "green", "wrong_content": "yellow", "aborted": "dim", "inconclusive": "dim"}


def _ago(event: Event, now: datetime) -> str:
    try:
        seconds = max((now - datetime.fromisoformat(event.timestamp)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


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
