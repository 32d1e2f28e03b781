"""Targets from file_sd files and http_sd URLs, in the JSON and YAML of Prometheus; docs/operations.md has the rules.

Each file and each URL is read separately, and its last valid content is kept while it cannot be read or is invalid.
An invalid target does not affect the others. A source may be writable by many people: it names targets to probe, and
cannot set keys, files, variables or code.
"""

from __future__ import annotations

import asyncio
import base64
import glob
import json
import stat
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monitor import settings
from monitor.config import Config, ConfigError, Mistake, all_discovered
from monitor.config.mistake import printable
from monitor.config.secrets import Places
from monitor.discovery.documents import keys, parse
from monitor.http import ALPN, tls_context
from monitor.http.fetch import FetchOptions, fetch
from monitor.keys import proxies
from monitor.keys.secret import Secret
from monitor.keys.values import Wrong
from monitor.probe.confidential import of_url
from monitor.record.observation import public_url
from monitor.redaction import newest, redactor
from monitor.target import Target

MakeTargets = Callable[[Sequence[tuple[Mapping[str, Any], str]]], Sequence[Target | ConfigError]]
"""Makes a target of the keys of each [[targets]] with the name of their source, or says what is wrong with it."""
Fetch = Callable[[str, FetchOptions], Awaitable[bytes]]
"""Gets the document at a URL in bounded time and length; an OSError contains no secret."""
Changed = Callable[[tuple[Target, ...]], Awaitable[object]]

Read = bytes | str
"""A valid document, or what is wrong with it."""

LARGEST = 16 * 1024 * 1024
MOST_TARGETS = 50_000
"""The maximum number of targets of one document: each takes memory and a place in the schedule."""
MOST_ERRORS, _LONGEST_ERROR = 20, 500
"""The maximum number of errors that are reported for one source, and the maximum length of an error."""
_WITHIN = 10.0
"""Seconds within which a URL must answer."""


