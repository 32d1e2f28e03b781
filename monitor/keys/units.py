"""Durations such as "1m30s" and sizes such as "32MiB": read into seconds and bytes, and written back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from monitor.keys.values import wrong

# Nine digits are more than any bound allows, and keep floats finite.
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_BYTES = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
# For editors, which do not check the order of units.
DURATION_PATTERN = f"(?:{_NUMBER}(?:ms|[smhd]))+"
SIZE_PATTERN = f"{_NUMBER}(?:{'|'.join(_BYTES)})"
VARIABLE_PATTERN = r".*\$\{.*"

_DURATION = re.compile("".join(f"(?:({_NUMBER}){unit})?" for unit in _SECONDS))
_SIZE = re.compile(f"({_NUMBER})({'|'.join(_BYTES)})")
_PLAIN = re.compile(_NUMBER)
# Below this, plain seconds are more readable: "90s" rather than "1m30s".
_SECONDS_UP_TO = 120_000
_SECOND = 1000


@lru_cache(maxsize=1000)
def seconds(text: str) -> float | None:
    """Parse a duration; None if the text is not one."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    parts = zip(match.groups(), _SECONDS.values(), strict=True)
    return round(sum(float(number) * unit for number, unit in parts if number), 9)


@lru_cache(maxsize=1000)
def size(text: str) -> int | None:
    """Parse a size in bytes; None if the text is not one."""
    match = _SIZE.fullmatch(text)
    return None if match is None else int(float(match[1]) * _BYTES[match[2]])


def duration_text(value: float) -> str:
    """Return seconds as the shortest duration that parses to the same value (to the millisecond)."""
    left = round(value * 1000)
    if 0 < left < _SECOND:
        return f"{left}ms"
    if left < _SECONDS_UP_TO:
        return f"{left / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    text = ""
    for unit, factor in _SECONDS.items():
        count, left = divmod(left, round(factor * 1000))
        text += f"{count}{unit}" if count else ""
    return text


def size_text(value: int) -> str:
    """Return bytes in the largest unit that divides them."""
    unit = max((unit for unit, factor in _BYTES.items() if value % factor == 0), key=_BYTES.__getitem__)
    return f"{value // _BYTES[unit]}{unit}"


def rounded_size(value: int) -> str:
    """Return bytes to be read, with three digits at least from 1 kB on: `812 B`, `17.4 kB`, `1,234 MB`."""
    if value < 1000:  # noqa: PLR2004 - a kilobyte
        return f"{value} B"
    unit, factor = ("MB", 1000**2) if value >= 999_500 else ("kB", 1000)  # noqa: PLR2004 - less is below 1,000 kB
    scaled = value / factor
    digits = max(3 - len(f"{scaled:.0f}"), 0)
    return f"{scaled:,.{digits}f} {unit}"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value written as text with a unit: how it is parsed and written, and its bounds."""

    least: str
    most: str
    noun: str
    pattern: str
    example: str
    unit: str
    read: Callable[[str], float | None]
    write: Callable[[float], str]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(self.value)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler
        positive = "" if self.least.startswith("0") else "(?=.*[1-9])"
        pattern = f"^(?:{positive}{self.pattern}|{VARIABLE_PATTERN})$"
        return {"type": "string", "pattern": pattern, "x-unit": self.noun, "x-least": self.least, "x-most": self.most}

    def value(self, given: object) -> float:
        """Parse a given value, or raise with the reason."""
        value = self.read(given) if isinstance(given, str) else None
        if value is None:
            raise wrong(f"is not a {self.noun}", f"write for example {self.example}", better=self._with_unit(given))
        if value < self._bound(self.least):
            raise wrong(f"is below the minimum, {self.least}")
        if value > self._bound(self.most):
            raise wrong(f"is above the maximum, {self.most}")
        return value

    def _bound(self, text: str) -> float:
        value = self.read(text)
        assert value is not None, "our own bounds are valid"
        return value

    def _with_unit(self, given: object) -> str:
        """Return the hint for a bare number."""
        number = given if isinstance(given, str) else str(given)
        return f'write "{number}{self.unit}"' if _PLAIN.fullmatch(number) else ""


def duration(least: str, most: str) -> Quantity:
    """Return the type of a duration within these bounds."""
    return Quantity(
        least, most, "duration", DURATION_PATTERN, '"500ms", "90s", "5m" or "1h"', "s", seconds, duration_text
    )


def memory(least: str, most: str) -> Quantity:
    """Return the type of a size within these bounds."""
    return Quantity(
        least, most, "size", SIZE_PATTERN, '"500kB" or "32MiB"', "B", size, lambda value: size_text(int(value))
    )
