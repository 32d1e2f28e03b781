"""A config in several files: the tables and arrays of the included files, merged into one document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import cast

from monitor.config.document import Document, IncludedFile, read
from monitor.config.mistake import ConfigError, KeyPath, Mistake
from monitor.config.variables import Filling

INCLUDE = "include"

Twice = Callable[[KeyPath], None]
"""Called for a key that is set twice."""


def read_all(path: Path, environ: Mapping[str, str]) -> Document:
    """Read a config file and the files it includes; ConfigError if the main file cannot be read at all."""
    main = read(path)
    parts, mistakes = [], list(main.mistakes)
    for key, file in _included(main, environ):
        try:
            parts.append(read(file))
        except ConfigError as error:
            mistakes.extend(error.mistakes)
            if not file.is_file():
                mistakes.append(main.mistake(key, "names a file that cannot be read"))
    return _merged(main, parts, mistakes) if parts or mistakes else main


def fingerprint(document: Document, environ: Mapping[str, str]) -> str | None:
    """Return the `Document.fingerprint` of the current files; None if one of them cannot be read."""
    try:
        parts = (f"{file}\0{_text(file)}" for _, file in _included(document, environ))
        return "\0".join([_text(Path(document.file)), *parts])
    except OSError:
        return None


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8-sig", "replace")


def _included(main: Document, environ: Mapping[str, str]) -> Iterator[tuple[KeyPath, Path]]:
    """Return each file once, in the order of the patterns and of their names; a name without a wildcard must exist."""
    patterns = main.values.get(INCLUDE)
    files = {Path(main.file).resolve()}
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else []):
        if not isinstance(pattern, str):
            continue
        filled = cast("str", Filling(environ, lambda *_: None).fill(pattern))
        found = sorted(glob(filled, root_dir=main.directory)) if has_magic(filled) else [filled]  # noqa: PTH207 - Path.glob takes no absolute pattern
        for name in found:
            file = main.directory / name
            if file.resolve() not in files:
                files.add(file.resolve())
                yield (INCLUDE, index), file


def _merged(main: Document, documents: list[Document], mistakes: list[Mistake]) -> Document:
    values, broken = dict(main.values), list(main.broken)
    parts: list[IncludedFile] = []
    for document in documents:
        offsets = {
            name: len(array)
            for name, value in document.values.items()
            if isinstance(value, list) and isinstance(array := values.get(name, []), list)
        }
        part = IncludedFile(document, offsets)
        mistakes.extend(document.mistakes)
        broken.extend(map(part.outer, document.broken))
        here = {key: value for key, value in document.values.items() if key != INCLUDE}
        if INCLUDE in document.values:
            mistakes.append(document.mistake((INCLUDE,), "only the main file can include others"))
        known = replace(main, values=values, parts=tuple(parts))
        values = _joined(values, here, (), partial(_set_twice, known, document, mistakes))
        parts.append(part)
    return replace(main, values=values, broken=tuple(broken), mistakes=tuple(mistakes), parts=tuple(parts))


def _set_twice(known: Document, document: Document, mistakes: list[Mistake], path: KeyPath) -> None:
    first = known.mistake(path, "")
    mistakes.append(document.mistake(path, f"is also set in {first.file}:{first.line}"))


def _joined(values: Mapping[str, object], more: Mapping[str, object], base: KeyPath, twice: Twice) -> dict[str, object]:
    """Return the keys of both: top-level arrays are appended, tables are merged, and no key may be set twice."""
    joined = dict(values)
    for key, value in more.items():
        match values.get(key), value:
            case None, _:
                joined[key] = value
            case list() as before, list() if not base:
                joined[key] = [*before, *value]
            case dict() as before, dict():
                joined[key] = _joined(before, value, (*base, key), twice)
            case _:
                twice((*base, key))
    return joined
