"""Dotted paths into JSON: `choices[*].delta.content`, `choices.0.text`, `type=done`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_STEP = re.compile(r"\.?(?:\[(\*|\d{1,9})\]|([^.\[\]=*]+)|(\*))")
EXAMPLES = "choices[*].text or choices.0.text"
_LONGEST, _DIGITS = 200, 9

Step = str | int | None
"""The key of an object, the index of a list (of an object: the key of these digits), or None for all."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path into a JSON value; with `expected`, it only matches a value with that text."""

    text: str
    steps: tuple[Step, ...]
    expected: str | None = None

    def find(self, value: object) -> list[object]:
        """Return the values at the path, without null; nothing if the value has no such path."""
        found: Sequence[object] = [value]
        for step in self.steps:
            found = [inner for outer in found for inner in _inner(outer, step)]
        present = [one for one in found if one is not None]
        return present if self.expected is None else [one for one in present if _text(one) == self.expected]


def parse(text: str) -> JsonPath:
    """Parse a path; a ValueError says what is wrong with it."""
    path, equals, expected = text.partition("=")
    steps: list[Step] = []
    at = 0
    while found := _STEP.match(path, at):
        dotted = path.startswith(".", at)
        if dotted == (at == 0) and not (at and path.startswith("[", at)):
            break  # no dot before the first step, one before every other key
        index, key, star = found.groups()
        steps.append(None if star or index == "*" else _step(index or key))
        at = found.end()
    if not steps or at < len(path) or len(text) > _LONGEST:
        raise ValueError(f"is not a valid path: write keys and indexes such as {EXAMPLES}")
    return JsonPath(text, tuple(steps), expected if equals else None)


def _step(word: str) -> Step:
    return int(word) if word.isdecimal() and word.isascii() and len(word) <= _DIGITS else word


def _inner(value: object, step: Step) -> Sequence[object]:
    match value:
        case dict():
            if step is None:
                return list(value.values())
            key = str(step)
            return [value[key]] if key in value else []
        case list():
            if step is None:
                return value
            return value[step : step + 1] if isinstance(step, int) else []
        case _:
            return []


def _text(value: object) -> str:
    return str(value).casefold() if isinstance(value, bool) else str(value)
