"""From the validated tables to the plain values that the rest of the monitor works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from ipaddress import ip_network
from typing import Any, TypeVar, cast

from monitor.config import model, values
from monitor.config.findings import Findings
from monitor.config.mistake import KeyPath
from monitor.config.rules import Draft, takes_prompt
from monitor.config.secrets import Places
from monitor.settings import (
    Buckets,
    Discovery,
    History,
    Limits,
    Log,
    Maintenance,
    Metrics,
    Network,
    Settings,
    Web,
)
from monitor.target import Check, CountCheck, LengthCheck, PatternCheck, Secret, Slo, Target, Timeouts, Tls

_T = TypeVar("_T")
_DNS_PORT = 53


def _plain(kind: type[_T], table: model.Table, **others: object) -> _T:
    """Return the dataclass of the same keys as the table, with some of them read further."""
    wanted = {field.name for field in fields(cast("Any", kind))}
    return kind(**({key: value for key, value in table if key in wanted} | others))


# -- settings ----------------------------------------------------------------------------------------------------------


def settings(tables: Mapping[str, Any], lists: Mapping[str, list[Any]], places: Places) -> Settings:
    """Return all that is not a target."""
    host, port = values.split_listen(tables["web"].listen)
    network, history = tables["network"], tables["history"]
    return Settings(
        location=tables["monitor"].location,
        reload_on_change=tables["monitor"].reload_on_change,
        web=_plain(Web, tables["web"], host=host, port=port),
        log=_plain(Log, tables["log"]),
        metrics=_plain(Metrics, tables["metrics"], buckets=_plain(Buckets, tables["metrics"].buckets)),
        limits=_plain(Limits, tables["limits"]),
        network=_plain(
            Network,
            network,
            deny=tuple(map(ip_network, network.deny)),
            allow=tuple(map(ip_network, network.allow)),
            resolver=_resolver(network.resolver),
        ),
        history=_plain(History, history, path=history.path and places.state(history.path), record=history.record.value),
        discovery=tuple(_discovery(table, places) for table in lists["discovery"]),
        maintenance=tuple(map(_maintenance, lists["maintenance"])),
    )


def _resolver(text: str) -> str:
    """Return "system", or the name server with its port."""
    if text == "system":
        return text
    host, port = values.name_server(text)
    return f"[{host}]:{port or _DNS_PORT}" if ":" in host else f"{host}:{port or _DNS_PORT}"


def _discovery(table: model.DiscoveryTable, places: Places) -> Discovery:
    return _plain(Discovery, table, file_sd=tuple(str(places.directory / name) for name in table.file_sd))


def _maintenance(table: model.MaintenanceTable) -> Maintenance:
    return _plain(
        Maintenance,
        table,
        at=values.read_time(table.at) if table.at else None,
        duration=table.duration or 0.0,
        weekdays=tuple(values.WEEKDAYS.index(day) for day in table.weekdays),
    )


# -- targets -----------------------------------------------------------------------------------------------------------


def target(draft: Draft, places: Places, findings: Findings) -> Target:
    """Return one target with its secrets; a secret that cannot be read is noted."""
    table = draft.table

    def taken(read: Callable[[str], _T], name: str, key: KeyPath) -> _T | None:
        try:
            return read(name)
        except values.Wrong as error:
            context = error.context or {}
            findings.wrong(draft.place(key), str(context["message"]), str(context["hint"]))
            return None

    from_files = {
        name: taken(places.secret_file, file, ("header_files", name)) for name, file in table.header_files.items()
    }
    pem = {
        key: taken(places.pem, name, ("tls", key))
        for key in ("ca_file", "cert_file", "key_file")
        if (name := getattr(table.tls, key))
    }
    api_key = taken(places.secret_variable, table.api_key_env, ("api_key_env",)) if table.api_key_env else None
    if table.api_key_file:
        api_key = taken(places.secret_file, table.api_key_file, ("api_key_file",))
    return _plain(
        Target,
        table,
        timeouts=_plain(Timeouts, table.timeouts),
        check=_check(draft),
        slo=Slo(table.slo.availability, table.slo.first_chunk.threshold, table.slo.first_chunk.objective),
        model=table.model or None,
        upstream=table.upstream or None,
        tls=_plain(Tls, table.tls, **pem),
        proxy=Secret(table.proxy) if table.proxy else None,
        headers={name: Secret(value) for name, value in table.headers.items()}
        | {name: value for name, value in from_files.items() if value},
        api_key=api_key,
        request_id_header=table.request_id_header or None,
    )


def _check(draft: Draft) -> Check | None:
    """Return the check: what is written, or the counted list where a prompt is sent that is not the user's own."""
    match draft.table.check:
        case model.CountTable() as table if takes_prompt(draft.protocol, draft.table.body):
            return CountCheck(table.to, table.required)
        case model.PatternTable() as table:
            return PatternCheck(table.pattern, table.required)
        case model.LengthTable() as table:
            return LengthCheck(table.min, table.required)
        case None if draft.protocol.asks and draft.table.prompt is None:
            return CountCheck()
    return None


def same_labels(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Give every target the same label names, in the same order; one that it lacks is empty."""
    given = tuple(targets)
    names = sorted({name for target in given for name in target.labels})
    return tuple(replace(one, labels={name: one.labels.get(name, "") for name in names}) for one in given)
