"""The rules between the keys of one target, and with its protocol: a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from monitor.config.document import Document
from monitor.config.mistake import KeyPath
from monitor.config.tables import Values
from monitor.config.variables import has_default
from monitor.keys.units import duration_text
from monitor.protocols import Protocol, whole_path
from monitor.settings import Monitor
from monitor.target import CountCheck, Http, ListCheck, Target, Terminator, own_limits

_SECRET_HEADER = re.compile(
    r"(?i)(?:^|[-_])(?:authorization|api[-_]?key|key|token|secret|password|cookie|credentials?)$|apikey"
)
_SECRET_VALUE = re.compile(r"(?i)^(?:bearer|basic) |^sk-|^AIza|^gh[ps]_|^hf_|^gsk_|^xai-|^AKIA|^eyJ[\w-]+\.")
# Narrower than for headers: bodies have keys such as `stop_token` and `max_tokens`.
_SECRET_IN_BODY = re.compile(
    r"(?i)(?:^|[-_])(?:authorization|api[-_]?key|secret|password|access[-_]token|credentials?)$|apikey"
)
_SECRET_QUERY = re.compile(r"(?i)(?:^|[-_])(?:api[-_]?key|key|token|secret|password|sig)$")
_SUBSTITUTED = "${"
_AUTHORIZATION = "authorization"
_WITHIN_TOTAL = ("timeouts.connect", "timeouts.headers", "timeouts.first_chunk", "timeouts.idle")
# A list of N numbers takes a token for each and one for each line end, and some for the closing word.
_TOKENS_PER_NUMBER, _TOKENS_PER_WORD, _TOKENS_BEHIND = 2, 4, 20


@dataclass(frozen=True, slots=True)
class Draft:
    """One target during loading: its own keys, and those merged with the defaults."""

    document: Document
    base: KeyPath
    own: Values
    target: Target
    protocol: Protocol
    monitor: Monitor

    def place(self, rest: KeyPath) -> KeyPath:
        """Return where a key of this target is set: in its own table, or in the defaults."""
        inherited = ("defaults", *rest)
        here = self.document.at((*self.base, *rest)) is not None
        return inherited if not here and self.document.at(inherited) is not None else (*self.base, *rest)

    def sets(self, *keys: str) -> bool:
        """Whether one of these is set, for this target or in the defaults."""
        return any(self.document.at(self.place((*key.split("."),))) is not None for key in keys)

    def text(self, rest: KeyPath) -> str:
        """Return a text as written, before substitution."""
        value = self.document.at(self.place(rest))
        return value if isinstance(value, str) else ""


class Finding(NamedTuple):
    """A rule's finding about a key; a mistake, or a warning if `warning` is true."""

    key: KeyPath
    message: str
    hint: str = ""
    warning: bool = False


class TargetRule(NamedTuple):
    """A rule, and the keys that it reads: it is skipped if one of them is broken."""

    reads: tuple[str, ...]
    check: Callable[[Draft], Iterator[Finding]]


def _terminator(draft: Draft) -> Iterator[Finding]:
    protocol, terminator = draft.protocol, draft.target.terminator
    lacks = {
        Terminator.END: not protocol.end and protocol.marker,
        Terminator.MARKER: not protocol.takes_marker,
        Terminator.EITHER: not protocol.end or not protocol.takes_marker,
        Terminator.BOTH: not protocol.end or not protocol.takes_marker,
        Terminator.NONE: False,
    }
    if lacks[terminator] and (terminator is not Terminator.END or draft.sets("terminator")):
        has = "an end alone" if protocol.end else "a marker alone" if protocol.marker else "neither end nor marker"
        allowed = " or ".join(f'"{word}"' for word, missing in lacks.items() if not missing)
        yield Finding(("terminator",), f"does not fit the protocol, which has {has}", f"write {allowed}")


def _http_2_through_a_proxy(draft: Draft) -> Iterator[Finding]:
    """HTTP/2 is negotiated with the target: a proxy has to open a tunnel to it, over HTTP/1.1."""
    proxy, secure = draft.target.proxy, draft.target.url.lower().startswith("https:")
    if draft.target.http is Http.TWO and proxy is not None and not secure:
        yield Finding(("http",), "HTTP/2 without TLS does not go through a proxy", 'write "1.1" or "auto"')


