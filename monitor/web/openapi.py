"""The OpenAPI description of the JSON API, made from the declarations of its bodies: `GET /api/v1/openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from monitor import __version__
from monitor.maintenance import WindowRequest
from monitor.record.event_schema import always_written, event_schema
from monitor.record.target_summary import BriefProbe, FirstChunkSummary, TargetSummary, WindowSummary
from monitor.web import listing
from monitor.web.windows import Window

Json = dict[str, Any]
VERSION = "3.1.0"
PREFIX = "/api/v1"
_SCHEMAS = "#/components/schemas/"
_EVENT, _DETAIL, _ERROR = "ProbeEvent", "TargetDetail", "Error"
_SHOWN = (TargetSummary, BriefProbe, FirstChunkSummary, WindowSummary, Window)
_TAKEN = (WindowRequest,)


def _parameter(place: str, name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}


def _listed(name: str, description: str, of: str = "ProbeEvent") -> Json:
    return {
        "type": "object",
        "required": [name],
        "properties": {name: {"type": "array", "description": description, "items": _ref(of)}},
    }


def _ref(name: str) -> Json:
    return {"$ref": _SCHEMAS + name}


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: its parameters and responses; `refuses` are its statuses besides those of every route."""

    summary: str
    found: str
    """The body of a 200 response."""
    schema: Json
    parameters: tuple[Json, ...] = ()
    body: Json | None = None
    """The body of the request, if it needs one."""
    refuses: Mapping[int, str] = field(default_factory=dict)


_NAME = _parameter("path", "name", "The name of a target.", {"type": "string", "minLength": 1})
_ID = _parameter("path", "id", "The id of a probe.", {"type": "string", "minLength": 1})
_NO_WINDOWS = {501: "This monitor sets no maintenance windows."}
_NO_TARGET = {404: "No target of this name is configured."}
_TARGETS = {
    "type": "object",
    "required": ["targets"],
    "properties": {"targets": {"type": "array", "description": "Every target.", "items": _ref("TargetSummary")}},
}
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", f"{PREFIX}/targets"): Operation("List the targets", "Every target with its recent probes.", _TARGETS),
    ("GET", f"{PREFIX}/targets/{{name}}"): Operation(
        "Show a target", "The target with the events of its recent probes.", _ref(_DETAIL), (_NAME,), refuses=_NO_TARGET
    ),
    ("POST", f"{PREFIX}/targets/{{name}}/probe"): Operation(
        "Probe a target now",
        "The event of the probe with its timeline. It is in no ratio.",
        _ref(_EVENT),
        (_NAME,),
        refuses=_NO_TARGET
        | {
            429: "The probe may not start now: a budget is spent, a limit is reached, or one is in flight.",
            501: "This monitor does not probe on request.",
        },
    ),
    ("GET", f"{PREFIX}/probes"): Operation(
        "List the newest probes",
        "The events of the probes without their timelines, the one that began last first.",
        _listed("probes", "The probes, newest first."),
        (
            _parameter("query", "target", "Only the probes of the target of this name.", {"type": "string"}),
            _parameter(
                "query", "failed", "Whether only failed probes are listed.", {"type": "boolean", "default": False}
            ),
            _parameter("query", "id", "Only the probes whose id begins with this text.", {"type": "string"}),
            _parameter(
                "query",
                "limit",
                "How many probes are listed at most.",
                {"type": "integer", "minimum": 1, "maximum": listing.MOST, "default": listing.USUAL},
            ),
        ),
        refuses={400: "A parameter is unknown, is given twice, or has an invalid value."},
    ),
    ("GET", f"{PREFIX}/probes/{{id}}"): Operation(
        "Show a probe",
        "The event of the probe, with its timeline if that is kept.",
        _ref(_EVENT),
        (_ID,),
        refuses={404: "No probe of this id is kept.", 503: "The history cannot be read."},
    ),
    ("GET", f"{PREFIX}/maintenance"): Operation(
        "List maintenance windows",
        "The windows of the config, and those that users have set and that have not ended.",
        _listed("windows", "The windows.", "Window"),
        refuses=_NO_WINDOWS,
    ),
    ("POST", f"{PREFIX}/maintenance"): Operation(
        "Set a maintenance window",
        "The window that was set. It survives a restart of the monitor.",
        _ref("Window"),
        body=_ref("WindowRequest"),
        refuses=_NO_WINDOWS | {408: "The body does not come in time."},
    ),
    ("DELETE", f"{PREFIX}/maintenance/{{id}}"): Operation(
        "End a maintenance window",
        "The window that is ended.",
        _ref("Window"),
        (_parameter("path", "id", "The id of a window that a user has set.", {"type": "string", "minLength": 1}),),
        refuses=_NO_WINDOWS | {404: "No window of this id was set, or it has ended."},
    ),
    ("GET", f"{PREFIX}/openapi.json"): Operation(
        "Describe this API", "This description.", {"type": "object", "required": ["openapi", "paths"]}
    ),
}
_ALWAYS = {
    400: "The request is not valid HTTP, or its path contains an invalid character.",
    401: "A user name and a password are required.",
    403: "The request comes from another site, names another host, or its client is not allowed to make it.",
    413: "The request has a body that is too large.",
    417: "The expectation of the request cannot be met.",
    429: "Too many passwords are waiting to be checked, or too many requests are being answered.",
    500: "The monitor failed to answer; its log has the details.",
    505: "The request is of another version than HTTP/1.1 and HTTP/1.0.",
}


