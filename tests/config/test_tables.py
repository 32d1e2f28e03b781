"""Tables are merged, and invalid values are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.document import Document
from monitor.config.findings import Findings
from monitor.config.mistake import KeyPath
from monitor.config.model import TargetTable, value
from monitor.config.tables import Values, merged, validated, without
from monitor.target import Target


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"timeouts": {"idle": 1, "total": 2}}, {"timeouts": {"idle": 3}}, {"timeouts": {"idle": 3, "total": 2}}),
        ({"slo": {"first_chunk": {"a": 1}}}, {"slo": {"first_chunk": {"b": 2}}},
         {"slo": {"first_chunk": {"a": 1, "b": 2}}}),
        ({"labels": {"a": "x"}}, {"labels": {}}, {"labels": {}}),
        ({"labels": {"a": "x"}}, {"labels": 3}, {"labels": 3}),
        ({"check": {"kind": "count", "to": 9}}, {"check": {"kind": "length"}}, {"check": {"kind": "length"}}),
        ({"locations": ["a"]}, {"locations": ["b"]}, {"locations": ["b"]}),
        ({"body": {"a": {"b": 1}}}, {"body": {"a": {"c": 2}, "d": [1]}}, {"body": {"a": {"b": 1, "c": 2}, "d": [1]}}),
        ({"api_key_env": "A"}, {"api_key_file": "f"}, {"api_key_file": "f"}),
        ({"api_key_env": "A"}, {"model": "m"}, {"api_key_env": "A", "model": "m"}),
        ({"model": "m"}, {"models": ["a"]}, {"models": ["a"]}),
        ({"headers": {"X-A": "1", "X-B": "2"}}, {"header_files": {"x-a": "f"}},
         {"headers": {"X-B": "2"}, "header_files": {"x-a": "f"}}),
        ({"header_files": {"X-A": "f"}}, {"headers": {"X-A": "1"}}, {"headers": {"X-A": "1"}, "header_files": {}}),
        ({"headers": {"X-A": "1"}}, {"headers": 3}, {"headers": 3}),
    ],
)  # fmt: skip
def test_targets_win_over_defaults(base: Values, over: Values, result: Values) -> None:
    """Some tables are merged by key, others are replaced, and another key for the same value removes the default."""
    before = repr(base)
    assert merged(base, over) == result
    assert repr(base) == before


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (("a",), {"b": {"c": 1, "d": [1, {"e": 2}]}}),
        (("b", "c"), {"a": 1, "b": {"d": [1, {"e": 2}]}}),
        (("b", "d", 1, "e"), {"a": 1, "b": {"c": 1}}),
        (("x", "y"), {"a": 1, "b": {"c": 1, "d": [1, {"e": 2}]}}),
    ],
)
def test_a_key_is_left_out(path: KeyPath, left: Values) -> None:
    """Only the one key is removed; an array is removed as a whole."""
    assert without({"a": 1, "b": {"c": 1, "d": [1, {"e": 2}]}}, path) == left


def judged(values: Values) -> tuple[Target, list[str]]:
    """Validate a target, and return its mistakes."""
    findings = Findings(Document("c", Path(), {"targets": [values]}))
    table, _ = validated(TargetTable, values, ("targets", 0), findings)
    return value(table), [f"{one.key}: {one.message}" for one in findings.mistakes]


def test_every_mistake_is_reported_and_the_rest_is_read() -> None:
    """All mistakes are reported together, and the valid values are kept."""
    table, messages = judged(
        {"name": "a", "url": "http://x", "model": 3, "intervall": 1, "interval": "2m", "check": {"kind": "length"}}
    )
    assert messages == [
        "targets[0].protocol: is missing",
        "targets[0].model: 3 is not a string",
        "targets[0].check.min: is missing",
        "targets[0].intervall: unknown key",
    ]  # fmt: skip
    assert (table.interval, table.model, table.check) == (120.0, None, None)


def test_what_is_broken_already_is_not_missing_too() -> None:
    """A key whose variable is not set is not reported as missing as well."""
    findings = Findings(Document("c", Path(), {}, broken=(("targets", 0, "url"),)))
    validated(TargetTable, {"name": "a", "protocol": "raw"}, ("targets", 0), findings)
    assert findings.mistakes == []
