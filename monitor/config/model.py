"""The pydantic models of the file's tables, made from the dataclasses whose fields declare the keys.

A key is a field with a description, or a table; its type, default, bounds and sentence are declared only there.
A union of tables is a choice by their `kind`, or "none".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Tag, WithJsonSchema, create_model
from pydantic import Field as Says
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from monitor.keys.types import HIDDEN
from monitor.protocols import PROTOCOLS
from monitor.settings import DiscoverySource, Maintenance, Settings
from monitor.target import Check, Target

_F = TypeVar("_F", bound=Callable[..., object])


class Table(BaseModel):
    """A table of the config; an unknown key is a mistake."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=False
    )
    declared_by: ClassVar[type[Any]]
    """The dataclass with the same keys."""


def _once(function: _F) -> _F:
    """Return the cached function with its signature, which `cache` loses."""
    return cast("_F", cache(function))


def value(table: Table) -> Any:  # noqa: ANN401 - an instance of what declared the table
    """Return the dataclass of a validated table."""
    written = table.model_fields_set
    return table.declared_by(
        **{name: _value(inner) if name in written else _of_default(inner) for name, inner in table.__dict__.items()}
    )


def _value(inner: object) -> object:
    if isinstance(inner, Table):
        return value(inner)
    return tuple(map(_value, inner)) if isinstance(inner, tuple) else inner


def _of_default(inner: object) -> object:
    """Return the value of a key that is not written: a table of which nothing is written is made once for all."""
    return _unwritten(type(inner)) if isinstance(inner, Table) else inner


@_once
def _unwritten(kind: type[Table]) -> object:
    return value(kind())


# -- keys --------------------------------------------------------------------------------------------------------------


@_once
def keys(kind: type[Any]) -> Mapping[str, object]:
    """Return the keys that a dataclass declares, each with its annotated type."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind) if _is_key(hints[field.name])}


def _is_key(hint: object) -> bool:
    return inner(hint) is not None or any(isinstance(note, FieldInfo) and note.description for note in notes(hint))


def notes(hint: object) -> tuple[object, ...]:
    """Return the annotations of a type."""
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def plain(hint: object) -> object:
    """Return a type without its annotations."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def inner(hint: object) -> type[Any] | None:
    """Return the dataclass of a key that is a table, or an array of tables; a dataclass without keys is a value."""
    element = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return element if isinstance(element, type) and is_dataclass(element) and keys(element) else None


def hidden(kind: type[Any]) -> Iterator[str]:
    """Return the keys, in nested tables too, whose values may be secrets."""
    for name, hint in keys(kind).items():
        below = inner(hint)
        if below is not None:
            yield from hidden(below)
        elif HIDDEN in notes(hint):
            yield name


def tables_of(kind: type[Any]) -> Iterator[str]:
    """Return the keys whose value is a table, with fixed or free keys."""
    return (name for name, hint in keys(kind).items() if is_dataclass(hint) or get_origin(plain(hint)) is Mapping)


# -- tables ------------------------------------------------------------------------------------------------------------


def _one_of(*alternatives: tuple[str, ...]) -> JsonDict:
    """Return the schema for editors: one of these sets of keys is required."""
    return {"oneOf": [{"required": list(one)} for one in alternatives]}


_EXTRA: Mapping[type[Any], JsonDict] = {
    DiscoverySource: _one_of(("file_sd",), ("http_sd",)),
    Maintenance: _one_of(("start", "end"), ("at", "duration")),
}


@_once
def table(kind: type[Any]) -> type[Table]:
    """Return the table of the keys that a dataclass declares; the `kind` of a check comes first, and is required."""
    names = sorted(keys(kind), key=lambda name: name != "kind")
    made = {name: (_form(keys(kind)[name]), ... if name == "kind" else _default(_field(kind, name))) for name in names}
    return _made(kind, kind.__name__, made, _EXTRA.get(kind))


def _made(kind: type[Any], name: str, made: Mapping[str, Any], extra: JsonDict | None = None) -> type[Table]:
    base = type(name, (Table,), {"__module__": __name__, "model_config": ConfigDict(json_schema_extra=extra)})
    model = cast("type[Table]", create_model(name, __base__=base, __doc__=sentence(kind), **made))
    model.declared_by = kind
    return model


def _field(kind: type[Any], name: str) -> Field[Any]:
    return next(field for field in fields(kind) if field.name == name)


