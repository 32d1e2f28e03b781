"""A config file as written: its values from tomllib, the line of each from tree-sitter, and every syntax error."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from monitor.config.mistake import ConfigError, KeyPath, Mistake, key_text, printable

LARGEST = 16 * 1024 * 1024
DEEPEST = 32
_MOST_PARSED = 8 * 1024 * 1024
"""Characters that are parsed again and again to find every syntax error: some seconds of work."""
# The placeholder for a value that could not be read; a private code point that no config contains.
_UNREAD = "\uf8ffunread"
_TOML = Language(tree_sitter_toml.language())
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_KEY = re.compile(r"^\s*[^=#\[]+=")
_HINTS = {
    "Expected newline or end of document after a statement": 'put strings and durations in quotes: "60s"',
    "Invalid value": 'put strings and durations in quotes: "60s"',
    "Cannot overwrite a value": "the key is defined twice",
    "Cannot declare": "the table is defined twice; write [[NAME]] for each of several tables",
    "Unclosed array": "a ] is missing",
    "Unescaped '\\' in a string": "double it, or write the text in single quotes",
}


@dataclass(frozen=True)
class Document:
    """Values as written, before any substitution, and their text; `broken` ones could not be read and are left out."""

    file: str
    directory: Path
    values: dict[str, object]
    text: str = field(default="", repr=False)
    broken: tuple[KeyPath, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    parts: tuple[IncludedFile, ...] = ()
    """The files that were merged into `values`; `text` is that of the main file alone."""

    @property
    def fingerprint(self) -> str:
        """The text of all files, which changes if one of them does."""
        return "\0".join([self.text, *(f"{part.document.file}\0{part.document.text}" for part in self.parts)])

    @cached_property
    def lines(self) -> Mapping[KeyPath, int]:
        """The first line of every key; computed only when a message needs one."""
        return _lines(self.text.encode())

    def line(self, path: KeyPath) -> int | None:
        """Return the line of a key, or of the nearest enclosing table in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def at(self, path: KeyPath) -> object:
        """Return the value as written; None if there is none."""
        value: object = self.values
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def mistake(self, path: KeyPath, message: str, hint: str = "") -> Mistake:
        """Return a mistake about a key of this document, with its line and file."""
        for part in self.parts:
            inner = None if path in self.lines else part.inner(path)
            if inner is not None:
                return part.document.mistake(inner, message, hint)
        name = self.at((*path[:2], "name")) if path[:1] == ("targets",) else None
        target = key_text((printable(name),)) if isinstance(name, str) and name else ""
        return Mistake(self.file, self.line(path), key_text(path), message, hint, target)

    def place(self, path: KeyPath) -> str:
        """Return a key's place: its path if there is one file, else FILE:LINE."""
        mistake = self.mistake(path, "")
        return mistake.key if not self.parts and mistake.file == self.file else f"{mistake.file}:{mistake.line}"


@dataclass(frozen=True)
class IncludedFile:
    """An included file, and the number of elements of each array before its own."""

    document: Document
    offsets: Mapping[str, int]

    def outer(self, path: KeyPath) -> KeyPath:
        """Return a path of this file as a path of the whole config."""
        match path:
            case (str() as name, int() as index, *rest) if name in self.offsets:
                return (name, index + self.offsets[name], *rest)
        return path

    def inner(self, path: KeyPath) -> KeyPath | None:
        """Return a path of the whole config as a path of this file; None if the key is in another file."""
        match path:
            case (str() as name, int() as index, *rest) if name in self.offsets:
                local = (name, index - self.offsets[name])
                return (*local, *rest) if index >= self.offsets[name] and self.document.at(local) is not None else None
        return path if self.document.at(path) is not None else None


NO_DOCUMENT = Document("", Path(), {})
"""The document of a config without a file."""


def read(path: Path) -> Document:
    """Read a config file; ConfigError if it cannot be read at all."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise _refused(file, None, "cannot be read: " + _reason(error)) from None
    if len(data) > LARGEST:
        raise _refused(file, None, "is larger than 16 MiB, the limit for a config")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(file, line, "is not UTF-8", "save it as UTF-8") from None
    return parse(text, file, path.parent)


def parse(text: str, file: str, directory: Path) -> Document:
    """Parse a config's text; every syntax error is noted, and the rest is parsed nevertheless."""
    values, mended, mistakes = _values(text, file)
    if _depth(values) > DEEPEST:
        raise _refused(file, None, f"is nested more than {DEEPEST} levels deep")
    broken = tuple(sorted(_take_unread(values), key=str))
    return Document(file, directory, values, mended, broken, tuple(mistakes))


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "unknown error").lower() if isinstance(error, OSError) else str(error)


def _refused(file: str, line: int | None, message: str, hint: str = "") -> ConfigError:
    return ConfigError((Mistake(file, line, "", message, hint),))


# -- values ------------------------------------------------------------------------------------------------------------