def _asked(draft: Draft) -> Iterator[Finding]:
    """Without a prompt there is no answer to check; keys in the defaults are meant for other targets."""
    if takes_prompt(draft.protocol, draft.target.body):
        return
    hint = 'put {prompt} into its body, or check the answer by { kind = "pattern", ... }'
    if draft.own.get("prompt") is not None:
        yield Finding(("prompt",), "this protocol sends no prompt", hint)
    if "check" in draft.own and isinstance(draft.target.check, ListCheck):
        yield Finding(("check",), "this protocol sends no prompt, so a counted list cannot be checked", hint)


def takes_prompt(protocol: Protocol, body: Mapping[str, object]) -> bool:
    """Whether a prompt is sent: the protocol has one, or the target's body has a place for one."""
    return protocol.asks or any(map(_mentions_prompt, body.values()))


def _mentions_prompt(value: object) -> bool:
    match value:
        case str():
            return "{prompt}" in value
        case dict():
            return any(map(_mentions_prompt, value.values()))
        case list():
            return any(map(_mentions_prompt, value))
        case _:
            return False


def _enough_tokens(draft: Draft) -> Iterator[Finding]:
    """Check the limit that is sent: the body's own, else ours if the protocol asks for an answer."""
    check, own = draft.target.check, own_limits(draft.target.body)
    if isinstance(check, ListCheck) and (own or draft.protocol.asks):
        count = isinstance(check, CountCheck)
        needed = check.to * (_TOKENS_PER_NUMBER if count else _TOKENS_PER_WORD) + _TOKENS_BEHIND
        limit = min(own, default=draft.target.max_tokens)
        if limit < needed:
            key = "body" if own else "max_tokens" if draft.sets("max_tokens") else "check"
            message = f"{limit} tokens may not be enough " + (
                f"to count to {check.to}" if count else f"for {check.to} words"
            )
            less = "count to a smaller number" if count else "ask for fewer words"
            yield Finding((key,), message, f"allow {needed}, or {less}", warning=True)


def _base_url(draft: Draft) -> Iterator[Finding]:
    """Clients add a path to a base URL; the monitor sends its requests to exactly the configured URL."""
    path = whole_path(draft.target.url, draft.protocol)
    if path is not None:
        yield Finding(("url",), "is a base URL, and nothing is added to it", f"did you mean {path}?", warning=True)


def _total(draft: Draft) -> Iterator[Finding]:
    longer = [key for key in _WITHIN_TOTAL if _seconds(draft, key) > _seconds(draft, "timeouts.total")]
    if longer:
        keys = ("timeouts.total", *longer)
        key = next(key for key in keys if draft.sets(key))
        message = f"{_named(draft, 'timeouts.total')} is below {', '.join(_named(draft, one) for one in longer)}"
        yield Finding((*key.split("."),), message, "raise total, or lower the others")


def _interval(draft: Draft) -> Iterator[Finding]:
    if draft.target.interval < draft.target.timeouts.total and draft.sets("interval", "timeouts.total"):
        key = "interval" if draft.sets("interval") else "timeouts.total"
        message = f"{_named(draft, 'interval')} is below {_named(draft, 'timeouts.total')}"
        hint = "raise interval, or lower timeouts.total: a probe is skipped if the previous one is still running"
        yield Finding((*key.split("."),), message, hint, warning=True)
    if (draft.target.interval_when_failing or 0.0) > draft.target.interval:
        message = f"{_named(draft, 'interval_when_failing')} is above {_named(draft, 'interval')}"
        yield Finding(("interval_when_failing",), message)


def _seconds(draft: Draft, key: str) -> float:
    value: object = draft.target
    for part in key.split("."):
        value = getattr(value, part)
    assert isinstance(value, float)
    return value


def _named(draft: Draft, key: str) -> str:
    """Return a key with its duration, unless that comes from a variable."""
    hidden = _SUBSTITUTED in draft.text((*key.split("."),))
    return key if hidden else f"{key} ({duration_text(_seconds(draft, key))})"


def _one_key(draft: Draft) -> Iterator[Finding]:
    if draft.target.api_key_env and draft.target.api_key_file:
        yield Finding(("api_key_file",), "api_key_env is also set", "a target has one key: leave one of them out")


