"""The types of config keys: the value in the monitor, its form in the file, and what an editor checks.

A key of the config is a dataclass field whose annotation has `doc(...)`. The other annotations are pydantic's, or
from here; the file is read, checked, explained and documented from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from enum import Enum, auto
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from monitor.keys import json_path, units, values
from monitor.keys.json_path import JsonPath
from monitor.keys.secret import Secret


def doc(sentence: str, example: object = None) -> FieldInfo:
    """Make a field a config key: its description in one sentence, and an example if the default shows none."""
    found: FieldInfo = Field(description=sentence, examples=None if example is None else [example])
    return found


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a bare number."""

    name: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"x-unit": self.name}


@dataclass(frozen=True, slots=True)
class Written:
    """The file has the value as `form`, and `read` converts it."""

    form: Any
    read: Callable[[Any], object]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source
        return core_schema.no_info_after_validator_function(self.read, handler.generate_schema(self.form))


class Path(Enum):
    """Where a relative file name is looked up, and what is read from it with the config."""

    CONFIG = auto()
    """In the config's directory; nothing is read."""
    STATE = auto()
    """In the state directory, else in the config's; nothing is read."""
    PEM = auto()
    """In the credentials directory, else in the config's; it must contain PEM."""
    SECRET = auto()
    """In the credentials directory, else in the config's; it must contain a secret of one line."""
    PASSWORD = auto()
    """The same, and the secret may hold characters beyond ASCII."""


class Hidden(Enum):
    """The value may be or contain a secret: no message quotes it."""

    HIDDEN = auto()


HIDDEN = Hidden.HIDDEN


def _text(pattern: str) -> WithJsonSchema:
    """Return the schema for editors: the pattern, or a text with a ${VAR} in it."""
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern}|{units.VARIABLE_PATTERN})$"})


def _or_none(form: object) -> Written:
    """Return how a text is read whose empty form means None."""
    return Written(form, lambda text: text or None)


_PRINTABLE, _SAYS_SOMETHING = r"[^\x00-\x1f\x7f]*", r"[\s\S]*\S[\s\S]*"
_URL = r"[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#][^\s#]*"
_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"

Name = Annotated[str, AfterValidator(values.name), _text(values.NAME_PATTERN)]
_TARGET_NAME = rf"{values.NAME_PATTERN}(?:/{_PRINTABLE})?"
TargetPatterns = Annotated[
    tuple[Annotated[str, AfterValidator(values.target_pattern), _text(_PRINTABLE)], ...], Field(strict=False)
]
OptionalTargetName = Annotated[
    str | None,
    _or_none(Annotated[str, AfterValidator(values.optional_target_name), _text(f"(?:{_TARGET_NAME})?")]),
]
ModelNames = Annotated[
    tuple[Annotated[str, AfterValidator(values.model_name)], ...],
    Field(strict=False),
    AfterValidator(values.all_different),
]
Line = Annotated[str, AfterValidator(values.one_line), _text(_PRINTABLE)]
OptionalLine = Annotated[str | None, _or_none(Line)]
OptionalPath = Annotated[
    JsonPath | None,
    Written(Annotated[str, AfterValidator(values.optional_path)], lambda text: json_path.parse(text) if text else None),
]
Text = Annotated[str, AfterValidator(values.not_blank), _text(_SAYS_SOMETHING)]
Pattern = Annotated[str, AfterValidator(values.not_blank), AfterValidator(values.pattern)]
File = Annotated[
    str,
    AfterValidator(values.one_line),
    AfterValidator(values.not_blank),
    _text(rf"{_PRINTABLE}[^\x00-\x20\x7f]{_PRINTABLE}"),
]
VariableName = Annotated[
    str | None,
    _or_none(
        Annotated[str, AfterValidator(values.variable_name), _text(f"(?:{values.VARIABLE_NAME_PATTERN})?")],
    ),
]