def _default(field: Field[Any]) -> object:
    """Return the default for pydantic: a table for a dataclass."""
    if field.default is not MISSING:
        return field.default
    if field.default_factory is MISSING:
        return ...
    made = field.default_factory()
    return table(type(made))() if is_dataclass(made) else Says(default_factory=field.default_factory)


def sentence(kind: type[Any]) -> str:
    """Return the first paragraph of a dataclass's docstring."""
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())


def _form(hint: object) -> Any:  # noqa: ANN401 - a type
    """Return a key's type with tables instead of dataclasses."""
    below = inner(hint)
    if below is not None:
        element: Any = table(below)
        form: Any = tuple[element, ...] if get_origin(hint) is tuple else element
        return Annotated[form, Says(description=sentence(below), strict=None if form is element else False)]
    return Annotated[_choice(plain(hint)), *notes(hint)]


def _choice(union: object) -> object:
    """Return a union of dataclasses as a choice by their `kind`, None for "none"; any other type as it is."""
    kinds = [one for one in get_args(union) if is_dataclass(one) and keys(cast("type", one))]
    if not kinds:
        return union
    choices = {str(_field(cast("type", one), "kind").default): table(cast("type", one)) for one in kinds}
    tagged = [Annotated[made, Tag(f"<{word}>")] for word, made in choices.items()]
    options = (Annotated[Literal["none"], Tag("<none>")], *tagged)
    form: Any = reduce(or_, options)
    return Annotated[form, Discriminator(_tag(frozenset(choices))), AfterValidator(_none)] | None


def _tag(words: frozenset[str]) -> Callable[[object], str | None]:
    """Return the discriminator of a choice; the angle brackets distinguish a tag from keys in the paths of errors."""

    def tag(given: object) -> str | None:
        if given == "none":
            return "<none>"
        word = given.get("kind") if isinstance(given, dict) else None
        return f"<{word}>" if isinstance(word, str) and word in words else None

    return tag


def _none(chosen: object) -> object:
    return None if chosen == "none" else chosen


CHECKS = tuple(str(_field(kind, "kind").default) for kind in get_args(Check))
"""The kinds of check."""


# -- the whole file ----------------------------------------------------------------------------------------------------

_PROTOCOL = WithJsonSchema(
    {"anyOf": [{"enum": list(PROTOCOLS)}, {"type": "string", "pattern": r":|\$\{"}], "x-unit": "protocol"}
)
# An editor does not know the defaults: for it, only the name is required.
_REQUIRED_SOMEWHERE = Says(json_schema_extra={"x-required": True})


def _is_required(name: str) -> bool:
    return _default(_field(Target, name)) is ...


def _of_target(name: str, *, required: bool) -> tuple[object, object]:
    """Return type and default of a target's key; an optional one may be left out."""
    hint, default = keys(Target)[name], _default(_field(Target, name))
    more = (_PROTOCOL,) if name == "protocol" else ()
    if required:
        return Annotated[_form(hint), *more, _REQUIRED_SOMEWHERE], ...
    if default is ...:
        return Annotated[cast("Any", plain(hint)) | None, *notes(hint), *more], None
    return _form(hint), default


_OWN = frozenset({"name", "models"})
DefaultsTable = _made(
    Target, "Defaults", {name: _of_target(name, required=False) for name in keys(Target) if name not in _OWN}
)
"""The keys of `[defaults]`: all keys of a target except those that name one or several targets."""
TargetTable = _made(
    Target,
    "Target",
    {name: _of_target(name, required=_is_required(name)) for name in keys(Target)},
    {"required": ["name"]},
)
"""The keys of each `[[targets]]`."""

_IN_DEFAULTS = "The defaults of every target: any of its keys except `name` and `models`."
_FILE = {name: (_form(hint), _default(_field(Settings, name))) for name, hint in keys(Settings).items()}
FileTable = _made(
    Settings,
    "File",
    _FILE
    | {
        "defaults": (Annotated[DefaultsTable, Says(description=_IN_DEFAULTS)], DefaultsTable()),
        "targets": (Annotated[tuple[TargetTable, ...], Says(description=sentence(Target))], ()),  # type: ignore[valid-type]
    },
    {
        "anyOf": [
            {"required": ["targets"], "properties": {"targets": {"minItems": 1}}},
            {"required": ["discovery"], "properties": {"discovery": {"minItems": 1}}},
        ]
    },
)
"""The config of chat-monitor."""