def _one_authorization(draft: Draft) -> Iterator[Finding]:
    """User and password of a URL are sent in the `Authorization` header, which a request has only once."""
    target = draft.target
    if "@" not in urlsplit(target.url).netloc:
        return
    for key in ("api_key_env", "api_key_file"):
        if getattr(target, key) and draft.protocol.auth.header.lower() == _AUTHORIZATION:
            yield _second_authorization(key)
    for key, table in (("headers", target.headers), ("header_files", target.header_files)):
        for name in table:
            if name.lower() == _AUTHORIZATION:
                yield _second_authorization(f"{key}.{name}")


def _second_authorization(other: str) -> Finding:
    message = (
        f"has a user in addition to {other}: both are sent in the header Authorization, and a request has only one"
    )
    return Finding(("url",), message, "leave one of them out")


def _one_model(draft: Draft) -> Iterator[Finding]:
    if "model" in draft.own and draft.target.models:
        yield Finding(("models",), "model is also set", "leave one of them out")


def _header_twice(draft: Draft) -> Iterator[Finding]:
    names: set[str] = set()
    for key, table in (("headers", draft.target.headers), ("header_files", draft.target.header_files)):
        for name in table:
            if name.lower() in names:
                yield Finding((key, name), "the header is given twice")
            names.add(name.lower())


_NEVER_HERE = "do not put secrets in the file: use api_key_file, api_key_env, header_files, or ${NAME}"


def _literal_secret(draft: Draft) -> Iterator[Finding]:
    for name in draft.target.headers:
        if _is_secret(_SECRET_HEADER, name, draft.text(("headers", name))):
            yield Finding(("headers", name), "looks like a secret", _NEVER_HERE)


def _literal_secret_in_body(draft: Draft) -> Iterator[Finding]:
    for path in _texts(draft.target.body, ("body",)):
        name = next(part for part in reversed(path) if isinstance(part, str))
        if _is_secret(_SECRET_IN_BODY, name, draft.text(path)):
            yield Finding(path, "looks like a secret", _NEVER_HERE)


def _texts(value: object, path: KeyPath) -> Iterator[KeyPath]:
    """Return the paths of the texts in a table."""
    match value:
        case dict():
            yield from (found for key, inner in value.items() for found in _texts(inner, (*path, key)))
        case list():
            yield from (found for index, inner in enumerate(value) for found in _texts(inner, (*path, index)))
        case str():
            yield path
        case _:
            pass


def _is_secret(names: re.Pattern[str], name: str, written: str) -> bool:
    looks_secret = names.search(name) or _SECRET_VALUE.search(written)
    return bool(looks_secret and written) and (_SUBSTITUTED not in written or has_default(written))


def _literal_url_secret(draft: Draft) -> Iterator[Finding]:
    for key, url in (("url", draft.target.url), ("proxy", draft.target.proxy)):
        if url:
            yield from plain_secret((key,), draft.text((key,)))


def plain_secret(key: KeyPath, written: str) -> Iterator[Finding]:
    """Report a URL that contains a password, a key or a user name in plain text."""
    hint = "put that part into a variable: ${NAME}"
    if _holds_secret(written):
        yield Finding(key, "contains a password or a key, which must not be in the file", hint)
    elif _SUBSTITUTED not in written and "@" in urlsplit(written).netloc:
        yield Finding(key, "contains a user name that anyone who can read this file can use", hint, warning=True)


def _holds_secret(url: str) -> bool:
    """Whether a URL has a password, or the value of a key, in plain text."""
    parts = urlsplit(url)
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    keys = [value for name, value in parse_qsl(parts.query) if _SECRET_QUERY.search(name)]
    return any(value and (_SUBSTITUTED not in value or has_default(value)) for value in (password, *keys))


def _tls_in_vain(draft: Draft) -> Iterator[Finding]:
    if "tls" in draft.own and not draft.target.url.lower().startswith("https:"):
        yield Finding(("tls",), "has no effect: the URL is not https", warning=True)


def _client_certificate(draft: Draft) -> Iterator[Finding]:
    if draft.target.tls.key_file and not draft.target.tls.cert_file:
        yield Finding(("tls", "key_file"), "needs a cert_file")


