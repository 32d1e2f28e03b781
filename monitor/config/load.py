"""Load a config: fill in variables, validate, apply the rules, read the secrets; or report every mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, cast, get_origin

from monitor.config import build, explain, model, relations
from monitor.config.document import NO_DOCUMENT, Document
from monitor.config.findings import Findings
from monitor.config.include import read_all
from monitor.config.mistake import ConfigError, KeyPath, Mistake, printable, written
from monitor.config.model import DefaultsTable, FileTable, TargetTable
from monitor.config.presets import with_preset
from monitor.config.prices import price_of
from monitor.config.rules import LITERAL_SECRETS, RULES, Draft, Finding, TargetRule
from monitor.config.secrets import Places
from monitor.config.tables import Values, merged, validated, without
from monitor.config.variables import Filling
from monitor.keys import proxies
from monitor.keys.secret import Secret
from monitor.maintenance import concerns
from monitor.protocols import PROTOCOLS, Protocol, find
from monitor.protocols.raw import RAW
from monitor.settings import Maintenance, Monitor, Network, Prices, Settings
from monitor.shard import WHOLE, Shard
from monitor.target import Target

_TABLES = {name: kind for name, hint in model.keys(Settings).items() if (kind := model.inner(hint))}
_LISTS = {name: model.table(kind) for name, kind in _TABLES.items() if get_origin(model.keys(Settings)[name]) is tuple}
_KEYS = frozenset(model.keys(Settings)) - _TABLES.keys()
_SECTIONS = {name: model.table(kind) for name, kind in _TABLES.items() if name not in _LISTS}

_AROUND = frozenset({"monitor", "network", "defaults", "discovery", "prices"})
"""The parts of a config that affect discovered targets; with discovery, not all targets are known."""
_TOGETHER = 500
"""Discovered targets that are validated in one document: enough that the settings around them hardly count."""


@dataclass(frozen=True, slots=True)
class Config:
    """A loaded config, and its warnings."""

    settings: Settings
    targets: tuple[Target, ...]
    warnings: tuple[Mistake, ...] = ()
    document: Document = field(default=NO_DOCUMENT, repr=False, compare=False)
    """The config as written, for targets that are discovered later: variables are not filled in."""
    shard: Shard = WHOLE

    @property
    def here(self) -> tuple[Target, ...]:
        """The targets of this monitor's location and shard, each with this monitor's turn.

        A target that several monitors probe has this monitor's share of its budget.
        """
        return tuple(own for target in self.targets if (own := self._own(target)) is not None)

    @property
    def tokens_per_day(self) -> int | None:
        """This monitor's share of the tokens that all monitors may spend a day; None without a limit."""
        places = max(len(set(self.settings.monitor.locations)), 1)
        return _share(self.settings.limits.tokens_per_day, self.shard.count * places)

    def places(self, target: Target) -> tuple[str, ...]:
        """Return the locations that probe a target, each once, in an order that is the same in all of them."""
        monitor = self.settings.monitor
        return tuple(sorted(set(target.locations or monitor.locations or (monitor.location,))))

    def monitors(self, target: Target) -> int:
        """Return how many monitors probe a target: all its replicas in each of its locations.

        Without a list of all locations only this location counts, or none if the target is not probed here.
        """
        monitor, places = self.settings.monitor, self.places(target)
        if not monitor.locations:
            return target.replicas if monitor.location in places else 0
        return len(places) * target.replicas

    def _own(self, target: Target) -> Target | None:
        places, location = self.places(target), self.settings.monitor.location
        rank = self.shard.rank(target.name, target.replicas)
        if location not in places or rank is None:
            return None
        turns = len(places) * target.replicas  # from the config alone: locations may have different numbers of shards
        if turns == 1:
            return target
        return replace(
            target,
            turn=places.index(location) + rank * len(places),
            turns=turns,
            tokens_per_day=_share(target.tokens_per_day, turns),
        )

    def along_with(self, found: Iterable[Target]) -> Config:
        """Return the config with discovered targets; all have the same label names again."""
        return replace(self, targets=build.same_labels((*self.targets, *found)))