@dataclass(frozen=True, slots=True)
class DiscoveryCallbacks:
    """What discovery calls: after each refresh with its success, with a new error text, and for a bug.

    `learned` is given each secret that a refresh has read, before it is sent.
    """

    refreshed: Callable[[str, bool], None]
    wrong: Callable[[str, str], None]
    failed: Callable[[BaseException], None]
    learned: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one source: each valid document by its place, the targets by their keys, and the errors."""

    documents: Mapping[str, bytes] = field(default_factory=dict)
    made: Mapping[str, Target] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


class _UnusableError(Exception):
    """A secret of a source cannot be used; the text says why."""


class Discovery:
    """The targets of all `[[discovery]]`; `reserved` are names that the config itself has given.

    `before` is the discovery of the previous config: its documents are kept, so that a reload loses nothing.
    """

    def __init__(  # noqa: PLR0913 - the daemon sets both inputs and callbacks
        self,
        sources: Sequence[settings.DiscoverySource],
        make_targets: MakeTargets,
        callbacks: DiscoveryCallbacks,
        fetch: Fetch,
        *,
        environ: Mapping[str, str] | None = None,
        network: settings.Network | None = None,
        reserved: Collection[str] = (),
        before: Discovery | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self._make_targets, self._callbacks, self._fetch = make_targets, callbacks, fetch
        self._environ, self._network = environ or {}, network or settings.Network()
        self._reserved = frozenset(reserved)
        self._found = {one.name: Found(before.documents if before else {}) for one in self.sources}
        self._said: dict[str, str] = {}
        self._secrets = frozenset(secret for one in sources for url in one.http_sd for secret in of_url(url))
        self._learned: tuple[str, ...] = ()
        self._combining = asyncio.Lock()
        self._retired = False
        self._handed: tuple[Target, ...] = ()
        self.targets: tuple[Target, ...] = ()

    @property
    def documents(self) -> Mapping[str, bytes]:
        """The last valid documents, by their place."""
        return {place: data for found in self._found.values() for place, data in found.documents.items()}

    async def refresh(self) -> tuple[Target, ...]:
        """Read every source now and return all targets, sorted by name; call it once before `run`."""
        await asyncio.gather(*map(self._refresh, self.sources))
        await self._combine()
        self._handed = self.targets
        return self.targets

    async def run(self, changed: Changed) -> None:
        """Refresh each source at its interval, forever; call `changed` if the targets differ from the last ones."""
        async with asyncio.TaskGroup() as group:
            for source in self.sources:
                group.create_task(self._keep(source, changed), name=f"discovery {source.name}")

    def retire(self) -> None:
        """Stop all callbacks: another discovery has replaced this one, so the result of the current read is ignored."""
        self._retired = True

    async def _keep(self, source: settings.DiscoverySource, changed: Changed) -> None:
        while True:
            await asyncio.sleep(source.refresh)
            await self._refresh(source)
            async with self._combining:
                await self._combine()
                if self._retired:
                    return
                await self._hand_on(changed)

    async def _hand_on(self, changed: Changed) -> None:
        """Pass the targets to `changed`; if that fails, they are passed again after the next refresh."""
        targets = self.targets
        if targets == self._handed:
            return
        try:
            await changed(targets)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the reading
            self._callbacks.failed(error)
        else:
            self._handed = targets

    async def _refresh(self, source: settings.DiscoverySource) -> None:
        known = self._found[source.name]
        try:
            self._found[source.name] = await self._look(source, known)
        except Exception as error:  # noqa: BLE001 - an error in one source must not affect the others
            self._callbacks.failed(error)
            self._found[source.name] = replace(known, wrong=("could not be read because of a bug of the monitor",))

    async def _look(self, source: settings.DiscoverySource, known: Found) -> Found:
        """Read every place; one that cannot be read keeps its document, and an unchanged target is kept."""
        if source.http_sd:
            answers = await asyncio.gather(*(self._fetched(url, source) for url in source.http_sd))
            read = dict(zip(source.http_sd, answers, strict=True))
        else:
            read = await asyncio.to_thread(_files, source.file_sd)
        documents = {
            place: data if isinstance(data, bytes) else known.documents[place]
            for place, data in read.items()
            if isinstance(data, bytes) or place in known.documents
        }
        unreadable = tuple(f"{_shown(place)}: {why}" for place, why in read.items() if isinstance(why, str))
        if documents == known.documents and known.made and not known.wrong:
            return replace(known, wrong=unreadable)
        made, mistakes = await asyncio.to_thread(_targets, documents, known.made, self._make_targets)
        return Found(documents, made, (*unreadable, *mistakes))

    async def _fetched(self, url: str, source: settings.DiscoverySource) -> Read:
        try:
            authorization = await self._authorization(source)
            options = FetchOptions(authorization, source.tls, self._proxy(url, source))
            data = await self._fetch(url, options)
        except _UnusableError as error:
            return f"cannot be asked: {error}"
        except OSError as error:
            return _unread(error)
        return await asyncio.to_thread(_in_order, data)

    async def _authorization(self, source: settings.DiscoverySource) -> str | None:
        """Return the header with the current token, or user and password, of a source; None if it has neither."""
        basic, places = source.basic_auth, Places(Path(), self._environ)
        if source.bearer_token_file is not None:
            return f"Bearer {await self._read('bearer_token_file', places.secret_file, source.bearer_token_file)}"
        if basic.password_file is not None:
            password = await self._read("basic_auth.password_file", places.password_file, basic.password_file)
        elif basic.password_env is not None:
            password = await self._read("basic_auth.password_env", places.password_variable, basic.password_env)
        else:
            return None
        pair = base64.b64encode(f"{basic.username}:{password}".encode()).decode()
        return f"Basic {pair}"

    async def _read(self, key: str, read: Callable[[str], Secret], name: str) -> str:
        """Read a secret, and register it for redaction."""
        try:
            secret = (await asyncio.to_thread(read, name)).reveal()
        except Wrong as error:
            raise _UnusableError(f"{key} {(error.context or {})['message']}") from None
        if secret not in self._learned:
            self._learned = newest(self._learned, secret)
            self._callbacks.learned(secret)
        return secret

    def _proxy(self, url: str, source: settings.DiscoverySource) -> str | None:
        """Return the proxy through which a source's URL is requested."""
        proxy = source.proxy.reveal() if source.proxy is not None else None
        if proxy is None and self._network.proxy_from_environment:
            proxy = proxies.proxy_of_environment(url, self._environ)
        return None if proxies.excepted(url, self._network.no_proxy) else proxy

    async def _combine(self) -> None:
        """Combine the sources and report each; thousands of targets take a while, so this is done in a thread."""
        found = [(source.name, self._found[source.name]) for source in self.sources]
        self.targets, clashes = await asyncio.to_thread(_combined, found, self._reserved)
        for name, one in found if not self._retired else ():
            self._report(name, [*one.wrong, *clashes[name]])

    def _report(self, source: str, wrong: list[str]) -> None:
        """Set the gauge each time; report an error only if it differs from the last one.

        A server that lists targets may repeat what its URL holds: that is redacted.
        """
        self._callbacks.refreshed(source, not wrong)
        safe = redactor(self._secrets.union(self._learned))
        errors = [printable(safe(one), _LONGEST_ERROR) for one in wrong[:MOST_ERRORS]]
        errors += [f"and {len(wrong) - MOST_ERRORS} more"] if len(wrong) > MOST_ERRORS else []
        text = "; ".join(errors)
        if text and text != self._said.get(source):
            self._callbacks.wrong(source, text)
        self._said[source] = text


