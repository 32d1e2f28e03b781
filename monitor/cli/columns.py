"""Rows in columns that fit the terminal: columns are dropped before cells are cut, but never target and cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.text import Text

GAP = 2
_ELLIPSIS = "…"
_LEAST = 8
"""The smallest width of a name."""
_READABLE = 24
"""The smallest width of a sentence."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, its cells, and its rank."""

    head: str
    cells: Sequence[Text] = field(default_factory=list)
    rank: int = 0
    """0 is never dropped; of the others the highest is dropped first."""
    right: bool = False
    flexible: bool = False
    """It gets the remaining width and is cut to it."""

    @property
    def width(self) -> int:
        """The width of the widest cell."""
        return max([cell_len(self.head), *(cell_len(cell.plain) for cell in self.cells)])


def in_columns(columns: Sequence[Column], width: int | None) -> Iterator[Text]:
    """Yield the head and the rows; `width` is the terminal's, None for no limit."""
    widths = fitting(columns, width)
    shown = [(column, widths[column.head]) for column in columns if column.head in widths]
    yield _line([Text(column.head, style="dim") for column, _ in shown], shown)
    for row in range(len(columns[0].cells)):
        yield _line([column.cells[row] for column, _ in shown], shown)


def fitting(columns: Sequence[Column], width: int | None) -> dict[str, int]:
    """Return the width of each column that is shown, by its head."""
    if width is None:
        return {column.head: column.width for column in columns}
    found: dict[str, int] = {}
    left = width + GAP
    for column in sorted(columns, key=lambda column: column.rank):
        room = left - GAP
        if column.flexible and column.rank and room >= min(_READABLE, column.width):
            found[column.head] = min(column.width, room)
        elif column.rank == 0 or column.width <= room:
            found[column.head] = column.width
        left -= found.get(column.head, -GAP) + GAP
    if left < 0:  # the columns that are never dropped are too wide: the name is cut
        name = next(column for column in columns if column.rank == 0)
        found[name.head] = max(found[name.head] + left, _LEAST)
    return found


def _line(cells: Sequence[Text], shown: Sequence[tuple[Column, int]]) -> Text:
    line = Text()
    for place, (cell, (column, size)) in enumerate(zip(cells, shown, strict=True)):
        fitted = cut(cell, size)
        padding = " " * (size - cell_len(fitted.plain))
        last = place == len(shown) - 1
        line.append_text(Text(" " * GAP if place else ""))
        line.append_text(Text(padding if column.right else ""))
        line.append_text(fitted)
        line.append_text(Text("" if column.right or last else padding))
    line.rstrip()
    return line


def cut(cell: Text, size: int) -> Text:
    """Return a text of at most `size` cells; a cut text ends with an ellipsis."""
    if cell_len(cell.plain) <= size:
        return cell
    kept = set_cell_size(cell.plain, size - 1).rstrip()
    return Text(kept + _ELLIPSIS, style=cell.style)
