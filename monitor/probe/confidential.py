"""The secrets that are sent to a target's server: they must not appear in anything that is stored of its answers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from monitor.target import Target

_PUBLIC = frozenset({
    "accept", "accept-encoding", "accept-language", "anthropic-beta", "anthropic-version", "cache-control",
    "connection", "content-type", "openai-beta", "user-agent",
})  # fmt: skip
"""Headers whose values are not secret; a value from a variable is secret in any case."""
_SECRET_KEY = re.compile(r"(?i)(?:authorization|api[-_]?key|secret|password|token|cookie|credentials?)$")


def secrets_of(target: Target) -> Iterator[str]:
    """Return every secret value that the server, or a proxy in front of it, receives."""
    if target.api_key is not None:
        yield target.api_key.reveal()
    for secret in target.from_variables:
        yield secret.reveal()
    for name, value in target.headers.items():
        if name.lower() not in _PUBLIC:
            yield from _of_header(value.reveal())
    yield from of_url(target.url)
    if target.proxy is not None:
        yield from of_url(target.proxy.reveal())
    yield from _of_body("", target.body)


@lru_cache(maxsize=2048)
def of_url(url: str) -> tuple[str, ...]:
    """Return the user, the password and the query values of a URL, both as written and decoded."""
    return tuple(_of_url(url))


def _of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    for written in (user, password, user + colon + password):
        yield from (written, unquote(written))
    for pair in parts.query.split("&"):
        yield pair.partition("=")[2] or pair
    yield from (value for _, value in parse_qsl(parts.query))


def _of_header(value: str) -> Iterator[str]:
    """Return a header's value, its token without the scheme, its cookies, and the decoded Basic credentials."""
    yield value
    yield value.rpartition(" ")[2]
    for pair in value.split(";"):
        yield pair.partition("=")[2].strip(' "')
    if value.lower().startswith("basic "):
        try:
            user, _, password = (
                base64.b64decode(value[6:].strip(), validate=True).decode("utf-8", "replace").partition(":")
            )
        except binascii.Error:
            return
        yield from (user, password)


def _of_body(key: str, value: object) -> Iterator[str]:
    """Return the strings of a body whose key indicates a secret."""
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from _of_body(str(name), inner)
        case list() | tuple():
            for inner in value:
                yield from _of_body(key, inner)
        case str() if _SECRET_KEY.search(key):
            yield value