def _combined(
    sources: Sequence[tuple[str, Found]], reserved: Collection[str]
) -> tuple[tuple[Target, ...], dict[str, list[str]]]:
    """Return the targets in the order of their names, and clashes by source.

    Of two targets with one name the first counts; one that two sources list alike is not an error.
    """
    taken = dict.fromkeys(reserved, "the config")
    combined: dict[str, Target] = {}
    clashes = {}
    for source, found in sources:
        clashes[source] = [
            f"target {one.name}: {taken[one.name]} has another target with this name"
            for one in found.made.values()
            if one.name in taken and combined.get(one.name) != one
        ]
        ours = {one.name: one for one in found.made.values() if one.name not in taken}
        taken |= dict.fromkeys(ours, f"the source {source}")
        combined |= ours
    return tuple(combined[name] for name in sorted(combined)), clashes


def of_config(
    config: Config,
    callbacks: DiscoveryCallbacks,
    environ: Mapping[str, str],
    *,
    before: Discovery | None = None,
    urls: bool = True,
) -> Discovery:
    """Return the discovery of a config's sources; without `urls`, only of those that need no request."""

    def make(several: Sequence[tuple[Mapping[str, Any], str]]) -> list[Target | ConfigError]:
        made = all_discovered(several, environ, config)
        return [_with_context(one, where) for one, (_, where) in zip(made, several, strict=True)]

    sources = [one for one in config.settings.discovery if urls or not one.http_sd]

    network = config.settings.network

    async def get(url: str, options: FetchOptions) -> bytes:
        return await fetch(url, network, within=_WITHIN, at_most=LARGEST, options=options)

    reserved = {one.name for one in config.targets}
    return Discovery(sources, make, callbacks, get, environ=environ, network=network, reserved=reserved, before=before)


def _with_context(target: Target | ConfigError, where: str) -> Target | ConfigError:
    """Make the TLS context of a target here, outside of the event loop's thread: that reads files."""
    try:
        if isinstance(target, Target) and target.url.lower().startswith("https:"):
            tls_context(target.tls, ALPN[target.http])
    except OSError as error:
        return ConfigError((Mistake(where, None, "tls", f"one of its files cannot be used: {error}"),))
    return target


