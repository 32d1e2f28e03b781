"""The config as a JSON Schema for editors: draft 7 without references, which every TOML language server reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from monitor.config.model import FileTable
from monitor.keys.units import VARIABLE_PATTERN, duration_text, size_text

Schema = dict[str, Any]

_DIALECT = "http://json-schema.org/draft-07/schema#"
_TITLE = "chat-monitor configuration"
_WRITE: dict[str, Callable[[Any], str]] = {"duration": duration_text, "size": size_text}


def schema() -> Schema:
    """Return the JSON Schema of the config."""
    whole = FileTable.model_json_schema()
    definitions = whole.pop("$defs")
    body = cast("Schema", _inlined(whole, definitions))
    return {"$schema": _DIALECT, **body, "title": _TITLE}


def _inlined(node: object, definitions: Schema) -> object:
    """Inline references: in draft 7, keys next to a reference are ignored."""
    match node:
        case {"$ref": str() as reference, **siblings}:
            return _inlined(definitions[reference.rpartition("/")[2]] | siblings, definitions)
        case dict():
            return _tidied({key: _inlined(value, definitions) for key, value in node.items()})
        case list():
            return [_inlined(value, definitions) for value in node]
        case _:
            return node


def _one_written_as_text(node: Schema) -> Schema:
    """Return the default of an array that may be one text, if it is one."""
    match node:
        case {"default": [only], "anyOf": [{"type": "string"}, *_]}:
            return {"default": only}
        case _:
            return {}


def _tidied(node: Schema) -> Schema:
    """Remove null, which TOML does not have, and generated titles, and write defaults as in the file."""
    if isinstance(node.get("title"), str):
        del node["title"]
    options = node.get("anyOf", [])
    left = [option for option in options if option != {"type": "null"}]
    if len(left) == 1:
        del node["anyOf"]
        node = left[0] | node
    elif options:
        node["anyOf"] = left
        node |= _one_written_as_text(node)
    if node.get("type") == "string" and "enum" in node:
        enum = {"type": node.pop("type"), "enum": node.pop("enum")}
        node["anyOf"] = [enum, {"type": "string", "pattern": VARIABLE_PATTERN}]
    default = node.get("default")
    if default is None or isinstance(default, dict):
        node.pop("default", None)
    elif node.get("x-unit") in _WRITE:
        node["default"] = _WRITE[node["x-unit"]](default)
    return node
