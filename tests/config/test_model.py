"""The tables that are made of the dataclasses: complete, described, with the contract's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from dataclasses import field as dataclass_field
from typing import Annotated, get_args, get_type_hints

import pytest
from pydantic import BaseModel, Field, ValidationError

from monitor import settings, target
from monitor.config.explain import tables
from monitor.config.model import FileTable, Table, hidden, table, tables_of, value
from monitor.keys.secret import Secret
from monitor.keys.types import HIDDEN, Unit, Written, doc
from monitor.keys.values import RESERVED_LABELS
from monitor.sinks.metrics.families import RESERVED

ALL = list(tables(FileTable))
KEYS = [(place, name) for place, table in ALL for name in table.model_fields]


@pytest.mark.parametrize(("place", "name"), KEYS)
def test_every_key_is_described_in_one_sentence(place: tuple[str, ...], name: str) -> None:
    """Every key has a description: one sentence with a full stop."""
    table = next(table for at, table in ALL if at == place and name in table.model_fields)
    text = table.model_fields[name].description or ""
    assert text.endswith(".")
    assert ". " not in text
    assert text[0].isupper() or text[0] == "`"


@pytest.mark.parametrize("table", [table for _, table in ALL])
def test_every_table_is_strict_closed_and_frozen(table: type[BaseModel]) -> None:
    """Every table refuses unknown keys and values of another type, and is immutable."""
    assert issubclass(table, Table)
    assert (table.model_config["strict"], table.model_config["extra"], table.model_config["frozen"]) == (
        True,
        "forbid",
        True,
    )


CONTRACT = {
    "limits": {"concurrency", "per_host", "stream_bytes", "event_bytes", "events", "tokens_per_day"},
    "monitor": {"location"},
    "web": {"listen", "probe"},
    "log": {"format", "level", "timeline"},
    "history": {"path", "probes_per_target", "failures_per_target", "max_bytes", "max_age", "record"},
    "metrics": {"detail", "buckets"},
    "network": {"deny", "allow", "ip_family", "resolver"},
    "discovery": set(),
    "maintenance": set(),
    "defaults": {"interval"},
    "targets": {
        "name", "protocol", "url", "model", "labels", "interval", "interval_when_failing", "confirm", "timeouts",
        "prompt",
        "check", "max_tokens", "temperature", "slo", "terminator", "connection", "upstream", "tls", "proxy", "headers",
        "body", "record", "tokens_per_day", "paused", "locations", "api_key_file", "api_key_env", "header_files",
    },
    "targets.timeouts": {"connect", "headers", "first_chunk", "idle", "total", "drain"},
    "targets.tls": {"ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify"},
    "targets.slo": {"availability", "first_chunk"},
    "targets.slo.first_chunk": {"threshold", "objective"},
}  # fmt: skip


@pytest.mark.parametrize("place", sorted(CONTRACT))
def test_every_key_of_the_contract_is_there(place: str) -> None:
    """The model has at least the keys of section 7 of the contract."""
    table = next(table for at, table in ALL if ".".join(at) == place)
    assert CONTRACT[place] - table.model_fields.keys() == set()


def test_defaults_keep_what_a_target_has_but_its_name() -> None:
    """`[defaults]` accepts every key of a target except the name and the models."""
    fields = FileTable.model_fields
    defaults, targets = (dict(tables(FileTable))[place,] for place in ("defaults", "targets"))
    assert targets.model_fields.keys() - defaults.model_fields.keys() == {"name", "models"}
    assert "defaults" in fields


def test_every_key_is_declared_by_the_dataclass_alone() -> None:
    """The keys of the file are the fields of the dataclasses, except those made from several keys."""
    table = dict(tables(FileTable))["targets",]
    put_together = {"api_key", "from_variables", "price", "turn", "turns"}
    assert {field.name for field in fields(target.Target)} - table.model_fields.keys() == put_together
    for name, hint in get_type_hints(settings.Settings).items():
        kind = (*get_args(hint), hint)[0]
        if not is_dataclass(kind):
            continue
        section = dict(tables(FileTable))[name,]
        assert {field.name for field in fields(kind)} == section.model_fields.keys()


@dataclass(frozen=True)
class Inner:
    """A table below."""

    deep: Annotated[bool, doc("Whether it is deep.")] = False
    secret: Annotated[str, HIDDEN, doc("A secret.")] = ""


@dataclass(frozen=True)
class Outer:
    """A table."""

    many: Annotated[int, Field(ge=1), Unit("things"), doc("How many.")] = 1
    inner: Inner = dataclass_field(default_factory=Inner)
    several: tuple[Inner, ...] = ()
    free: Annotated[Mapping[str, str], Written(dict[str, str], dict), doc("Free.", {"a": "b"})] = dataclass_field(
        default_factory=dict
    )
    derived: int = 0
    values: tuple[Secret, ...] = ()


def test_a_key_is_one_field() -> None:
    """Type, bounds, unit, default and sentence of a key come from its field; other fields are not keys."""
    made = table(Outer)
    assert list(made.model_fields) == ["many", "inner", "several", "free"]
    assert value(made.model_validate({"inner": {"deep": True}, "several": [{}]})) == Outer(
        inner=Inner(deep=True), several=(Inner(),)
    )
    assert made.model_json_schema()["properties"]["many"] == {
        "default": 1, "description": "How many.", "minimum": 1, "title": "Many", "type": "integer", "x-unit": "things",
    }  # fmt: skip
    for name, wrong in {"derived": 1, "values": []}.items():
        with pytest.raises(ValidationError, match=name):
            made.model_validate({name: wrong})
    assert set(hidden(Outer)) == {"secret"}
    assert list(tables_of(Outer)) == ["inner", "free"]


def test_the_metrics_labels_are_reserved() -> None:
    """A label of a target cannot have the name of a metric's own label."""
    assert RESERVED_LABELS >= RESERVED