# -- places ------------------------------------------------------------------------------------------------------------


def _files(patterns: Sequence[str]) -> dict[str, Read]:
    """Read the files of the patterns, each once; a plain name is a file, whether it exists or not."""
    found: dict[str, None] = {}
    for pattern in patterns:
        # pathlib accepts no pattern that begins at the root
        found |= dict.fromkeys(sorted(glob.glob(pattern)) if glob.has_magic(pattern) else (pattern,))  # noqa: PTH207
    return {place: _file(Path(place)) for place in found}


def _file(path: Path) -> Read:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "is not a regular file"  # a pipe would block
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        return _unread(error)
    return _in_order(data, path.suffix)


def _unread(error: OSError) -> str:
    return f"cannot be read: {error.strerror or str(error) or type(error).__name__}"


def _in_order(data: bytes, suffix: str = "") -> Read:
    """Return the document, or what is wrong with it as a whole; `suffix` is that of the file's name."""
    if len(data) > LARGEST:
        return "is larger than 16 MiB"
    try:
        groups = parse(data, suffix)
    except ValueError as error:
        return str(error)
    if sum(len(group.addresses) for group in groups) > MOST_TARGETS:
        return f"lists more than {MOST_TARGETS:,} targets"
    return data


def _shown(place: str) -> str:
    """Return a place without the parts that may be secret."""
    return public_url(place) if "://" in place else place


# -- targets ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Listed:
    """One target of a document: its keys, its place in the document, and the result."""

    values: Mapping[str, Any]
    where: str
    came_to: Target | str | None = None
    """The target, or what is wrong with it; None until it is made."""


def _targets(
    documents: Mapping[str, bytes], known: Mapping[str, Target], make: MakeTargets
) -> tuple[dict[str, Target], list[str]]:
    """Make the targets of documents that are not known yet, and list the errors of the invalid ones."""
    listed: dict[str, _Listed] = {}
    for place, data in documents.items():
        for values in (one for group in parse(data, _suffix(place)) for one in keys(group)):
            where = f"{_shown(place)}: target {printable(values['name'])}"
            key = json.dumps(values, sort_keys=True)  # a target may be listed twice
            listed.setdefault(key, _Listed(values, where, _refused(values, where) or known.get(key)))
    _make([*listed.values()], make)
    made = {key: one.came_to for key, one in listed.items() if isinstance(one.came_to, Target)}
    mistakes = [line for one in listed.values() if isinstance(one.came_to, str) for line in one.came_to.splitlines()]
    return made, mistakes


def _make(listed: Sequence[_Listed], make: MakeTargets) -> None:
    """Make the targets that are not made yet, in one step; of targets with the same name only the first is made."""
    firsts: dict[str, _Listed] = {}
    others = []
    for one in listed:
        if isinstance(one.came_to, str):
            continue
        if firsts.setdefault(one.values["name"], one) is not one:
            others.append(one)
    fresh = [one for one in firsts.values() if one.came_to is None]
    for one, made in zip(fresh, make([(one.values, one.where) for one in fresh]), strict=True):
        one.came_to = made if isinstance(made, Target) else str(made)
    for one in others:
        name = one.values["name"]
        if isinstance(firsts[name].came_to, Target):
            one.came_to = f"{one.where}: another target has this name"
            continue
        [again] = [one.came_to] if one.came_to is not None else make([(one.values, one.where)])
        one.came_to = again if isinstance(again, Target) else str(again)
        firsts[name] = one


def _refused(values: Mapping[str, Any], where: str) -> str | None:
    """Return why a target is refused: a key that only the config may set, or an unknown label; None if it is valid."""
    if ":" in values.get("protocol", ""):
        return f"{where}: protocol: a protocol from outside can only be set in the config"
    unknown = next((name for name in values["labels"] if name.startswith("__")), None)
    return f"{where}: unknown label {printable(unknown)}" if unknown else None


def _suffix(place: str) -> str:
    return "" if "://" in place else Path(place).suffix