def _values(text: str, file: str) -> tuple[dict[str, object], str, list[Mistake]]:
    """Parse; after a syntax error note it, replace its line, and parse again, as long as that makes progress."""
    mistakes: list[Mistake] = []
    for _ in range(max(_MOST_PARSED // (len(text) + 1), 10)):
        try:
            return tomllib.loads(text), text, mistakes
        except RecursionError:
            raise _refused(file, None, f"is nested more than {DEEPEST} levels deep") from None
        except tomllib.TOMLDecodeError as error:
            number, mistake = _syntax(str(error), text, file)
            mistakes.append(mistake)
            mended = _mend(text, number, duplicate="Cannot" in str(error))
            if mended is None:
                raise ConfigError(tuple(mistakes)) from None
            text = mended
        except ValueError:  # Python's own limit on the digits of an integer
            raise _refused(file, None, "holds a number of thousands of digits") from None
    more = Mistake(file, None, "", "has more syntax errors than are shown here")
    raise ConfigError((*mistakes, more))


def _syntax(error: str, text: str, file: str) -> tuple[int, Mistake]:
    match = _AT.search(error)
    message = error[: match.start()] if match else error
    line, column = (int(match[1]), int(match[2])) if match and match[1] else (text.count("\n") + 1, 0)
    hint = next((hint for start, hint in _HINTS.items() if message.startswith(start)), "")
    at = f" at column {column}" if column else ""
    return line, Mistake(file, line, "", f"the file is not valid TOML{at}: {message[:1].lower()}{message[1:]}", hint)


def _mend(text: str, number: int, *, duplicate: bool) -> str | None:
    """Replace a bad line; None if the fault may be elsewhere, so that further messages would only confuse."""
    lines = text.split("\n")
    line = lines[number - 1]
    key = _KEY.match(line)
    if _parses(line) and not duplicate:
        return None
    if not _parses(line):
        lines[number - 1] = f'{key[0]} "{_UNREAD}"' if key else line
    else:  # a second heading is renamed, so that its content stays valid; a second key is removed
        lines[number - 1] = "" if key else f'["{_UNREAD}{number}"]'
    return "\n".join(lines) if _parses(lines[number - 1]) else None


def _parses(line: str) -> bool:
    try:
        tomllib.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _depth(values: dict[str, object]) -> int:
    """Return the nesting depth, without recursion: a dotted key can be thousands of tables deep."""
    depth, level = 0, list(values.values())
    while level:
        depth += 1
        tables = [list(value.values()) for value in level if isinstance(value, dict)]
        arrays = [value for value in level if isinstance(value, list)]
        level = [inner for nested in (*tables, *arrays) for inner in nested]
    return depth


def _take_unread(values: dict[str, object], base: KeyPath = ()) -> Iterator[KeyPath]:
    """Remove the values that could not be read from the tables, and return their paths."""
    for key, value in list(values.items()):
        path = (*base, key)
        if value == _UNREAD:
            del values[key]
            yield path
        elif key.startswith(_UNREAD):
            del values[key]  # the keys under a table's second heading
        elif isinstance(value, dict):
            yield from _take_unread(value, path)
        elif isinstance(value, list):
            for index, element in enumerate(value):
                if isinstance(element, dict):
                    yield from _take_unread(element, (*path, index))


# -- lines -------------------------------------------------------------------------------------------------------------


def _lines(source: bytes) -> dict[KeyPath, int]:
    """Walk the syntax tree, without recursion, and return the first line of every key and array element."""
    found: dict[KeyPath, int] = {}
    elements: dict[KeyPath, int] = {}
    root = Parser(_TOML).parse(source).root_node
    for node in () if root.has_error else root.children:
        base: KeyPath = ()
        if node.type in {"table", "table_array_element"}:
            base = _header(node, elements)
            _note(found, base, node)
        pairs = [child for child in node.children if child.type == "pair"] if base else [node]
        stack = [(base, pair) for pair in pairs]
        while stack:
            stack.extend(_descend(found, *stack.pop()))
    return found


def _header(node: Node, elements: dict[KeyPath, int]) -> KeyPath:
    """Return the path of a [table] or [[table]]; the name of an array means its last element."""
    path: KeyPath = ()
    keys = _keys(node.named_children[0])
    for part in keys[:-1]:
        path = (*path, part)
        path = (*path, elements[path] - 1) if path in elements else path
    path = (*path, keys[-1])
    if node.type == "table_array_element":
        elements[path] = elements.get(path, 0) + 1
        path = (*path, elements[path] - 1)
    return path


def _keys(node: Node) -> tuple[str, ...]:
    return _parts((node.text or b"").decode())


@lru_cache(maxsize=1000)
def _parts(key: str) -> tuple[str, ...]:
    """Return the parts of a bare, quoted or dotted key; tomllib decodes escapes."""
    value: object = tomllib.loads(f"{key} = 0")
    keys = []
    while isinstance(value, dict):
        ((key, value),) = value.items()
        keys.append(key)
    return tuple(keys)


def _note(found: dict[KeyPath, int], path: KeyPath, node: Node) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], node.start_point.row + 1)


def _descend(found: dict[KeyPath, int], base: KeyPath, node: Node) -> Iterator[tuple[KeyPath, Node]]:
    """Note a pair or a value, and return its children."""
    if node.type == "pair":
        base = (*base, *_keys(node.named_children[0]))
        _note(found, base, node)
        yield base, node.named_children[-1]
    elif node.type == "inline_table":
        yield from ((base, child) for child in node.named_children if child.type == "pair")
    elif node.type == "array":
        values = [child for child in node.named_children if child.type != "comment"]
        for index, child in enumerate(values):
            _note(found, (*base, index), child)
            yield (*base, index), child
