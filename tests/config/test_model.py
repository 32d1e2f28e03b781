"""The model: complete, described, with the contract's defaults."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from monitor import settings, target
from monitor.config.explain import tables
from monitor.config.model import FileTable, Table
from monitor.config.values import RESERVED_LABELS
from monitor.sinks.metrics.families import RESERVED

ALL = list(tables(FileTable))
KEYS = [(place, name) for place, table in ALL for name in table.model_fields]


@pytest.mark.parametrize(("place", "name"), KEYS)
def test_every_key_is_described_in_one_sentence(place: tuple[str, ...], name: str) -> None:
    """Every key says what it does, in one sentence that ends."""
    table = next(table for at, table in ALL if at == place and name in table.model_fields)
    text = table.model_fields[name].description or ""
    assert text.endswith(".")
    assert ". " not in text
    assert text[0].isupper() or text[0] == "`"


@pytest.mark.parametrize("table", [table for _, table in ALL])
def test_every_table_is_strict_closed_and_frozen(table: type[BaseModel]) -> None:
    """No table takes an unknown key or a value of another type, or can be changed."""
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
    """Section 7 of the contract is the least that the model has."""
    table = next(table for at, table in ALL if ".".join(at) == place)
    assert CONTRACT[place] - table.model_fields.keys() == set()


def test_defaults_keep_what_a_target_has_but_its_name() -> None:
    """`[defaults]` holds any target key but the name."""
    fields = FileTable.model_fields
    defaults, targets = (dict(tables(FileTable))[place,] for place in ("defaults", "targets"))
    assert targets.model_fields.keys() - defaults.model_fields.keys() == {"name"}
    assert "defaults" in fields


def test_plain_values_have_a_key_each() -> None:
    """Every field of the plain dataclasses can be set by the config; what is put together is known."""
    table = dict(tables(FileTable))["targets",]
    put_together = {"api_key"}
    assert set(target.Target.__slots__) - table.model_fields.keys() == put_together
    for kind in (settings.Log, settings.Limits, settings.Network, settings.History, settings.Metrics):
        section = dict(tables(FileTable))[kind.__name__.lower(),]
        assert set(kind.__slots__) == section.model_fields.keys()


def test_the_metrics_labels_are_reserved() -> None:
    """No label name that a metric has of its own can be a target's."""
    assert RESERVED_LABELS >= RESERVED