def _answerable(draft: Draft) -> Iterator[Finding]:
    """Report missing keys that the servers of this protocol require."""
    for key in draft.protocol.needs:
        if key not in draft.target.body:
            message = f"servers of {draft.protocol.name} refuse a request without {key}"
            yield Finding(("body",), message, f'write body = {{ {key} = "..." }}', warning=True)


def _streams(draft: Draft) -> Iterator[Finding]:
    if draft.protocol.asks and draft.target.body.get("stream") is False:
        yield Finding(("body", "stream"), "the monitor needs a stream", "leave it out")


def _generic(draft: Draft) -> Iterator[Finding]:
    """The table `generic` needs the protocol of that name, and paths need messages that are JSON."""
    given = draft.target.generic
    if "generic" in draft.own and draft.protocol.name != "generic":
        yield Finding(("generic",), "has no effect: the protocol is not generic", warning=True)
    elif given.framing == "raw" and (given.reads_json or given.marker):
        message = "has messages without any structure, in which no path or marker can be found"
        yield Finding(("generic", "framing"), message, 'write "sse", "lines" or "json", or leave the paths out')


def _location(draft: Draft) -> Iterator[Finding]:
    if draft.target.locations and not draft.monitor.location:
        message = "no [monitor] location is set, so this monitor does not probe this target"
        yield Finding(("locations",), message, warning=True)
    for index, name in enumerate(draft.target.locations):
        if draft.monitor.locations and name not in draft.monitor.locations:
            near = get_close_matches(name, draft.monitor.locations, 1)
            hint = f'did you mean "{near[0]}"?' if near else "add it there"
            yield Finding(("locations", index), "is not one of the `locations` of [monitor]", hint)


_TURNS = ("replicas", "locations", "interval")


def short_turn(draft: Draft) -> tuple[str, str] | None:
    """Return message and hint if several monitors probe a target in turns, and a turn is too short for a probe."""
    target = draft.target
    monitors = max(len(target.locations or draft.monitor.locations), 1) * target.replicas
    turn = target.interval / monitors
    if monitors == 1 or turn >= target.timeouts.total:
        return None
    return (
        f"{monitors} monitors probe every {duration_text(target.interval)} in turns of {duration_text(turn)}",
        f"a probe longer than a turn overlaps the next one; timeouts.total is {duration_text(target.timeouts.total)}",
    )


def sets_turns(draft: Draft) -> bool:
    """Whether a key that the turns depend on is set for this target or in the defaults."""
    return draft.sets(*_TURNS)


def _turns(draft: Draft) -> Iterator[Finding]:
    """Compare the time between the probes of several monitors with the longest time of one."""
    if sets_turns(draft) and (found := short_turn(draft)) is not None:
        key = next(key for key in _TURNS if draft.sets(key))
        yield Finding((key,), *found, warning=True)


LITERAL_SECRETS = (
    TargetRule(("headers",), _literal_secret),
    TargetRule(("body",), _literal_secret_in_body),
    TargetRule(("url", "proxy"), _literal_url_secret),
)
"""The rules that apply to files only: a command line may contain secrets."""
RULES = (
    TargetRule(("protocol", "terminator"), _terminator),
    TargetRule(("http", "proxy", "url"), _http_2_through_a_proxy),
    TargetRule(("protocol", "prompt", "check", "body"), _asked),
    TargetRule(("protocol", "check", "max_tokens", "body"), _enough_tokens),
    TargetRule(("timeouts.total", *_WITHIN_TOTAL), _total),
    TargetRule(("interval", "interval_when_failing", "timeouts.total"), _interval),
    TargetRule(("api_key_env", "api_key_file"), _one_key),
    TargetRule(("protocol", "url", "api_key_env", "api_key_file", "headers", "header_files"), _one_authorization),
    TargetRule(("model", "models"), _one_model),
    TargetRule(("headers", "header_files"), _header_twice),
    *LITERAL_SECRETS,
    TargetRule(("tls",), _client_certificate),
    TargetRule(("tls", "url"), _tls_in_vain),
    TargetRule(("protocol", "url"), _base_url),
    TargetRule(("protocol", "body"), _answerable),
    TargetRule(("protocol", "body"), _streams),
    TargetRule(("protocol", "generic"), _generic),
    TargetRule(("locations",), _location),
    TargetRule(("locations", "replicas", "interval", "timeouts.total"), _turns),
)
