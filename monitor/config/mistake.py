"""A mistake in a config: its place, what is wrong, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""The path of a value: names of tables and keys, and indexes of arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake or warning; `target` is the name as written in the file."""

    file: str
    line: int | None
    key: str
    message: str
    hint: str = ""
    target: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        hint = f" ({self.hint})" if self.hint else ""
        target = f" [target {self.target}]" if self.target else ""
        return text + hint + target


class ConfigError(Exception):
    """All mistakes and warnings of a config, in the order of the file."""

    def __init__(self, mistakes: tuple[Mistake, ...], warnings: tuple[Mistake, ...] = ()) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes
        self.warnings = warnings


def printable(text: str, longest: int = _LONGEST) -> str:
    """Return the text, truncated to a readable length, with control characters escaped."""
    cut = text if len(text) <= longest else text[:longest] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def key_text(path: KeyPath) -> str:
    """Return a path as `targets[0].labels."a b"`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else f'"{printable(part)}"')
    return text


def written(value: object) -> str:
    """Return a value as in the file, in short: strings in quotes, tables and arrays only by name."""
    match value:
        case str():
            return f'"{printable(value)}"'
        case bool():
            return str(value).lower()
        case int() | float():
            return printable(f"{value}")
        case dict():
            return "a table"
        case list():
            return "an array"
        case _:
            return "a date or time"
