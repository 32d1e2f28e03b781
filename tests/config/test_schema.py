"""The JSON Schema for editors."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import pytest
from jsonschema_rs import Draft7Validator, meta

from monitor.config import schema
from tests.config.cases import TARGET
from tests.config.test_build import FULL, SECTIONS

VALIDATOR = Draft7Validator(schema())
WATCHED = tomllib.loads(TARGET)


def marked(text: str) -> list[list[str | int]]:
    """Return where an editor marks a text; one without targets has one."""
    return [list(error.instance_path) for error in VALIDATOR.iter_errors(WATCHED | tomllib.loads(text))]


def nodes(node: object) -> Iterator[dict[str, object]]:
    """Return every table of a schema."""
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from nodes(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from nodes(inner)


def test_is_a_draft_7_schema_in_one_piece() -> None:
    """It is valid, is JSON, and refers to nothing."""
    meta.validate(schema())
    assert json.loads(json.dumps(schema())) == schema()
    assert not [node for node in nodes(schema()) if "$ref" in node or node.get("type") == "null"]


def test_every_table_is_closed_and_every_key_described() -> None:
    """An editor marks unknown keys, and says what each known one does."""
    for node in nodes(schema()):
        properties = node.get("properties")
        if isinstance(properties, dict) and node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert all("description" in inner for inner in properties.values())


@pytest.mark.parametrize(
    "text",
    [
        TARGET,
        TARGET + FULL,
        TARGET
        + SECTIONS.replace("2030-01-01T00:00:00Z", '"2030-01-01T00:00:00Z"').replace(
            "2030-01-02T00:00:00Z", '"2030-01-02T00:00:00Z"'
        ),
    ],
)
def test_what_loads_is_valid(text: str) -> None:
    """Configs that load have nothing marked."""
    assert list(VALIDATOR.iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("unknown = 1", []),
        ("[limits]\nconcurrency = 0", ["limits", "concurrency"]),
        ("[limits]\nstream_bytes = '32'", ["limits", "stream_bytes"]),
        ("[log]\nlevel = 'inf'", ["log", "level"]),
        ("[defaults]\ninterval = 60", ["defaults", "interval"]),
        ("[defaults]\ninterval = '60'", ["defaults", "interval"]),
        ("[defaults]\ncheck = { kind = 'x' }", ["defaults", "check"]),
        ("[[targets]]\nurl = 'http://x'", ["targets", 0]),
        ("[[targets]]\nname = 'a'\nprotocol = 'opnai'", ["targets", 0, "protocol"]),
        ("[defaults]\ninterval = '0s'", ["defaults", "interval"]),
        ("[defaults]\nurl = 'ftp://x'", ["defaults", "url"]),
        ("[defaults]\nurl = 'http:///v1'", ["defaults", "url"]),
        ("[defaults]\nurl = 'http://x/a b'", ["defaults", "url"]),
        ("[defaults]\nurl = 'http://x/#a'", ["defaults", "url"]),
        ("[defaults]\nproxy = 'x'", ["defaults", "proxy"]),
        ("[defaults]\nprompt = ' '", ["defaults", "prompt"]),
        ("[defaults]\napi_key_env = 'sk-1'", ["defaults", "api_key_env"]),
        ("[defaults]\nupstream = 'a b'", ["defaults", "upstream"]),
        ("[defaults]\nlabels = { le = 'x' }", ["defaults", "labels"]),
        ("[defaults]\nlabels = { __a = 'x' }", ["defaults", "labels"]),
        ("[defaults]\nlabels = { a-b = 'x' }", ["defaults", "labels"]),
        ("[defaults]\nlabels = { a = 1 }", ["defaults", "labels", "a"]),
        ("[defaults]\nheaders = { 'A B' = 'x' }", ["defaults", "headers"]),
        ("[defaults]\nheaders = { content-LENGTH = '1' }", ["defaults", "headers"]),
        ("[defaults]\nheaders = { A = 'ü' }", ["defaults", "headers", "A"]),
        ('[defaults]\nheaders = { A = "x\\ny" }', ["defaults", "headers", "A"]),
        ("[defaults]\nheader_files = { A = ' ' }", ["defaults", "header_files", "A"]),
        ("[defaults]\ntls = { ca_file = ' ' }", ["defaults", "tls", "ca_file"]),
        ('[monitor]\nlocation = "a\\nb"', ["monitor", "location"]),
        ("[web]\nlisten = 'x'", ["web", "listen"]),
        ("[network]\ndeny = ['x']", ["network", "deny", 0]),
        ("[metrics.buckets]\ngap = []", ["metrics", "buckets", "gap"]),
        ("[metrics.buckets]\ngap = [0.0]", ["metrics", "buckets", "gap", 0]),
        ("[[maintenance]]\nname = 'a'", ["maintenance", 0]),
        ("[[maintenance]]\nname = 'a'\nat = '02:00'", ["maintenance", 0]),
        ("[[discovery]]\nname = 'a'", ["discovery", 0]),
        ("[[discovery]]\nname = 'a'\nfile_sd = ['b']\nhttp_sd = ['http://c']", ["discovery", 0]),
    ],
)
def test_what_does_not_load_is_marked(text: str, path: list[str | int]) -> None:
    """Unknown keys, bare numbers and wrong words are marked where they stand."""
    assert marked(text) == [path]


@pytest.mark.parametrize("text", ["", "targets = []", "discovery = []", "[web]"])
def test_nothing_to_watch_is_marked(text: str) -> None:
    """A config has a target, or a source of targets."""
    assert not VALIDATOR.is_valid(tomllib.loads(text))
    assert VALIDATOR.is_valid(tomllib.loads("[[discovery]]\nname = 'a'\nfile_sd = ['b']"))


@pytest.mark.parametrize(
    "text",
    [
        "[log]\nlevel = '${L}'",
        "[defaults]\ninterval = '${I}'\nprotocol = '${P}'\nurl = '${U}'",
        "[[targets]]\nname = '${N}'",
        "[web]\nlisten = '${L}'\n[network]\ndeny = ['${D}']",
        "[defaults]\nlabels = { a = '${L}' }\nheaders = { A = 'ü${H}' }\nproxy = '${P}'\nprompt = '${Q}'",
    ],
)
def test_variables_are_not_marked(text: str) -> None:
    """A text with a variable in it is always valid."""
    assert marked(text) == []


def test_defaults_stand_as_in_the_file() -> None:
    """The defaults of durations and sizes are written as in the file."""
    limits, timeouts = schema()["properties"]["limits"], schema()["properties"]["defaults"]["properties"]["timeouts"]
    assert limits["properties"]["stream_bytes"]["default"] == "32MiB"
    assert timeouts["properties"]["total"]["default"] == "5m"