def description(*, login: bool) -> Json:
    """Return the OpenAPI document; `login` says whether this monitor requires a user and a password."""
    paths: dict[str, Json] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _described(method, path, operation)
    document: Json = {
        "openapi": VERSION,
        "info": {
            "title": "chat-monitor",
            "version": __version__,
            "description": "Targets and the results of their probes. A key that does not apply is absent, never null.",
        },
        "servers": [{"url": "../..", "description": "Relative to this description: it holds under any prefix."}],
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
    if login:
        document["components"]["securitySchemes"] = {"user": {"type": "http", "scheme": "basic"}}
        document["security"] = [{"user": []}]
    return document


def _described(method: str, path: str, operation: Operation) -> Json:
    words = path.removeprefix(PREFIX).replace(".", "/").replace("{", "").replace("}", "").split("/")
    refused = {
        str(status): {"description": why, "content": {"application/json": {"schema": _ref(_ERROR)}}}
        for status, why in sorted({**_ALWAYS, **operation.refuses}.items())
    }
    answered = {"description": operation.found, "content": {"application/json": {"schema": operation.schema}}}
    return {
        "operationId": method.lower() + "".join(word.capitalize() for word in words),
        "summary": operation.summary,
        "parameters": list(operation.parameters),
        "responses": {"200": answered} | refused,
    } | ({} if operation.body is None else {"requestBody": _required(operation.body)})


def _required(body: Json) -> Json:
    return {"required": True, "content": {"application/json": {"schema": body}}}


def _schemas() -> Json:
    """Return the schemas of the bodies: the probe's event, and the summaries of targets."""
    _, parts = msgspec.json.schema_components((*_SHOWN, *_TAKEN), ref_template=_SCHEMAS + "{name}")
    shown = {kind.__name__: always_written(parts[kind.__name__]) for kind in _SHOWN}
    summary = shown[TargetSummary.__name__]
    recent = {"type": "array", "description": "The events of the recent probes, newest first.", "items": _ref(_EVENT)}
    detail = summary | {
        "description": "One target with the events of its recent probes.",
        "properties": summary["properties"] | {"recent": recent},
    }
    error = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "description": "What is wrong, in plain words."}},
    }
    event = {key: property_ for key, property_ in event_schema().items() if key != "$schema"}
    taken = {kind.__name__: parts[kind.__name__] for kind in _TAKEN}
    return {_EVENT: event, **shown, **taken, _DETAIL: detail, _ERROR: error}
