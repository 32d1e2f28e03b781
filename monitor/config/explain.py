"""Explain pydantic's errors: one mistake for each error, with a hint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple, cast

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from monitor.config.document import Document
from monitor.config.mistake import KeyPath, Mistake, key_text, printable, written
from monitor.config.model import CHECKS, FileTable, Table, hidden
from monitor.settings import Settings
from monitor.target import Target

# The value may be or contain a secret: it is not repeated.
_UNQUOTED = frozenset({*hidden(Target), *hidden(Settings)})
_TAG = re.compile(r"<\w+>")
_THE_VALUE = "the value"


class ErrorContext(NamedTuple):
    """One error: pydantic's context, and the value in the file."""

    context: Mapping[str, object]
    given: object
    shown: str
    example: str
    open: bool
    """The value is not secret: the file contains it in plain text."""


Message = tuple[str, str]


def _integer(case: ErrorContext) -> Message:
    plain = isinstance(case.given, str) and re.fullmatch(r"-?[0-9]+", case.given)
    return f"{case.shown} is not an integer", "write it without quotes" if plain else ""


def _number(case: ErrorContext) -> Message:
    plain = isinstance(case.given, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", case.given)
    return f"{case.shown} is not a number", "write it without quotes" if plain else ""


def _boolean(case: ErrorContext) -> Message:
    plain = isinstance(case.given, str) and case.given.lower() in {"true", "false", "yes", "no", "on", "off"}
    return f"{case.shown} is neither true nor false", "write true or false, without quotes" if plain else ""


def _string(case: ErrorContext) -> Message:
    plain = isinstance(case.given, int | float) and not isinstance(case.given, bool)
    return f"{case.shown} is not a string", f'write "{case.shown}"' if plain and case.open else "put strings in quotes"


def _array(case: ErrorContext) -> Message:
    return f"{case.shown} is not an array", f"write [{case.shown}]" if case.open else "write [...]"


def _above(case: ErrorContext) -> Message:
    bound, ratio = case.context["lt"], isinstance(case.given, int | float) and 1 < case.given < 100  # noqa: PLR2004
    hint = f"as a ratio: {case.given / 100:.6g}" if ratio and isinstance(case.given, int | float) else ""
    return f"{case.shown} is not below {_plain(bound)}", hint


def _choice(case: ErrorContext) -> Message:
    options = re.findall(r"'([^']*)'|(\d+)", cast("str", case.context["expected"]))
    words = [quoted or number for quoted, number in options]
    near = get_close_matches(case.given, words, 1) if isinstance(case.given, str) else []
    listed = ", ".join(f'"{quoted}"' if quoted else number for quoted, number in options)
    hint = f'did you mean "{near[0]}"?' if near else ""
    return f"{case.shown} is not one of {listed}", "write it without quotes" if ("", case.given) in options else hint


def _check_kind(case: ErrorContext) -> Message:
    kinds = ", ".join(f'"{kind}"' for kind in CHECKS)
    if not isinstance(case.given, dict):
        return f'{case.shown} is not a check: "none", or a table', 'for example { kind = "count", to = 40 }'
    kind = case.given.get("kind")
    if kind is None:
        return "the check has no kind", f"kind is one of {kinds}"
    near = get_close_matches(kind, CHECKS, 1) if isinstance(kind, str) else []
    return f"{written(kind)} is not a kind of check: {kinds}", f'did you mean "{near[0]}"?' if near else ""


def _own(case: ErrorContext) -> Message:
    """Return our validators' message, with parts of the value only if it is not secret."""
    message, hint = f"{case.shown} {case.context['message']}", str(case.context["hint"])
    why, better = str(case.context["why"]), str(case.context["better"])
    if not case.open:
        return message, hint
    return message + (f": {printable(why)}" if why else ""), printable(better) or hint


def _too_long(case: ErrorContext) -> Message:
    most = case.context["max_length"]
    if isinstance(case.given, str):
        return f"{case.shown} is longer than {most} characters", ""
    return f"{case.shown} has more than {most} elements", ""


def _bounded(word: str, key: str) -> Callable[[ErrorContext], Message]:
    return lambda case: (f"{case.shown} is {word} {_plain(case.context[key])}", "")


def _plain(bound: object) -> str:
    return str(int(bound)) if isinstance(bound, float) and bound.is_integer() else str(bound)


MESSAGES: dict[str, Callable[[ErrorContext], Message]] = {
    "int_type": _integer,
    "int_from_float": _integer,
    "int_parsing_size": _integer,
    "float_type": _number,
    "finite_number": lambda case: (f"{case.shown} is not a finite number", ""),
    "bool_type": _boolean,
    "string_type": _string,
    "tuple_type": _array,
    "model_type": lambda case: (f"{case.shown} is not a table", "write [NAME], or { key = value }"),
    "dict_type": lambda case: (f"{case.shown} is not a table", "write [NAME], or { key = value }"),
    "datetime_type": lambda case: (
        f"{case.shown} is not a date and time",
        "write 2030-01-31T22:00:00Z, without quotes",
    ),
    "greater_than": _bounded("not above", "gt"),
    "greater_than_equal": _bounded("below the minimum,", "ge"),
    "less_than": _above,
    "less_than_equal": _bounded("above the maximum,", "le"),
    "too_long": _too_long,
    "string_too_long": _too_long,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_not_found": _check_kind,
    "value": _own,
    "missing": lambda case: ("is missing", f"for example {case.example}" if case.example else ""),
}


def mistake(error: ErrorDetails, document: Document, base: KeyPath, model: type[Table]) -> tuple[KeyPath, Mistake]:
    """Return the path of an error in the document, and the mistake."""
    path = (*base, *(part for part in error["loc"] if not (isinstance(part, str) and _is_ours(part))))
    if isinstance(document.at(path[:-1]), str):  # a text in place of an array of one
        path = path[:-1]
    if error["type"] == "extra_forbidden":
        return path, document.mistake(path, "unknown key", suggestion(path, base, model))
    if error["type"] == "union_tag_not_found" and document.at((*path, "kind")) is not None:
        path_of_fault = (*path, "kind")
    else:
        path_of_fault = path
    given = document.at(path)
    secret = bool(_UNQUOTED.intersection(path)) and error["loc"][-1] != "[key]"
    shown = _THE_VALUE if secret else written(path[-1] if error["loc"][-1] == "[key]" else given)
    is_open = not secret and not (isinstance(given, str) and "${" in given)
    case = ErrorContext(error.get("ctx", {}), given, shown, _example(error, model), is_open)
    message, hint = MESSAGES[error["type"]](case)
    return path, document.mistake(path_of_fault, message, hint)


def _is_ours(part: str) -> bool:
    """Whether a part of a path is not in the file: a tag of a union, or pydantic's mark for a key."""
    return part == "[key]" or _TAG.fullmatch(part) is not None


def _example(error: ErrorDetails, model: type[Table]) -> str:
    key = str(error["loc"][-1])
    field = next((table.model_fields[key] for _, table in tables(model) if key in table.model_fields), None)
    return f"{key} = {written(field.examples[0])}" if field and field.examples else ""


# -- did you mean ------------------------------------------------------------------------------------------------------


def tables(model: type[BaseModel], base: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Return a table and its nested tables, with their paths."""
    yield base, model
    for name, field in model.model_fields.items():
        for inner in models(field.annotation):
            yield from tables(inner, (*base, name))


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """Return the models in a type, including those in unions, tuples and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models(argument)


_TABLES = tuple(tables(FileTable))


def suggestion(path: KeyPath, base: KeyPath, model: type[Table]) -> str:
    """Suggest the key that was probably meant: one of similar spelling, or the same name elsewhere."""
    key = str(path[-1])
    inside = tuple(part for part in path[len(base) : -1] if isinstance(part, str))
    known = {name for place, table in tables(model) if place == inside for name in table.model_fields} - {key}
    near = get_close_matches(key, sorted(known), 1, 0.6)
    place = (*(part for part in base if isinstance(part, str)), *inside)
    return f"did you mean {near[0]}?" if near else _elsewhere(key, place)


def _elsewhere(key: str, place: tuple[str, ...]) -> str:
    """Find the key in another table: first in the same part of the file, then in a target, then anywhere."""
    here, part = [table for at, table in _TABLES if at == place], place[:1]
    others = [at for at, table in _TABLES if key in table.model_fields and table not in here]
    others.sort(key=lambda at: (at[:1] != part, at[:1] != ("targets",)))
    if not others:
        return ""
    found = others[0][1:] if others[0][:1] == part else others[0]
    return f"did you mean {key_text((*found, key))}?"
