"""The rules between targets, and within the other sections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import urlsplit

from monitor.config.mistake import KeyPath, key_text
from monitor.config.rules import Draft, Finding, plain_secret, sets_turns, short_turn
from monitor.keys.proxies import unusable
from monitor.maintenance import names
from monitor.settings import BasicAuth, DiscoverySource, Limits, Maintenance, Monitor, Network


@dataclass(frozen=True, slots=True)
class Known:
    """The targets by name, each with its upstream ("" for none).

    `plain` are the names that the file contains in plain text. If the list is not complete, because others are
    discovered or a name cannot be read, any name may exist.
    """

    upstream_of: Mapping[str, str]
    plain: Sequence[str]
    complete: bool
    labels: Collection[str] = ()
    """The names of their labels."""
    _near: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The suggestions for unknown names."""

    def lacks(self, name: str) -> bool:
        """Whether there is certainly no such target."""
        return self.complete and name not in self.upstream_of

    def near(self, written: str) -> str:
        """Suggest the target that was probably meant; among thousands, for the first mistakes alone."""
        if written not in self._near:
            if len(self._near) * len(self.plain) > _MOST_COMPARED:
                return ""
            near = get_close_matches(written, self.plain, 1)
            self._near[written] = f'did you mean "{near[0]}"?' if near else ""
        return self._near[written]

    def circular(self) -> set[str]:
        """Return the targets that are part of a cycle of upstreams; each target is visited once."""
        found: set[str] = set()
        visited: set[str] = set()
        for first in self.upstream_of:
            path: list[str] = []
            step = first
            while step and step not in visited:
                visited.add(step)
                path.append(step)
                step = self.upstream_of.get(step, "")
            if step in path:
                found.update(path[path.index(step) :])
        return found


_MOST_COMPARED = 50_000
"""How often a name is compared with a mistaken one: half a second of work."""
_NO_TARGET = "no target has this name"


def unique(named: Sequence[tuple[KeyPath, str]], place: Callable[[KeyPath], str] = key_text) -> Iterator[Finding]:
    """Report every duplicate name; `place` returns where the first one is."""
    first: dict[str, KeyPath] = {}
    for base, name in named:
        if name in first:
            yield Finding((*base, "name"), f"{place(first[name])} has this name already")
        first.setdefault(name, base)


def upstreams(drafts: Sequence[Draft], known: Known) -> Iterator[Finding]:
    """Report an `upstream` that is not another target, or a cycle of upstreams."""
    circular = known.circular()
    for draft in drafts:
        upstream, key = draft.target.upstream, draft.place(("upstream",))
        if not upstream:
            continue
        if upstream == draft.target.name:
            yield Finding(key, "a target cannot be its own upstream")
        elif known.lacks(upstream):
            yield Finding(key, _NO_TARGET, known.near(draft.text(("upstream",))))
        elif draft.target.name in circular:
            yield Finding(key, "the upstreams of this target lead back to it")


def locations(table: Monitor, drafts: Sequence[Draft]) -> Iterator[Finding]:
    """Report a location that is not one of `locations`, and once, turns that are too short and that no key sets."""
    if table.locations and table.location not in table.locations:
        near = get_close_matches(table.location, table.locations, 1)
        hint = f'did you mean "{near[0]}"?' if near else "add it there"
        yield Finding(("monitor", "location"), "is not one of `locations`", hint)
    elif found := next((short for one in drafts if not sets_turns(one) and (short := short_turn(one))), None):
        yield Finding(("monitor", "locations"), *found, warning=True)


def limits(table: Limits) -> Iterator[Finding]:
    """Report a limit of an event above that of its stream, and a limit of a stream above that of all streams."""
    if table.event_bytes > table.stream_bytes:
        yield Finding(("limits", "event_bytes"), "is above stream_bytes")
    if table.in_flight_bytes < table.stream_bytes:
        message = "is below stream_bytes: no stream can reach that size"
        yield Finding(("limits", "in_flight_bytes"), message, warning=True)


def discovery(table: DiscoverySource, base: KeyPath, urls: object, proxy: object) -> Iterator[Finding]:
    """Report a source with neither files nor URLs, or both, and secrets in its URLs."""
    for index, url in enumerate(urls if isinstance(urls, list) else ()):
        yield from plain_secret((*base, "http_sd", index), url)
    if bool(table.file_sd) == bool(table.http_sd):
        yield Finding(base, "must have either file_sd or http_sd", "write one [[discovery]] for each source")
    if table.proxy is not None:
        yield from plain_secret((*base, "proxy"), proxy if isinstance(proxy, str) else "")
    default = DiscoverySource(table.name)
    for name in ("bearer_token_file", "basic_auth", "tls", "proxy") if table.file_sd else ():
        if getattr(table, name) != getattr(default, name):
            message = "has no effect with file_sd: a file is read without a request"
            yield Finding((*base, name), message, warning=True)
    if table.tls.key_file and not table.tls.cert_file:
        yield Finding((*base, "tls", "key_file"), "needs a cert_file")
    if (
        table.tls != default.tls
        and table.http_sd
        and not any(url.lower().startswith("https:") for url in table.http_sd)
    ):
        yield Finding((*base, "tls"), "has no effect: no URL is https", warning=True)
    yield from _authorization(table, base)


def _authorization(table: DiscoverySource, base: KeyPath) -> Iterator[Finding]:
    """Report more than one user or token, and a user without exactly one password."""
    basic, has_basic, hint = table.basic_auth, table.basic_auth != BasicAuth(), "a request has one Authorization header"
    key = "bearer_token_file" if table.bearer_token_file else "basic_auth"
    if (has_basic or table.bearer_token_file) and any("@" in urlsplit(url).netloc for url in table.http_sd):
        yield Finding((*base, key), "a URL has a user as well", hint)
    elif has_basic and table.bearer_token_file:
        yield Finding((*base, "basic_auth"), "bearer_token_file is also set", hint)
    if has_basic and not basic.username:
        yield Finding((*base, "basic_auth"), "has no username")
    elif has_basic and bool(basic.password_file) == bool(basic.password_env):
        yield Finding((*base, "basic_auth"), "must have either password_file or password_env")


def network(table: Network, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Report an environment variable that should contain a proxy's URL and does not."""
    for name in unusable(environ) if table.proxy_from_environment else ():
        message = f"the variable {name} does not hold the URL of an HTTP proxy"
        yield Finding(("network", "proxy_from_environment"), message, 'for example "http://proxy.internal:3128"')


def maintenance(table: Maintenance, base: KeyPath, known: Known) -> Iterator[Finding]:
    """Report a window that is neither single nor recurring, or that has unknown targets."""
    once, recurring = (table.start, table.end), (table.at, table.duration)
    if any(once) == any(recurring) or not (all(once) or all(recurring)):
        yield Finding(base, "must have either start and end, or at and duration")
    yield from _single(table, base)
    for index, pattern in enumerate(table.targets):
        if known.complete and not any(names(pattern, name) for name in known.upstream_of):
            yield Finding((*base, "targets", index), _NO_TARGET, known.near(pattern))
    for name in table.labels.keys() - known.labels if known.complete else ():
        yield Finding((*base, "labels", name), "no target has this label", warning=True)


def _single(table: Maintenance, base: KeyPath) -> Iterator[Finding]:
    times = {"start": table.start, "end": table.end}
    floating = [key for key, time in times.items() if time and time.tzinfo is None]
    for key in floating:
        yield Finding((*base, key), "has no offset from UTC", "write 2030-01-31T22:00:00Z")
    if table.start and table.end and not floating and table.start >= table.end:
        yield Finding((*base, "end"), "is not after start")
