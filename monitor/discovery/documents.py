"""Documents of target groups in the JSON and YAML of Prometheus: parsed, and as keys of targets; no file is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import yaml

from monitor.record.observation import host_of

_LONGEST_NAME = 63
_TEXTS = (
    "name", "protocol", "model", "interval", "interval_when_failing", "prompt", "terminator", "connection", "upstream",
    "record",
)  # fmt: skip
_NUMBERS = ("confirm", "max_tokens", "tokens_per_day", "replicas")
_SWITCHES = {"true": True, "false": False}
_KEYS = {f"__{key}__": key for key in (*_TEXTS, *_NUMBERS, "paused", "locations")}
"""The labels that set keys of a target."""
_PARTS = frozenset({"__scheme__", "__path__"})
"""The labels that, with an address, make a URL."""
# Labels for Prometheus in an inventory that Prometheus reads as well.
_NOT_OURS = re.compile(r"__(?:meta_|param_|tmp).*|__(?:address|metrics_path|scrape_interval|scrape_timeout)__")
_OVERWRITTEN = frozenset({"job", "instance"})
"""Labels that Prometheus sets on every series that it scrapes."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a document: addresses and their common labels."""

    addresses: tuple[str, ...]
    labels: Mapping[str, str]


def parse(data: bytes, suffix: str = "") -> tuple[Group, ...]:
    """Read a document of target groups: YAML if its file's name ends so, else JSON.

    A ValueError says what is wrong with it as a whole.
    """
    value = _yaml(data) if suffix in _YAML else _json(data)
    if not isinstance(value, list):
        raise ValueError("is not a list of target groups")  # noqa: TRY004 - it is the value of what was read
    return tuple(_group(number, one) for number, one in enumerate(value))


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"is not valid JSON{at}; for YAML name the file *.yml or *.yaml") from None


def _yaml(data: bytes) -> object:
    """Read YAML with every scalar as text, so that `port: 80` and `port: "80"` are equal, as in Prometheus."""
    try:
        return yaml.load(data, _LOADER)  # noqa: S506 - the base loader makes nothing but texts, lists and tables
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"is not valid YAML (line {mark.line + 1})" if mark else "is not valid YAML") from None


_YAML = frozenset({".yml", ".yaml"})
_LOADER = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


def _group(number: int, value: object) -> Group:
    match value:
        case {"targets": list() as addresses} if all(isinstance(one, str) for one in addresses):
            labels = cast("dict[str, object]", value).get("labels") or {}
            if isinstance(labels, dict) and all(isinstance(one, str) for one in labels.values()):
                return Group(tuple(addresses), labels)
            raise ValueError(f"[{number}].labels is not a table of strings")
    raise ValueError(f"[{number}].targets is not a list of strings")


def keys(group: Group) -> Iterator[dict[str, Any]]:
    """Yield, for each address of a group, the keys of a [[targets]]."""
    values = {key: _typed(key, text) for label, key in _KEYS.items() if (text := group.labels.get(label))}
    labels = {name: text for name, text in group.labels.items() if _is_label(name)}
    for address in group.addresses:
        url = _url(address, group.labels)
        yield values | {"name": _name(values, url, alone=len(group.addresses) == 1), "url": url, "labels": labels}


def _is_label(name: str) -> bool:
    taken = name in _KEYS or name in _PARTS or name in _OVERWRITTEN
    return not taken and not _NOT_OURS.fullmatch(name)


def _typed(key: str, text: str) -> object:
    """Convert the text of a label to the type of its key; text that cannot be converted is left for the validation."""
    if key in _NUMBERS and text.isascii() and text.isdecimal():
        return int(text[:20])  # more digits exceed any bound as well
    if key == "paused":
        return _SWITCHES.get(text.lower(), text)
    if key == "locations":
        return [part.strip() for part in text.split(",")]
    return text


def _url(address: str, labels: Mapping[str, str]) -> str:
    """Return a complete URL unchanged, or build one from HOST:PORT, `__scheme__` and `__path__`."""
    if "://" in address:
        return address
    return f"{labels.get('__scheme__', 'http')}://{address}{labels.get('__path__', '')}"


def _name(values: Mapping[str, Any], url: str, *, alone: bool) -> str:
    """Return `__name__` for a group of one, otherwise a name that depends only on the target itself."""
    given = values.get("name", "")
    if given and alone:
        return str(given)
    try:
        parts = [given, host_of(url), urlsplit(url).path, "" if given else values.get("model", "")]
    except ValueError:  # an invalid URL: it is reported later, under some name
        parts = [given, url.partition("?")[0].rpartition("@")[2]]
    name = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(filter(None, parts))).strip("-._")
    if len(name) <= _LONGEST_NAME:
        return name or "nameless"
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}-{digest}"
