"""Files of secrets, CAs and client certificates: which have changed since they were read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast

from monitor.config.secrets import Places
from monitor.http import tls
from monitor.keys import values
from monitor.keys.secret import Secret
from monitor.keys.tls import Tls
from monitor.target import Target

File = str | Tls
"""A secret's file as named in the config, or TLS settings, whose files are used together."""


class Compared(NamedTuple):
    """Which files have changed and can be used, and new errors of others."""

    changed: frozenset[File]
    wrong: dict[str, str]


@dataclass(slots=True)
class SecretFiles:
    """The content of the files when they were last used. A file counts as changed when two readings agree."""

    _used: dict[str, Secret] = field(default_factory=dict)
    _read: dict[File, Secret | bytes | str] = field(default_factory=dict)
    _wrong: dict[File, str] = field(default_factory=dict)

    def renewed(self, targets: Iterable[Target]) -> tuple[Target, ...]:
        """Return the targets with the secrets of their files as last used."""
        return tuple(map(self._renewed, targets))

    def compare(self, targets: Iterable[Target], places: Places) -> Compared:
        """Read every file; from then on `renewed` has the new secrets, and new TLS contexts are in use."""
        files = self._files(tuple(targets))
        before, self._read = self._read, {file: _reading(file, places) for file in files}
        changed, wrong = set(), {}
        for file, found in self._read.items():
            if before.get(file) != found:
                continue  # it may be partially written
            differs, why = (False, found) if isinstance(found, str) else self._use(file, found)
            if differs:
                changed.add(file)
            if why and self._wrong.get(file) != why:
                wrong[shown(file)] = why
            self._wrong[file] = why
        return Compared(frozenset(changed), wrong)

    def _files(self, targets: tuple[Target, ...]) -> list[File]:
        """Return every file of the targets once; one that was not used before has the target's value."""
        named = dict(pair for target in targets for pair in _secrets(target))
        self._used = {file: self._used.get(file, secret) for file, secret in named.items()}
        secured = {target.tls for target in targets if target.url.lower().startswith("https:")}
        return [*named, *(one for one in secured if tls.files_of(one))]

    def _use(self, file: File, found: Secret | bytes) -> tuple[bool, str]:
        """Use the content of a file; return whether it has changed, and why it cannot be used."""
        if isinstance(file, Tls):
            return _use_certificates(file, found)
        differs = self._used[file] != found
        self._used[file] = cast("Secret", found)  # the reading of a name
        return differs, ""

    def _renewed(self, target: Target) -> Target:
        now = {file: self._used.get(file, secret) for file, secret in _secrets(target)}
        if all(now[file] == secret for file, secret in _secrets(target)):
            return target
        headers = {name: now[file] for name, file in target.header_files.items() if file in now}
        api_key = now.get(target.api_key_file or "", target.api_key)
        return replace(target, api_key=api_key, headers={**target.headers, **headers})


def shown(file: File) -> str:
    """Return the name of a file, or of those that are used together."""
    return file if isinstance(file, str) else ", ".join(tls.files_of(file))


def _secrets(target: Target) -> Iterator[tuple[str, Secret]]:
    """Return the names of the files that a target's secrets are from, each with its secret."""
    named = [(target.api_key_file, target.api_key)]
    named += [(file, target.headers.get(name)) for name, file in target.header_files.items()]
    return ((file, secret) for file, secret in named if file is not None and isinstance(secret, Secret))


def _reading(file: File, places: Places) -> Secret | bytes | str:
    """Return the secret in a file, the digest of TLS files, or why they cannot be read."""
    try:
        return tls.digest_of(file) if isinstance(file, Tls) else places.secret_file(file)
    except OSError as error:
        return f"cannot be read: {error}"
    except values.Wrong as error:
        return str((error.context or {})["message"])


def _use_certificates(file: Tls, digest: object) -> tuple[bool, str]:
    try:
        differs = not tls.in_use(file, digest)
        if differs:
            tls.renew(file)
    except OSError as error:
        return False, f"cannot be used: {error}"
    return differs, ""
