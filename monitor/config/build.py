"""Make the values for the rest of the monitor from the validated tables: paths are resolved, secrets are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from monitor.config import model
from monitor.config.findings import Findings
from monitor.config.mistake import KeyPath
from monitor.config.model import inner, keys
from monitor.config.rules import Draft, takes_prompt
from monitor.config.secrets import Places
from monitor.config.variables import references
from monitor.keys import values
from monitor.keys.secret import Secret
from monitor.keys.types import Path
from monitor.settings import Settings
from monitor.target import Check, CountCheck, ListCheck, Target

_T = TypeVar("_T")

Note = Callable[[KeyPath, str, str], None]
"""Called with a finding about a file: its key, the message, a hint."""


class Notes(NamedTuple):
    """The callbacks for mistakes and warnings."""

    mistake: Note
    warning: Note


def settings(sections: Mapping[str, Any], lists: Mapping[str, Any], places: Places, findings: Findings) -> Settings:
    """Return the settings without targets; a file that cannot be read is a mistake."""
    notes = Notes(findings.mistake, findings.warning)
    for index, source in enumerate(lists["discovery"]):
        if source.basic_auth.password_env:
            key = ("discovery", index, "basic_auth", "password_env")
            _read(places.password_variable, source.basic_auth.password_env, key, notes)
    return _located(Settings(**sections, **lists), places, notes, ())


def target(draft: Draft, places: Places, findings: Findings) -> Target:
    """Return one target with its secrets; one that cannot be read is a mistake."""
    given = draft.target

    notes = Notes(
        lambda key, message, hint: findings.mistake(draft.place(key), message, hint),
        lambda key, message, hint: findings.warning(draft.place(key), message, hint),
    )

    def of_file(name: str, *key: str) -> Secret | None:
        return _read(places.secret_file, name, key, notes, places.exposed)

    api_key = _read(places.secret_variable, given.api_key_env, ("api_key_env",), notes) if given.api_key_env else None
    if given.api_key_file:
        api_key = of_file(given.api_key_file, "api_key_file")
    files = {name: of_file(file, "header_files", name) for name, file in given.header_files.items()}
    headers = {**given.headers, **{name: secret for name, secret in files.items() if secret}}
    sent = _sent_variables(draft, places.environ)
    whole = replace(given, api_key=api_key, headers=headers, check=_check(draft), from_variables=sent)
    return _located(whole, places, notes, ())


_SENT = ("body", "headers", "url", "proxy", "prompt")
"""The keys whose variables are sent to the server, besides those that identify the server and the request."""


def _sent_variables(draft: Draft, environ: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return the values of variables that are sent to the server; its own host name is not secret to it."""
    tables = [table for base in (("defaults",), draft.base) if isinstance(table := draft.document.at(base), dict)]
    names = sorted(references([table[key] for table in tables for key in _SENT if key in table]) & environ.keys())
    if not names:
        return ()
    hosts = {urlsplit(str(url)).netloc.rpartition("@")[2] for url in (draft.target.url, draft.target.proxy) if url}
    return tuple(Secret(environ[name]) for name in names if not any(environ[name] in host for host in hosts))


def _check(draft: Draft) -> Check | None:
    """Return the check: the configured one, or the counted list if a prompt is sent and none is configured."""
    check = draft.target.check
    if check is None and not draft.sets("check"):
        return CountCheck() if draft.protocol.asks and draft.target.prompt is None else None
    if isinstance(check, ListCheck) and not takes_prompt(draft.protocol, draft.target.body):
        return None
    return check


def _located(table: _T, places: Places, notes: Notes, base: KeyPath) -> _T:
    """Return the table with the paths of its files resolved, in nested tables too."""
    named = _with_files(cast("Any", type(table)))
    given = {name: getattr(table, name) for name, _ in named}
    found = {name: _found(given[name], path, places, notes, (*base, name)) for name, path in named}
    changes = {name: one for name, one in found.items() if one is not given[name] and one != given[name]}
    return replace(cast("Any", table), **changes) if changes else table


def _found(one: object, path: Path | None, places: Places, notes: Notes, key: KeyPath) -> object:
    """Return the value of a key that names a file, or of a table that has such keys, with its paths resolved."""
    if isinstance(one, tuple):
        return tuple(_found(each, path, places, notes, (*key, index)) for index, each in enumerate(one))
    if path is None:
        return _located(one, places, notes, key)
    if one is None:
        return None
    exposed = _EXPOSED.get(path, lambda _places, _name: None)
    return _read(partial(_FINDERS[path], places), str(one), key, notes, partial(exposed, places))


@cache
def _with_files(kind: type[Any]) -> tuple[tuple[str, Path | None], ...]:
    """Return the keys that name a file, each with how it is found; None for a table that has such keys."""
    return tuple(
        (name, path)
        for name, hint in keys(kind).items()
        for path in (_below(hint) if inner(hint) else [note for note in model.notes(hint) if isinstance(note, Path)])
    )


def _below(hint: object) -> list[None]:
    below = inner(hint)
    return [None] if below is not None and _with_files(cast("Any", below)) else []


def _read(
    read: Callable[[str], _T],
    name: str,
    key: KeyPath,
    notes: Notes,
    exposed: Callable[[str], str | None] | None = None,
) -> _T | None:
    """Return the content of a file or variable; None and a mistake if it cannot be read. Warn of an exposed file."""
    try:
        found = read(name)
        mode = exposed(name) if exposed is not None else None
    except values.Wrong as error:
        context = error.context or {}
        notes.mistake(key, str(context["message"]), str(context["hint"]))
        return None
    if mode is not None:
        notes.warning(key, f"names a file with a secret, and other users can read it (mode {mode})", "chmod 600")
    return found


_FINDERS: Mapping[Path, Callable[[Places, str], str]] = {
    Path.CONFIG: lambda places, name: str(places.directory / name),
    Path.STATE: Places.state,
    Path.PEM: Places.pem,
    Path.SECRET: Places.secret_path,
    Path.PASSWORD: Places.password_path,
}
_EXPOSED: Mapping[Path, Callable[[Places, str], str | None]] = {
    Path.PEM: Places.exposed_key,
    Path.SECRET: Places.exposed,
    Path.PASSWORD: Places.exposed,
}


def same_labels(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Give every target the same label names, in the same order; a missing one is empty."""
    given = tuple(targets)
    names = sorted({name for target in given for name in target.labels})
    return tuple(
        one if list(one.labels) == names else replace(one, labels={name: one.labels.get(name, "") for name in names})
        for one in given
    )
