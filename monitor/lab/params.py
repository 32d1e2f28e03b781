"""The parameters of a fault's URL: each has a kind, a default and a sentence; an invalid one is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

T_co = TypeVar("T_co", covariant=True)

NONE = "none"
MAX_COUNT = 1_000_000
MAX_SIZE = 1 << 30
MAX_SECONDS = 86_400.0
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "": 1}


class BadParameterError(ValueError):
    """A parameter that is unknown or does not parse; the text says what is allowed."""


@dataclass(frozen=True, slots=True)
class ParamType(Generic[T_co]):
    """A kind of value: how it is parsed, and what is allowed."""

    read: Callable[[str], T_co]
    allowed: str


@dataclass(frozen=True, slots=True)
class Param(Generic[T_co]):
    """One parameter; its default is written as in a URL."""

    name: str
    kind: ParamType[T_co]
    default: str
    summary: str

    def read(self, text: str) -> T_co:
        """The value of this text."""
        try:
            return self.kind.read(text)
        except ValueError:
            raise BadParameterError(f"{self.name}={text}: allowed is {self.kind.allowed}") from None

    def but(self, default: str) -> Param[T_co]:
        """The same parameter with another default."""
        return replace(self, default=default)


def read_query(params: Iterable[Param[object]], query: str) -> Mapping[str, object]:
    """All parameters of a query, with defaults for absent ones."""
    known = {param.name: param for param in params}
    given: dict[str, str] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise BadParameterError(f"{name}: no such parameter here; allowed are {', '.join(known)}")
        if name in given:
            raise BadParameterError(f"{name}: given twice")
        given[name] = text
    return {name: param.read(given.get(name, param.default)) for name, param in known.items()}


def choice(*words: str) -> ParamType[str]:
    """One of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return ParamType(read, "one of " + ", ".join(words))


def text_like(pattern: str, allowed: str) -> ParamType[str]:
    """Text of this pattern."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return ParamType(read, allowed)


def or_none(kind: ParamType[T_co]) -> ParamType[T_co | None]:
    """The same, or the word none."""
    return ParamType(lambda text: None if text == NONE else kind.read(text), f"{kind.allowed}, or {NONE}")


def whole_number(least: int, most: int) -> ParamType[int]:
    """A whole number within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return ParamType(read, f"a whole number from {least} to {most}")


def _scaled(text: str, units: Mapping[str, float], most: float) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)", text)
    if match is None or match[2] not in units:
        raise ValueError(text)
    value = float(match[1]) * units[match[2]]
    if value > most:
        raise ValueError(text)
    return value


def _ratio(text: str) -> float:
    return _scaled(text, {"": 1.0}, 1.0)


COUNT = whole_number(0, MAX_COUNT)
DURATION = ParamType(lambda text: _scaled(text, SECONDS, MAX_SECONDS), "a duration up to a day: 20ms, 1.5s, 2m or 0")
SIZE = ParamType(lambda text: int(_scaled(text, BYTES, MAX_SIZE)), "a size up to 1024MiB: 100, 64KiB or 8MiB")
RATIO = ParamType(_ratio, "a number from 0 to 1")
YES_NO = choice("no", "yes")

N = Param(
    "n", or_none(whole_number(1, 10_000)), NONE, "output chunks; by default one a number that the prompt asks for"
)
GAP = Param("gap", DURATION, "20ms", "time between two output chunks")
TTFC = Param("ttfc", DURATION, "20ms", "time from the head to the first output chunk")
FRAMING = Param("framing", choice("chunked", "length", "close"), "chunked", "how the body is delimited")
COMMON: tuple[Param[object], ...] = (N, GAP, TTFC, FRAMING)

AFTER = Param("after", COUNT, "5", "output chunks sent before it")
AT = Param("at", COUNT, "3", "number of the output chunk that it happens to, from 0")
BY = Param("by", choice("fin", "rst"), "fin", "how the connection ends")
MARKER = Param("marker", YES_NO, "no", "whether the protocol's marker is sent all the same")