PageUrl = Annotated[
    str | None,
    _or_none(Annotated[str, AfterValidator(values.page_url), _text(f"(?:{_URL})?")]),
]
HttpUrl = Annotated[str, AfterValidator(values.url), _text(_URL)]
ProxyUrl = Annotated[
    Secret | None,
    Written(
        Annotated[str, AfterValidator(values.optional_proxy_url), _text(f"(?:{_URL})?")],
        lambda text: Secret(text) if text else None,
    ),
]
NoProxy = Annotated[
    tuple[Annotated[str, AfterValidator(values.proxy_exception), _text(r"[^\s,]+")], ...], Field(strict=False)
]
HostName = Annotated[str, AfterValidator(values.host_name)]
_LISTEN = rf"^(?:(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]*):[0-9]{{1,5}}|{units.VARIABLE_PATTERN})$"
_OneListen: JsonDict = {"type": "string", "pattern": _LISTEN}
Listen = Annotated[
    tuple[Annotated[str, AfterValidator(values.listen)], ...],
    Field(strict=False),
    AfterValidator(values.not_empty),
    AfterValidator(values.all_different),
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else given),
    WithJsonSchema({"anyOf": [_OneListen, {"type": "array", "items": _OneListen, "minItems": 1}]}),
]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    Written(
        Annotated[
            tuple[Annotated[str, AfterValidator(values.cidr), _text("[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")], ...],
            Field(strict=False),
        ],
        lambda texts: tuple(map(ip_network, texts)),
    ),
]
Resolver = Annotated[str, AfterValidator(values.resolver)]

Ratio = Annotated[float, Field(gt=0, lt=1)]
Tokens = Annotated[int, Field(ge=1, le=10**9), Unit("tokens")]
Bounds = Annotated[
    tuple[float, ...],
    Field(strict=False, max_length=40),
    AfterValidator(values.bounds),
    WithJsonSchema(
        {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 1, "maxItems": 40}
    ),
    Unit("seconds"),
]
Temperature = Annotated[
    # A nullable number, not a union, so that an invalid value gives one error and not two.
    Annotated[float, Field(ge=0, le=10)] | None,
    BeforeValidator(lambda given: None if given == "none" else given),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 10}, {"const": "none"}]}),
]

Currency = Annotated[str, AfterValidator(values.currency), _text("[A-Z]{3}")]
_Money = Annotated[float, Field(ge=0, le=10**9), Unit("for a million tokens")]
ModelPrices = Annotated[
    Mapping[str, Mapping[str, float]],
    Written(dict[Annotated[str, AfterValidator(values.model_name)], dict[Literal["input", "output"], _Money]], dict),
]

TimeOfDay = Annotated[
    time | None,
    Written(
        Annotated[str, AfterValidator(values.time_of_day), _text("[0-2][0-9]:[0-5][0-9]")],
        values.read_time,
    ),
]
Weekdays = Annotated[tuple[values.Weekday, ...], Field(strict=False), AfterValidator(values.not_empty)]
TimeZone = Annotated[str, AfterValidator(values.time_zone)]


def _mapping(names: JsonDict, value: JsonDict, **more: int) -> WithJsonSchema:
    """Return the schema for editors of a table with free keys: its names, and its values or a ${VAR}."""
    return WithJsonSchema({"type": "object", "additionalProperties": value, "propertyNames": names, **more})


def _in_any_case(words: Iterable[str]) -> str:
    """Return a case-insensitive pattern without a flag, which not every editor supports."""
    return "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word) for word in sorted(words))


Labels = Annotated[
    Mapping[str, str],
    Written(
        Annotated[
            dict[
                Annotated[str, AfterValidator(values.label_name)],
                Annotated[str, AfterValidator(values.label_value)],
            ],
            Field(max_length=20),
        ],
        dict,
    ),
    _mapping(
        {"pattern": f"^(?!__){values.LABEL_PATTERN}$", "not": {"enum": [*sorted(values.RESERVED_LABELS)]}},
        {"type": "string", "maxLength": values.LONGEST_LABEL, "pattern": f"^{_PRINTABLE}$"},
        maxProperties=20,
    ),
]
_HeaderName = Annotated[str, AfterValidator(values.header_name)]
_HEADER_NAMES: JsonDict = {"pattern": f"^(?!(?:{_in_any_case(values.OWN_HEADERS)})$){_HEADER}$"}
OptionalHeaderName = Annotated[str | None, _or_none(Annotated[str, AfterValidator(values.optional_header_name)])]
Headers = Annotated[
    Mapping[str, Secret],
    Written(
        dict[_HeaderName, Annotated[str, AfterValidator(values.header_value)]],
        lambda headers: {name: Secret(value) for name, value in headers.items()},
    ),
    _mapping(_HEADER_NAMES, {"type": "string", "pattern": f"^(?:[\\t -~]*|{units.VARIABLE_PATTERN})$"}),
    HIDDEN,
]
HeaderFiles = Annotated[
    Mapping[str, str],
    Written(dict[_HeaderName, File], dict),
    _mapping(_HEADER_NAMES, {"type": "string", "pattern": r"\S"}),
    HIDDEN,
]
Json = Annotated[
    Mapping[str, object], Written(Annotated[dict[str, Any], AfterValidator(values.encodable)], dict), HIDDEN
]
