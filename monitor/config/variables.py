"""`${VAR}` and `${VAR:-default}` in the strings of a config: replaced from the environment, and never shown again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from monitor.config.mistake import KeyPath

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_DEFAULT = ":-"

Report = Callable[[KeyPath, str, str], None]


def references(value: object) -> set[str]:
    """Return the names of the variables in the strings of a value, before they are filled in."""
    match value:
        case str():
            found = (match[1] for match in _REFERENCE.finditer(value) if match[1])
            return {name[0] for text in found if (name := _NAME.match(text))}
        case dict():
            return set().union(*map(references, value.values()))
        case list():
            return set().union(*map(references, value))
        case _:
            return set()


def has_default(text: str) -> bool:
    """Whether a text contains a variable with a default that is not empty: the file has that value in plain text."""
    return any((match[1] or "").partition(_DEFAULT)[2] for match in _REFERENCE.finditer(text))


@dataclass(slots=True)
class Filling:
    """Replaces the references in values; `failed` are the paths whose strings could not be filled."""

    environ: Mapping[str, str]
    report: Report
    failed: list[KeyPath] = field(default_factory=list)

    def fill(self, value: object, path: KeyPath = ()) -> object:
        """Return the value with every reference in its strings replaced."""
        match value:
            case str():
                return self._text(value, path)
            case dict():
                return {key: self.fill(inner, (*path, key)) for key, inner in value.items()}
            case list():
                return [self.fill(inner, (*path, index)) for index, inner in enumerate(value)]
            case _:
                return value

    def _text(self, text: str, path: KeyPath) -> str:
        return _REFERENCE.sub(lambda match: self._replacement(match, path), text)

    def _replacement(self, match: re.Match[str], path: KeyPath) -> str:
        if match[0] == "$${":
            return "${"
        name, has_default, default = match[1].partition(_DEFAULT)
        if not match[2] or not _NAME.fullmatch(name):
            return self._fail(path, "contains a ${ without a variable name", "write ${NAME}, or $${ for the text ${")
        if has_default and not self.environ.get(name):
            return default if "${" not in default else self._fail(path, "contains a variable in a default", "name one")
        if name not in self.environ:
            near = get_close_matches(name, self.environ, 1, 0.8)
            hint = f"did you mean ${{{near[0]}}}?" if near else f"set it, or write ${{{name}:-DEFAULT}}"
            return self._fail(path, f"the variable {name} is not set", hint)
        value = self.environ[name]
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            return self._fail(path, f"the variable {name} is not UTF-8", "")
        return value

    def _fail(self, path: KeyPath, message: str, hint: str) -> str:
        if path not in self.failed:
            self.failed.append(path)
        self.report(path, message, hint)
        return ""
