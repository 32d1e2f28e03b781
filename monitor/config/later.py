"""Keys that are read and checked, but whose feature has yet to come: each that is used gets a warning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from monitor.config.document import Document
from monitor.config.explain import field_of
from monitor.config.mistake import KeyPath, key_text

NOT_YET: dict[str, str] = {
    "history": "[history]",
}
"""What has no effect yet, and how it is called; a feature that lands takes its line away."""


def unheeded(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Return what a config uses of these, with the warning."""
    for path, value in _used(document):
        name = key_text(tuple(part for part in path if isinstance(part, str)))
        if name in NOT_YET and not _is_default(name, value):
            yield path, f"`{NOT_YET[name]}` has no effect in this version"


def _used(document: Document) -> Iterator[tuple[KeyPath, object]]:
    """Return the tables of a config and the keys in them, not deeper."""
    for section, value in document.values.items():
        tables: list[object] = value if isinstance(value, list) else [value]
        for index, table in enumerate(tables):
            base: KeyPath = (section, index) if isinstance(value, list) else (section,)
            if table:
                yield base, table
            if isinstance(table, dict):
                yield from (((*base, key), inner) for key, inner in cast("dict[str, object]", table).items())


def _is_default(name: str, value: object) -> bool:
    field = field_of(name)
    return field is not None and value == field.default
