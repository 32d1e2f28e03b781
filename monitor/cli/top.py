"""The screen of `top`: every target in columns, totals, and keys to sort, filter and scroll."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import UNSET
from rich.text import Text

from monitor.cli.columns import Column, cut, in_columns
from monitor.cli.terminal import or_dash, style_of, verdict_words
from monitor.keys.durations import elapsed
from monitor.record.target_summary import State, TargetSummary
from monitor.redaction import visible

STRIP = 20
"""The most recent probes that are drawn for each target."""
DAY = "24h"
KEYS = "s sort  / filter  up, down, page scroll  q quit"
_COLOURS = {"ok": "green", "unverified": "green", "wrong_content": "yellow", "aborted": "dim", "inconclusive": "dim"}
_ORDER = {state.value: place for place, state in enumerate(State)}
_CHROME = 4
"""Lines of a screen other than targets: totals, head, keys, and errors."""
Sorter = Callable[[TargetSummary], tuple[object, ...]]
SORTS: dict[str, Sorter] = {
    "state": lambda it: (_ORDER.get(it.state or "", len(_ORDER)), -it.consecutive_failures, it.name),
    "name": lambda it: (it.name,),
    "first chunk": lambda it: (-((it.first_chunk.p50 or 0.0) if it.first_chunk else 0.0), it.name),
    "truncated": lambda it: (-(truncation(it) or 0.0), it.name),
}
"""The sort orders, the most urgent first."""
_PAGE = 10
_MOVES = {"j": 1, "down": 1, "k": -1, "up": -1, "page down": _PAGE, " ": _PAGE, "page up": -_PAGE}


@dataclass(frozen=True, slots=True)
class Screen:
    """The state of the screen, which keys change."""

    sort: str = "state"
    search: str = ""
    typing: bool = False
    """Whether keys are input of the filter."""
    first: int = 0
    """The index of the first target shown."""
    quit: bool = False

    def pressed(self, key: str) -> Screen:
        """Return the screen after a key; unknown keys are ignored."""
        if self.typing:
            return self._typed(key)
        if key in _MOVES:
            return replace(self, first=max(self.first + _MOVES[key], 0))
        if key == "s":
            names = list(SORTS)
            return replace(self, sort=names[(names.index(self.sort) + 1) % len(names)], first=0)
        if key == "/":
            return replace(self, typing=True, search="", first=0)
        if key in {"home", "g"}:
            return replace(self, first=0)
        return replace(self, quit=True) if key == "q" else self

    def _typed(self, key: str) -> Screen:
        if key == "enter":
            return replace(self, typing=False)
        if key == "escape":
            return replace(self, typing=False, search="")
        if key == "backspace":
            return replace(self, search=self.search[:-1])
        return replace(self, search=self.search + key) if len(key) == 1 and key.isprintable() else self


def draw(
    summaries: Sequence[TargetSummary], screen: Screen, now: datetime, size: tuple[int | None, int | None]
) -> Iterator[Text]:
    """Yield the lines of the screen; `size` is the terminal's columns and lines, None for no limit."""
    width, height = size
    words = screen.search.casefold()
    found = sorted((it for it in summaries if words in it.name.casefold()), key=SORTS[screen.sort])
    room = len(found) if height is None else max(height - _CHROME, 1)
    first = min(screen.first, max(len(found) - room, 0))
    shown = found[first : first + room]
    yield fitted(totals(summaries), width)
    yield from in_columns(columns(shown, now), width)
    if height is not None:
        place = f"{first + 1 if shown else 0}-{first + len(shown)} of {len(found)}"
        search = f"  filter: {visible(screen.search)}{'_' if screen.typing else ''}" if words or screen.typing else ""
        yield fitted(Text(f"{place}  by {screen.sort}{search}  {KEYS}", style="dim"), width)


def fitted(line: Text, width: int | None) -> Text:
    """Return a line cut to the terminal's width."""
    return line if width is None else cut(line, width)


def totals(summaries: Sequence[TargetSummary]) -> Text:
    """Return the number of targets in each state."""
    counts = Counter(it.state or "not known" for it in summaries)
    parts = [f"{len(summaries)} target{'' if len(summaries) == 1 else 's'}"]
    order = sorted(counts, key=lambda it: _ORDER.get(it, len(_ORDER)))
    order = sorted(counts, key=lambda it: _ORDER.get(it, len(_ORDER)))
    parts += [f"{counts[state]} {state.replace('_', ' ')}" for state in order]
    return Text("  ".join(parts), style="bold")


def truncation(it: TargetSummary) -> float | None:
    """Return the truncation ratio of the last day with a history, else since the start; None without a stream."""
    day = it.windows.get(DAY) if it.windows else None
    ratio = it.truncation_ratio if day is None else day.truncation_ratio
    return None if ratio is UNSET else ratio


def columns(summaries: Sequence[TargetSummary], now: datetime) -> list[Column]:
    """Return the columns of these targets."""
    first = [it.first_chunk or None for it in summaries]
    ratios = [truncation(it) for it in summaries]
    return [
        Column("target", [Text(visible(it.name)) for it in summaries]),
        Column("verdict", [_verdict(it) for it in summaries]),
        Column("ago", [Text(_ago(it, now)) for it in summaries], rank=2, right=True),
        Column("first chunk", [Text(or_dash(it.p50 if it else UNSET)) for it in first], rank=3, right=True),
        Column("truncated", [Text("-" if one is None else f"{one:.1%}") for one in ratios], rank=4, right=True),
        Column("in a row", [Text(str(it.consecutive_failures)) for it in summaries], rank=1, right=True),
        Column("recent", [_strip(it) for it in summaries], rank=5),
    ]


def _verdict(it: TargetSummary) -> Text:
    note = "paused" if it.paused else "maintenance" if it.maintenance_until else "not probed lately" if it.stale else ""
    if not it.last or note:
        return Text(note or "-", style="dim")
    return Text(verdict_words(it.last), style=style_of(it.last))


def _strip(it: TargetSummary) -> Text:
    return Text.assemble(*(("■", _COLOURS.get(one.outcome, "red")) for one in it.recent[:STRIP]))


def _ago(it: TargetSummary, now: datetime) -> str:
    try:
        return elapsed((now - datetime.fromisoformat(it.last.timestamp)).total_seconds()) if it.last else "-"
    except (ValueError, TypeError):
        return "-"
