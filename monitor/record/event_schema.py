"""The JSON Schema of the probe event, derived from its declaration: docs/event.schema.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from monitor.judge.verdict import CAUSES, Outcome
from monitor.record.probe_event import ProbeEvent

Json = dict[str, Any]


def event_schema() -> Json:
    """Return the schema: every key with its meaning, the keys that are always written, and each outcome's causes."""
    _, parts = msgspec.json.schema_components([ProbeEvent], ref_template="{name}")
    event = _inlined(parts[ProbeEvent.__name__], parts)
    event["properties"]["event"] |= {"description": "The kind of this log line; the daemon's own messages have others."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "chat-monitor probe event",
        **event,
        "allOf": [*map(_causes, CAUSES), _UNCLEAN],
    }


def always_written(part: Json, held_as: Callable[[Json], Json] = dict) -> Json:
    """Return an object's schema with its required keys (see probe_event), each property mapped by `held_as`."""
    properties = part["properties"]
    return {
        "type": "object",
        # Python 3.13 strips the indentation of docstrings; stripped here, the text is the same on every version
        "description": " ".join(part["description"].split()),
        "required": [name for name, schema in properties.items() if name in part["required"] or "default" in schema],
        "properties": {name: _without_default(held_as(schema)) for name, schema in properties.items()},
    }


def _inlined(part: Any, parts: Json) -> Any:  # noqa: ANN401 - any part of a JSON document
    """Return a part with its references inlined and its required keys set (see probe_event)."""
    if isinstance(part, list):
        return [_inlined(schema, parts) for schema in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(
            {**parts[part["$ref"]], **{key: schema for key, schema in part.items() if key != "$ref"}}, parts
        )
    if "properties" not in part:
        return {key: _inlined(schema, parts) for key, schema in part.items()}
    return always_written(part, lambda schema: _inlined(schema, parts))


def _without_default(part: Json) -> Json:
    return {key: schema for key, schema in part.items() if key != "default"}


_UNCLEAN = {
    "if": {"properties": {"unclean_end": {"const": True}}},
    "then": {"required": ["unclean_cause"]},
    "else": {"not": {"required": ["unclean_cause"]}},
}


def _causes(outcome: Outcome) -> Json:
    causes = CAUSES[outcome]
    then: Json = {"not": {"required": ["cause"]}}
    if causes:
        then = {"required": ["cause"], "properties": {"cause": {"enum": [str(cause) for cause in causes]}}}
    return {"if": {"properties": {"outcome": {"const": outcome.value}}}, "then": then}
