"""Merge and validate tables of values; invalid values are left out, so that the rules can judge the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from monitor.config import explain
from monitor.config.findings import Findings
from monitor.config.mistake import KeyPath
from monitor.config.model import Table, tables_of
from monitor.target import Target

Values = dict[str, Any]

# Of these tables the target's keys win one by one; all else is replaced.
MERGED = frozenset(tables_of(Target))
# Of these, the one that a target sets replaces both.
EITHER = (frozenset({"api_key_env", "api_key_file"}), frozenset({"model", "models"}))
# The placeholder for a missing required key: loading fails, but first checks the rest.
_STAND_INS = {"name": "missing", "protocol": "raw", "url": "http://missing.invalid"}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """Return a target's keys over the defaults."""
    result = _without_rivals(base, over)
    for key, value in over.items():
        result[key] = _deep(result.get(key), value) if key in MERGED else value
    return result


def _deep(base: object, over: object) -> object:
    """Merge tables key by key; an empty table replaces."""
    if not isinstance(base, dict) or not isinstance(over, dict) or not over:
        return over
    return base | {key: _deep(base.get(key), value) for key, value in over.items()}


def _without_rivals(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """Return the defaults without what the target sets by another key, or by a header in another spelling."""
    replaced = {key for rivals in EITHER if rivals.intersection(over) for key in rivals}
    result = {key: value for key, value in base.items() if key not in replaced}
    given = {name.lower() for key in ("headers", "header_files") for name in _names(over.get(key))}
    for key in ("headers", "header_files"):
        if key in result:
            result[key] = {name: value for name, value in result[key].items() if name.lower() not in given}
    return result


def _names(table: object) -> list[str]:
    return list(table) if isinstance(table, dict) else []


def validated(model: type[Table], values: Values, base: KeyPath, findings: Findings) -> tuple[Table, Values]:
    """Return the table and its values; invalid values are reported and left out until the rest is valid."""
    while True:
        try:
            return model.model_validate(values), values
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                path, mistake = explain.mistake(detail, findings.document, base, model)
                missing = detail["type"] == "missing"
                if detail["type"] == "extra_forbidden":
                    findings.mistakes.append(mistake)  # nothing reads an unknown key
                elif not (missing and findings.is_broken(path)):
                    findings.add(path, mistake)
                values = _mended(values, path[len(base) :], missing=missing)


def _mended(values: Values, path: KeyPath, *, missing: bool) -> Values:
    if missing and len(path) == 1:
        return values | {str(path[0]): _STAND_INS[str(path[0])]}
    return without(values, path[:-1] if missing else path)


def without(values: Values, path: KeyPath) -> Values:
    """Return the values without one key; an array is removed as a whole."""
    key, rest = str(path[0]), path[1:]
    if key not in values:
        return values
    left = {name: value for name, value in values.items() if name != key}
    if rest and isinstance(values[key], dict):
        left[key] = without(values[key], rest)
    return left
