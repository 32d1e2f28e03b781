"""Lenient access to servers' JSON: no stricter than the vendors' own clients."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

_LONGEST_INTEGER = 300
"""The most digits of an integer; Python refuses more than 4,300, and no count has as many."""
_LONGEST_COUNT = 18
_DEEPEST = 8
"""The nesting depth to which a text is searched."""


def load(text: str) -> dict[str, object]:
    """Return the JSON object in `text`, an empty one for any other JSON; ValueError if it is not JSON."""
    value = load_any(text)
    return value if isinstance(value, dict) else {}


def load_any(text: str) -> object:
    """Return the JSON value in `text`; ValueError if it is not JSON."""
    try:
        return _quick(text)
    except (msgspec.DecodeError, RecursionError):
        return _patient(text)


_quick = msgspec.json.Decoder().decode
"""Takes a third of the time of `_patient`, and rejects lone surrogates, NaN and numbers out of range."""


def _patient(text: str) -> object:
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def as_object(value: object) -> dict[str, object]:
    """Return `value` if it is an object, an empty one for null, else raise TypeError: for protocol containers."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def as_list(value: object) -> list[object]:
    """Return `value` if it is a list, an empty one for null, else raise TypeError: for protocol containers."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def an_object(value: object) -> Mapping[str, object]:
    """Return `value` if it is an object, else an empty one: for optional information."""
    return value if isinstance(value, dict) else {}


def as_text(value: object, *keys: str) -> str:
    """Return a value as text: a number as digits, an object as its `text`, a list as the texts of its items.

    With `keys`, an object is the value of the first of them with a text.
    """
    if isinstance(value, str):
        return value
    return _text(value, keys or ("text",), _DEEPEST)


def _text(value: object, keys: tuple[str, ...], levels: int) -> str:
    match value:
        case str():
            return value
        case int() | float() if not isinstance(value, bool):
            return str(value)
        case dict() if levels:
            return next(filter(None, (_text(value.get(key), keys, levels - 1) for key in keys)), "")
        case list() if levels:
            return "".join(_text(item, keys, levels - 1) for item in value)
        case _:
            return ""


def as_arguments(value: object) -> str:
    """Return the arguments of a tool call: their text, or the JSON of an object or a list; "" if empty."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) and value else as_text(value)


def as_count(value: object) -> int | None:
    """Return `value` as a count if it is a whole number or its digits, else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_COUNT:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def as_word(value: object) -> str | None:
    """Return a text or a number as a word; None for anything else, "" and "None"."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    word = str(value).strip()
    return None if word in {"", "None", "null"} else word
