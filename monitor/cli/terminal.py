"""Output of the commands for people: the waterfall of one probe, lists of several, and the cost of a config.

All texts from elsewhere are escaped here: no control character of theirs reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET, UnsetType
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.cli.columns import Column, in_columns
from monitor.config.plan import Plan
from monitor.judge.explanations import MEANINGS
from monitor.judge.verdict import Outcome
from monitor.keys.durations import measured
from monitor.record.parts import NOT_KNOWN
from monitor.record.probe_event import ProbeEvent
from monitor.record.waterfall import OUTPUT, REST, STREAM, Waterfall, place, waterfall
from monitor.redaction import visible

_BAR = 56
_BEFORE_BAR, _LEAST_BAR = 26, 10
_HANGING = 2
_CONSOLE = Console(width=1)
"""A console that rich requires to wrap a text; the width is given."""
_WIDE = 100
"""The fewest columns of a list with the date of each probe."""
_HTTP_2 = "2"
_GLYPHS = {"ping": "·", "meta": "·", "malformed": "?", "failure": "!", "finish": "$", "done": "$"}


def style_of(event: ProbeEvent) -> str:
    """Return the colour of a verdict."""
    if event.ours:
        return "magenta"
    if event.truncated:
        return "bold red"
    return "green" if event.available else "yellow" if event.wrong_content else "red"


def verdict_words(event: ProbeEvent) -> str:
    """Return outcome and cause joined with a slash, and how the connection failed after the end."""
    unclean = f" (unclean end: {visible(event.unclean_cause)})" if event.unclean_cause else ""
    return visible(event.verdict) + unclean


# -- one probe ---------------------------------------------------------------------------------------------------------


def probe_lines(event: ProbeEvent, objective: float | None = None, width: int | None = None) -> Iterator[Text]:
    """Yield the lines that show one probe: its verdict, its waterfall, and its figures.

    `objective` is the first chunk's threshold in seconds, if known; `width` is the terminal's, None for no limit.
    """
    bar = _BAR if width is None else max(width - _BEFORE_BAR - 1, _LEAST_BAR)
    for text in _probe_lines(event, objective, bar):
        yield from wrapped(text, width)


def _probe_lines(event: ProbeEvent, objective: float | None, bar: int) -> Iterator[Text]:
    yield Text.assemble(
        (verdict_words(event), style_of(event)),
        f"  {visible(event.target)}  {visible(event.protocol)}",
        "  HTTP/2" if event.http_version == _HTTP_2 else "",
    )
    yield Text(f"  {visible(event.detail)}")
    if event.available and event.slo and not event.slo.first_chunk:
        late = f"first chunk after {measured(event.timings.first_chunk or 0.0)}"
        known = "" if objective is None else f", objective {measured(objective)}"
        yield Text(f"  over its SLO: {late}{known}", style="yellow")
    if event.server_error and event.server_error.message:
        yield Text(f"  the server says: {visible(event.server_error.message)}", style="yellow")
    yield Text("")
    geometry = waterfall(event)
    yield from _steps(geometry, bar)
    yield from _stream(event, geometry, bar)
    yield from _figures(event, geometry)
    meaning = MEANINGS.get((event.outcome, event.cause or None))
    if meaning is not None and event.outcome not in {Outcome.OK, Outcome.ABORTED}:
        yield Text("")
        yield Text(f"  likely  {meaning.whose}")
        yield Text(f"  do      {meaning.do}")
    yield from suspects(event)


def suspects(event: ProbeEvent) -> Iterator[Text]:
    """Yield the suspects of the incident, one line each, or that they are not known; nothing for a good probe."""
    if not event.diagnosis and not event.available and not event.ours:
        yield Text(f"  suspect {NOT_KNOWN}")
    for it in event.diagnosis or ():
        yield Text(f"  suspect {visible(it.suspect)}: {visible(it.because)}")


def explanation(event: ProbeEvent, width: int | None = None) -> Iterator[Text]:
    """Yield all stored information about a probe: the waterfall, time and server, the last words."""
    yield from probe_lines(event, width=width)
    for text in _kept_of(event):
        yield from wrapped(text, width)


def _kept_of(event: ProbeEvent) -> Iterator[Text]:
    yield Text("")
    version = "HTTP/2" if event.http_version == _HTTP_2 else "HTTP"
    asked = (event.trigger, event.url, event.peer, event.http_status and f"{version} {event.http_status}")
    yield Text("  " + "  ".join([moment(event), *(visible(str(it)) for it in asked if it)]), style="dim")
    for name, value in (event.request_ids or {}).items():
        yield Text(f"  {visible(name)}: {visible(value)}", style="dim")
    if event.last_words:
        yield Text("  last bytes received:")
        yield Text(f"    {visible(event.last_words)}", style="yellow")
    if not event.timeline:
        yield Text("  its timeline is not stored", style="dim")
    elif event.timeline.thinned:
        omitted = _some(event.timeline.omitted_events or 0, "event")
        yield Text(f"  {omitted} of this long stream are not stored; the figures include them", style="dim")


def _steps(geometry: Waterfall, width: int) -> Iterator[Text]:
    for bar in geometry.bars:
        if bar.step in {STREAM, REST}:  # the stream's lane shows both
            continue
        start, end = (place(time, geometry.total, width) for time in (bar.start, bar.end))
        yield _lane(bar.step.replace("_", " "), bar.end - bar.start, " " * start + "━" * max(end - start, 1))


def _lane(name: str, seconds: float, drawing: str) -> Text:
    return Text.assemble(f"  {name:<12}", (f"{measured(seconds):>10}", "bold"), "  ", (drawing, "cyan"))


def _stream(event: ProbeEvent, geometry: Waterfall, width: int) -> Iterator[Text]:
    """Yield the lane of the body: one column for each slice of time with its amount of output, and the end."""
    if event.timings.headers is UNSET:
        return
    end = event.timings.end or 0.0
    counts, glyphs = geometry.lane(OUTPUT).cells(geometry.total, width), dict[int, str]()
    for lane in geometry.lanes:
        glyphs |= {place(it.time, geometry.total, width): _GLYPHS[it.kind] for it in lane.events if it.kind in _GLYPHS}
    most, column = max(counts.values(), default=1), place(end, geometry.total, width)
    drawing = "".join(_block(counts[at], most) if counts[at] else glyphs.get(at, " ") for at in range(column))
    drawing += "│" if event.available else "✗"
    first = event.timings.headers if event.timings.first_chunk is UNSET else event.timings.first_chunk
    yield Text.assemble(
        f"  {'stream':<12}", (f"{measured(max(end - first, 0.0)):>10}", "bold"), "  ", (drawing, style_of(event))
    )
    yield Text(f"  {'':<24}0{measured(end):>{max(column, 2)}}", style="dim")


def _block(count: int, most: int) -> str:
    return "▁▂▃▄▅▆▇█"[max(round(count / most * 8), 1) - 1]


def _figures(event: ProbeEvent, geometry: Waterfall) -> Iterator[Text]:
    parts = [_some(event.chunks, "chunk") + _reads(event, geometry) if event.chunks else "no output"]
    if event.gap:
        parts.append(
            "gaps " + ", ".join(f"{name} {measured(getattr(event.gap, name))}" for name in event.gap.__struct_fields__)
        )
    if event.pings:
        parts.append(_some(event.pings, "ping"))
    if event.tokens and event.output_rate:
        parts.append(f"{event.output_rate:.1f} tokens/s{' (estimated)' if event.tokens.estimated else ''}")
    if event.check and event.check.progress is not UNSET:
        parts.append(f"{event.check.progress:.0%} of the answer")
    if event.buffered:
        parts.append("buffered by a proxy")
    parts.append(f"times ±{measured(event.uncertainty)}")
    yield Text("  " + "; ".join(parts), style="dim")
    yield Text(f"  probe {visible(event.probe_id)}", style="dim")


def _reads(event: ProbeEvent, geometry: Waterfall) -> str:
    """Return in how many reads the output came, if the whole timeline is known."""
    if event.timeline and event.timeline.thinned:
        return ""
    reads = geometry.lane(OUTPUT).reads
    return " in " + _some(reads, "read") if reads else ""


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def moment(event: ProbeEvent) -> str:
    """Return when a probe began, in UTC to the second."""
    return visible(event.timestamp[:19].replace("T", " ")) + "Z"


# -- lists -----------------------------------------------------------------------------------------------------------


def lines(events: Sequence[ProbeEvent], width: int | None = None) -> Iterator[Text]:
    """Yield a head and a line for each probe: time, target, verdict, times, detail and id, as the width allows."""
    short = width is not None and width < _WIDE
    columns = [
        Column("began (UTC)", [Text(_clock(event) if short else moment(event)) for event in events], rank=1),
        Column("target", [Text(visible(event.target)) for event in events]),
        Column("verdict", [Text(visible(event.verdict), style=style_of(event)) for event in events]),
        Column("first chunk", [Text(or_dash(event.timings.first_chunk)) for event in events], rank=3, right=True),
        Column("duration", [Text(measured(event.duration)) for event in events], rank=4, right=True),
        Column("chunks", [Text(str(event.chunks)) for event in events], rank=5, right=True),
        Column("detail", [Text(visible(event.detail)) for event in events], rank=6, flexible=True),
        Column("probe", [Text(visible(event.probe_id), style="dim") for event in events], rank=2),
    ]
    return in_columns(columns, width)


def or_dash(seconds: float | UnsetType) -> str:
    """Return a measured time; "-" if there is none."""
    return "-" if seconds is UNSET else measured(seconds)


def _clock(event: ProbeEvent) -> str:
    return visible(event.timestamp[11:19])


def wrapped(text: Text, width: int | None) -> Iterator[Text]:
    """Yield a line wrapped to the width, with continuation lines indented by two more columns."""
    if width is None or cell_len(text.plain) <= width:
        yield text
        return
    lead = len(text.plain) - len(text.plain.lstrip(" "))
    rest = text[lead:]
    for number, part in enumerate(rest.wrap(_CONSOLE, max(width - lead - _HANGING, 1))):
        part.rstrip()
        yield Text(" " * (lead + (_HANGING if number else 0))).append_text(part)


def width_of(console: Console) -> int | None:
    """Return the columns of the terminal; None if the output is not a terminal."""
    return console.width if console.is_terminal else None


MOST_ROWS = 50
"""The most targets in the table of a plan: those that spend most."""


def plan_table(plan: Plan) -> Table:
    """Return the cost of a config, in total and by target: of more than fifty, those that spend most."""
    table = Table(box=None, header_style="dim", show_footer=True)
    total = plan.footprint
    shared = any(one.monitors > 1 for one in plan.targets)
    prices = sorted({one.cost.price.currency for one in plan.targets if one.cost.price})
    for name, foot in (
        ("target", f"all {len(plan.targets):,}"),
        *((("monitors", ""),) if shared else ()),
        ("requests a day", f"{plan.requests_per_day:,.0f}"),
        ("tokens a day, at most", f"{plan.tokens_per_day:,}"),
        *((f"{currency} a day, at most", money_text(plan.money_per_day)) for currency in prices),
        ("series", f"{total.series:,}"),
        ("bytes a scrape", f"{total.bytes:,}"),
    ):
        table.add_column(name, footer=foot, justify="left" if name == "target" else "right")
    rows = plan.targets
    if len(rows) > MOST_ROWS:
        rows = tuple(sorted(rows, key=lambda one: -one.tokens_per_day)[:MOST_ROWS])
    for one in rows:
        table.add_row(
            one.target.name,
            *((f"{one.monitors:,}",) if shared else ()),
            f"{one.requests_per_day:,.0f}",
            f"{one.tokens_per_day:,}",
            *[money_text(one.money_per_day)] * len(prices),
            f"{one.footprint.series:,}",
            f"{one.footprint.bytes:,}",
        )
    if len(plan.targets) > MOST_ROWS:
        table.add_row(f"and {len(plan.targets) - MOST_ROWS:,} more")
    return table


_CENT = 0.01


def money_text(money: float | None) -> str:
    """Return an amount with two decimals, and two significant digits below a cent; "-" if there is no price."""
    if money is None:
        return "-"
    return f"{money:,.2f}" if money >= _CENT or not money else f"{money:.2g}"