def _share(tokens: int | None, of: int) -> int | None:
    return None if tokens is None else max(tokens // of, 1)


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a config file; a ConfigError has every mistake."""
    return _config(read_all(path, environ), environ, RULES)


def target(values: Mapping[str, Any], environ: Mapping[str, str], source: str = "command line") -> Target:
    """Return a target without a file, from the keys of a [[targets]]; it may contain secrets in plain text."""
    document = Document(source, Path(), {"targets": [dict(values)]})
    return _only(document, environ, tuple(rule for rule in RULES if rule not in LITERAL_SECRETS))


def discovered(values: Mapping[str, Any], environ: Mapping[str, str], source: str, config: Config) -> Target:
    """Return a target discovered by a source of `config`, over its defaults; it cannot use environment variables."""
    return _only(_around([values], source, config), environ, RULES)


def all_discovered(
    several: Sequence[tuple[Mapping[str, Any], str]], environ: Mapping[str, str], config: Config
) -> list[Target | ConfigError]:
    """Return, for each target that a source of `config` found, the target or its error.

    Each is given with the name of its source. They are validated many at a time: what is around them is read once.
    """
    batches = (several[start : start + _TOGETHER] for start in range(0, len(several), _TOGETHER))
    return [one for batch in batches for one in _together(batch, environ, config)]


def _together(
    batch: Sequence[tuple[Mapping[str, Any], str]], environ: Mapping[str, str], config: Config
) -> list[Target | ConfigError]:
    """Validate targets in one document; if one of them is wrong, in two halves, down to that one alone."""
    if len(batch) > 1:
        middle = len(batch) // 2
        with suppress(ConfigError):
            return [*_parts(_around([values for values, _ in batch], "", config), environ, RULES).targets]
        return _together(batch[:middle], environ, config) + _together(batch[middle:], environ, config)
    [(values, source)] = batch
    try:
        return [discovered(values, environ, source, config)]
    except ConfigError as error:
        return [error]


def _around(several: Iterable[Mapping[str, Any]], source: str, config: Config) -> Document:
    """Return a document of targets with the parts of the config that affect them; an empty table counts as missing."""
    around = {name: config.document.values[name] for name in _AROUND & config.document.values.keys()}
    targets = [{key: _as_it_is(value) for key, value in values.items() if value != {}} for values in several]
    return Document(source, config.document.directory, around | {"targets": targets})


def check_window(window: Maintenance, targets: Iterable[Target]) -> None:
    """Check a maintenance window that is not in a file like one of the config; it must apply to one of `targets`."""
    targets = tuple(targets)
    values: Values = {"name": window.name, "targets": list(window.targets), "labels": dict(window.labels)}
    values |= {"start": window.start, "end": window.end}
    findings, base = Findings(Document("request", Path(), {"maintenance": [values]})), ("maintenance", 0)
    validated(_LISTS["maintenance"], values, base, findings)
    names = [one.name for one in targets]
    known = relations.Known(
        dict.fromkeys(names, ""), names, complete=True, labels={name for one in targets for name in one.labels}
    )
    if not findings.broken:
        _note(findings, relations.maintenance(window, base, known))
        if not any(concerns(window, one) for one in targets):
            findings.mistake((*base, "labels" if window.labels else "targets"), "no target has these names and labels")
    with _named_by_key("maintenance[0]."):
        findings.raise_if_wrong()


def _as_it_is(value: object) -> object:
    """Escape the text, and that in tables and arrays, so that no variables are filled in."""
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {key: _as_it_is(inner) for key, inner in value.items()}
        case list():
            return list(map(_as_it_is, value))
        case _:
            return value


def _only(document: Document, environ: Mapping[str, str], rules: tuple[TargetRule, ...]) -> Target:
    """Return a document's only target; its mistakes name only the key."""
    with _named_by_key("targets[0]."):
        return _config(document, environ, rules).targets[0]


@contextmanager
def _named_by_key(prefix: str) -> Iterator[None]:
    """Make mistakes name only the part of the key below `prefix`."""
    try:
        yield
    except ConfigError as error:
        mistakes = (replace(one, key=one.key.removeprefix(prefix), target="") for one in error.mistakes)
        raise ConfigError(tuple(mistakes)) from None


def _config(document: Document, environ: Mapping[str, str], rules: tuple[TargetRule, ...]) -> Config:
    found = _parts(document, environ, rules)
    return Config(found.settings, build.same_labels(found.targets), found.warnings, document)


class _Parts(NamedTuple):
    """The content of a document; each target has only its own labels."""

    settings: Settings
    targets: list[Target]
    warnings: tuple[Mistake, ...]


def _parts(document: Document, environ: Mapping[str, str], rules: tuple[TargetRule, ...]) -> _Parts:
    findings = Findings(document)
    values = _filled(environ, findings)
    sections, lists = _sections(values, findings), _lists(values, findings)
    drafts = _with_upstreams(list(_drafts(values, sections["monitor"], findings)))
    drafts = [_with_proxy(one, sections["network"], environ, findings) for one in drafts]
    for draft in drafts:
        _apply(rules, draft, findings)
    _note(findings, _relations(sections, lists, drafts, environ, findings))
    places = Places(document.directory, environ, {})
    targets = [_priced(build.target(draft, places, findings), sections["prices"]) for draft in drafts]
    arrays = {name: tuple(one for _, one in found) for name, found in lists.items()}
    settings = build.settings(sections, arrays, places, findings)
    findings.raise_if_wrong()
    return _Parts(settings, targets, findings.in_order())


def _priced(target: Target, prices: Prices) -> Target:
    return replace(target, price=price_of(prices, target.model)) if prices.models else target


def _filled(environ: Mapping[str, str], findings: Findings) -> Values:
    """Return the values with their variables filled in, without those with a mistake."""
    filling = Filling(environ, findings.mistake)
    values = cast("Values", filling.fill(findings.document.values))
    for path in filling.failed:
        values = _pruned(values, path)
    return values


def _pruned(values: Values, path: KeyPath) -> Values:
    """Return the values without a key, in an array of tables too."""
    match path:
        case (str() as name, int() as index, _, *_) if isinstance(values.get(name), list):
            elements = list(values[name])
            if isinstance(elements[index], dict):
                elements[index] = without(elements[index], path[2:])
            return values | {name: elements}
    return without(values, path)


# -- sections ----------------------------------------------------------------------------------------------------------


def _sections(values: Values, findings: Findings) -> dict[str, Any]:
    """Validate the keys outside of tables, and every table except the defaults."""
    for key in values.keys() - FileTable.model_fields:
        findings.mistake((key,), "unknown key", explain.suggestion((key,), (), FileTable))
    keys = validated(FileTable, {name: values[name] for name in _KEYS & values.keys()}, (), findings)[0]
    return {name: getattr(keys, name) for name in _KEYS} | {
        name: model.value(validated(section, _table(values.get(name, {}), (name,), findings), (name,), findings)[0])
        for name, section in _SECTIONS.items()
    }


def _lists(values: Values, findings: Findings) -> dict[str, list[tuple[KeyPath, Any]]]:
    """Validate every array of tables except the targets."""
    return {
        name: [
            (base, model.value(validated(kind, one, base, findings)[0]))
            for base, one in _elements(values, name, findings)
        ]
        for name, kind in _LISTS.items()
    }


def _table(value: object, path: KeyPath, findings: Findings) -> Values:
    if isinstance(value, dict):
        return value
    findings.mistake(path, "must be a table", f"write [{path[0]}]" if len(path) == 1 else f"write [[{path[0]}]]")
    return {}


def _elements(values: Values, name: str, findings: Findings) -> Iterator[tuple[KeyPath, Values]]:
    """Return the tables of an array of tables, with their paths."""
    value = values.get(name, [])
    if not isinstance(value, list):
        findings.mistake((name,), "must be an array of tables", f"write [[{name}]]")
        return
    for index, element in enumerate(value):
        if isinstance(element, dict):
            yield (name, index), element
        else:
            _table(element, (name, index), findings)


# -- targets -----------------------------------------------------------------------------------------------------------


def _drafts(values: Values, monitor: Monitor, findings: Findings) -> Iterator[Draft]:
    """Validate each target over the defaults."""
    given = _table(values.get("defaults", {}), ("defaults",), findings)
    defaults = validated(DefaultsTable, given, ("defaults",), findings)[1]
    for base, own in _elements(values, "targets", findings):
        whole = merged(*with_preset(defaults, own))
        written: Target = model.value(validated(TargetTable, whole, base, findings)[0])
        protocol = _protocol(written, base, findings)
        for one in _of_models(written):
            yield Draft(findings.document, base, own, one, protocol, monitor)


def _of_models(target: Target) -> Iterator[Target]:
    """Return a target for each of its models, or the target itself if there is no list of them."""
    for name in target.models:
        yield replace(target, name=f"{target.name}/{name}", model=name)
    if not target.models:
        yield target


def _with_upstreams(drafts: list[Draft]) -> list[Draft]:
    """Resolve an upstream with several models to the one with a target's own model."""
    names = {draft.target.name for draft in drafts}

    def with_upstream(draft: Draft) -> Draft:
        target = draft.target
        same_model = f"{target.upstream}/{target.model}"
        if target.upstream in names or same_model not in names:
            return draft
        return replace(draft, target=replace(target, upstream=same_model))

    return list(map(with_upstream, drafts))


def _with_proxy(draft: Draft, network: Network, environ: Mapping[str, str], findings: Findings) -> Draft:
    """Return the target with the environment's proxy, if the config enables it and has no exception for the host."""
    own = draft.target.proxy
    if any(findings.is_broken((*base, key)) for base in (draft.base, ("defaults",)) for key in ("url", "proxy")):
        return draft
    if own is None and network.proxy_from_environment and not draft.sets("proxy"):
        found = proxies.proxy_of_environment(draft.target.url, environ)
        own = None if found is None else Secret(found)
    if own is not None and proxies.excepted(draft.target.url, network.no_proxy):
        own = None
    return draft if own is draft.target.proxy else replace(draft, target=replace(draft.target, proxy=own))


def _protocol(target: Target, base: KeyPath, findings: Findings) -> Protocol:
    """Find the protocol; an external one is imported, which runs its code."""
    try:
        return find(target.protocol).of(target)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module from outside may raise anything
        path = (*base, "protocol")
        place = path if findings.document.at(path) is not None else ("defaults", "protocol")
        given = findings.document.at(place)
        name = f" {written(given)}" if isinstance(given, str) and "${" not in given else ""
        findings.mistake(place, f"unknown protocol{name}", _known(given, str(error)))
        findings.mark_broken(path)
    return RAW


def _known(written: object, error: str) -> str:
    """Suggest the protocol that was probably meant; the error text may contain a variable's value."""
    text = written if isinstance(written, str) and "${" not in written else ""
    if ":" in text:
        return printable(error, 200)
    near = get_close_matches(text, PROTOCOLS, 1)
    return (
        f'did you mean "{near[0]}"?'
        if near
        else f"known protocols: {', '.join(sorted(PROTOCOLS))}, or package.module:NAME"
    )


def _apply(rules: Iterable[TargetRule], draft: Draft, findings: Findings) -> None:
    """Apply the rules whose keys are valid."""
    for rule in rules:
        if not findings.broken or not any(map(findings.is_broken, _reads(rule, draft))):
            _note(findings, (one._replace(key=draft.place(one.key)) for one in rule.check(draft)))


def _reads(rule: TargetRule, draft: Draft) -> Iterator[KeyPath]:
    return ((*base, *key.split(".")) for key in rule.reads for base in (draft.base, ("defaults",)))


def _note(findings: Findings, found: Iterable[Finding]) -> None:
    for key, message, hint, warning in found:
        (findings.warning if warning else findings.mistake)(key, message, hint)


# -- relations ---------------------------------------------------------------------------------------------------------


def _relations(
    sections: Mapping[str, Any],
    lists: Mapping[str, list[tuple[KeyPath, Any]]],
    drafts: list[Draft],
    environ: Mapping[str, str],
    findings: Findings,
) -> Iterator[Finding]:
    """Apply the rules between targets, and within the other sections."""
    place = findings.document.place
    sound = [draft for draft in drafts if not findings.is_broken((*draft.base, "name"))]
    known = relations.Known(
        upstream_of={draft.target.name: draft.target.upstream or "" for draft in sound},
        plain=[draft.target.name for draft in sound if "${" not in draft.text(("name",))],
        complete=not lists["discovery"] and len(sound) == len(drafts),
        labels={name for draft in sound for name in draft.target.labels},
    )
    if not findings.is_broken(("monitor",)):
        yield from relations.locations(sections["monitor"], sound)
    if not findings.is_broken(("limits",)):
        yield from relations.limits(sections["limits"])
    if not findings.is_broken(("network",)):
        yield from relations.network(sections["network"], environ)
    for base, table in _unbroken(lists["discovery"], findings, *_SOURCE):
        written = (findings.document.at((*base, key)) for key in ("http_sd", "proxy"))
        yield from relations.discovery(table, base, *written)
    for base, table in _unbroken(lists["maintenance"], findings, *_WINDOW):
        yield from relations.maintenance(table, base, known)
    for name in ("discovery", "maintenance"):
        yield from relations.unique(
            [(base, table.name) for base, table in _unbroken(lists[name], findings, "name")], place
        )
    yield from relations.unique([(draft.base, draft.target.name) for draft in sound], place)
    yield from relations.upstreams(sound, known)
    if not drafts and known.complete and not any(len(path) == 1 or path[0] == "targets" for path in findings.broken):
        yield Finding(("targets",), "there is no target and no discovery: nothing to probe", "write a [[targets]]")


_SOURCE = ("file_sd", "http_sd", "bearer_token_file", "basic_auth", "tls", "proxy")
_WINDOW = ("start", "end", "at", "duration", "targets", "labels")


def _unbroken(found: list[tuple[KeyPath, Any]], findings: Findings, *keys: str) -> list[tuple[KeyPath, Any]]:
    """Return the tables in which these keys are valid."""
    return [(base, table) for base, table in found if not any(findings.is_broken((*base, key)) for key in keys)]
