"""The types of keys: what the file writes becomes the value, and what an editor checks agrees with it."""

from __future__ import annotations

from datetime import time
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError

from monitor.keys import types
from monitor.keys.secret import Secret
from monitor.keys.types import Unit, doc

STRICT = ConfigDict(strict=True)


def adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a type
    """Return what reads a type as the config is read."""
    return TypeAdapter(kind, config=STRICT)


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (types.Name, "a-1", "a-1"),
        (types.TargetPatterns, ["a", "b/c:1", "v-*"], ("a", "b/c:1", "v-*")),
        (types.ModelNames, ["m", "org/m:8b"], ("m", "org/m:8b")),
        (types.OptionalTargetName, "", None),
        (types.OptionalTargetName, "a", "a"),
        (types.OptionalLine, "", None),
        (types.Text, "a\nb", "a\nb"),
        (types.VariableName, "", None),
        (types.VariableName, "KEY", "KEY"),
        (types.OptionalHeaderName, "", None),
        (types.ProxyUrl, "", None),
        (types.ProxyUrl, "http://p:1", Secret("http://p:1")),
        (types.Networks, ["10.0.0.0/8", "::1"], (ip_network("10.0.0.0/8"), ip_network("::1"))),
        (types.Resolver, "system", "system"),
        (types.Resolver, "::1", "[::1]:53"),
        (types.Bounds, [1, 2.5], (1.0, 2.5)),
        (types.Temperature, "none", None),
        (types.Temperature, 1, 1.0),
        (types.TimeOfDay, "02:30", time(2, 30)),
        (types.Weekdays, ["sun"], ("sun",)),
        (types.Labels, {"team": "x"}, {"team": "x"}),
        (types.Headers, {"X-A": "b"}, {"X-A": Secret("b")}),
        (types.HeaderFiles, {"X-A": "f"}, {"X-A": "f"}),
        (types.Json, {"a": [1, {"b": True}]}, {"a": [1, {"b": True}]}),
    ],
)
def test_what_the_file_writes_becomes_the_value(kind: object, written: object, value: object) -> None:
    """Empty texts become None, addresses and times are read, and what may be secret is wrapped."""
    assert adapter(kind).validate_python(written) == value


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (types.Name, "a b"),
        (types.TargetPatterns, ["a/"]),
        (types.TargetPatterns, ["/m"]),
        (types.TargetPatterns, ["a*\n"]),
        (types.ModelNames, ["m", "m"]),
        (types.ModelNames, [""]),
        (types.Ratio, 1.0),
        (types.Tokens, 0),
        (types.Temperature, 11),
        (types.Temperature, "cold"),
        (types.Labels, {f"a{number}": "x" for number in range(21)}),
        (types.Labels, {"le": "x"}),
        (types.Headers, {"Content-Length": "1"}),
        (types.File, " "),
        (types.Pattern, "("),
        (types.Weekdays, []),
    ],
)
def test_what_is_out_of_bounds_is_refused(kind: object, written: object) -> None:
    """Each type has its own check."""
    with pytest.raises(ValidationError):
        adapter(kind).validate_python(written)


def test_a_unit_stands_in_the_schema() -> None:
    """The unit of a bare number is in the schema and on the page of the keys."""
    assert adapter(types.Tokens).json_schema()["x-unit"] == "tokens"
    assert Unit("probes").name == "probes"


def test_a_key_says_what_it_does() -> None:
    """The sentence is the description; an example is one of a list."""
    assert (doc("It does.").description, doc("It does.").examples) == ("It does.", None)
    assert doc("It does.", "x").examples == ["x"]
