"""The file as written: its values, the line of each, and every syntax error in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.document import LARGEST, Document, parse, read
from monitor.config.mistake import ConfigError, KeyPath

TEXT = """\
top.dotted = 1
[monitor]
"a b" = "x"
inline = {one = 1, two.three = [
  1, # a comment
  {four = 4},
]}
[[targets]]
name = "a"
[targets.timeouts]
idle = "3s"
[[targets.steps]]
x = 1
[[targets.steps]]
x = 2
[[targets]]
labels.team = "s"
"""


def parsed(text: str) -> Document:
    """Read a text."""
    return parse(text, "c.toml", Path())


def errors(text: str) -> list[str]:
    """Return the syntax errors of a text, whether or not anything around them could be read."""
    try:
        return list(map(str, parsed(text).mistakes))
    except ConfigError as error:
        return list(map(str, error.mistakes))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 1), (("top", "dotted"), 1), (("monitor",), 2), (("monitor", "a b"), 3),
        (("monitor", "inline", "one"), 4),
        (("monitor", "inline", "two", "three", 0), 5), (("monitor", "inline", "two", "three", 1, "four"), 6),
        (("targets",), 8), (("targets", 0), 8), (("targets", 0, "timeouts", "idle"), 11),
        (("targets", 0, "steps", 0, "x"), 13),
        (("targets", 0, "steps", 1, "x"), 15), (("targets", 1), 16), (("targets", 1, "labels", "team"), 17),
        (("targets", 1, "url"), 16), (("nowhere",), None),
    ],
)  # fmt: skip
def test_knows_the_line_of_every_key(path: KeyPath, line: int | None) -> None:
    """The line of a key is where it begins; a missing key has the line of the table around it."""
    assert parsed(TEXT).line(path) == line


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("top", "dotted"), 1), (("targets", 0, "name"), "a"), (("targets", 5), None), (("targets", "name"), None),
        (("top", 0), None), (("top", "dotted", "x"), None), (("missing",), None),
    ],
)  # fmt: skip
def test_finds_what_is_written(path: KeyPath, value: object) -> None:
    """A path leads to the value as written, or to None."""
    assert parsed(TEXT).at(path) == value


BARE = 'expected newline or end of document after a statement (put strings and durations in quotes: "60s")'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 60s", [f"c.toml:1: the file is not valid TOML at column 7: {BARE}"]),
        ("\na = x\nb = 60s", [
            'c.toml:2: the file is not valid TOML at column 5: invalid value (put strings and durations in quotes: "60s")',  # noqa: E501 - one message
            f"c.toml:3: the file is not valid TOML at column 7: {BARE}",
        ]),
        ("a = 1\na = 2\n", [
            "c.toml:2: the file is not valid TOML at column 6: cannot overwrite a value (the key is defined twice)"
        ]),
        ("a = 1\na = 2", ["c.toml:2: the file is not valid TOML: cannot overwrite a value (the key is defined twice)"]),
        ("[a]\n[a]\nx = 1\nx = 2\n", [
            ("c.toml:2: the file is not valid TOML at column 3: cannot declare ('a',) twice "
            "(the table is defined twice; write [[NAME]] for each of several tables)"),
            "c.toml:4: the file is not valid TOML at column 6: cannot overwrite a value (the key is defined twice)",
        ]),
        ("a = [1,\nb = 2\n", [
            'c.toml:2: the file is not valid TOML at column 1: invalid value (put strings and durations in quotes: "60s")'  # noqa: E501 - one message
        ]),
        ("[a\nb = 1", ["c.toml:1: the file is not valid TOML at column 3: expected ']' at the end of a table declaration"]),  # noqa: E501 - one message
        ('a = """\nb', ["c.toml:2: the file is not valid TOML: unterminated string"]),
        ("hello", ["c.toml:1: the file is not valid TOML: expected '=' after a key in a key/value pair"]),
        ('a = "\\d"', [("c.toml:1: the file is not valid TOML at column 8: unescaped '\\' in a string "
                       "(double it, or write the text in single quotes)")]),
        ("a = " + "9" * 5000, ["c.toml: holds a number of thousands of digits"]),
        ("a = " + "[" * 5000, ["c.toml: is nested more than 32 levels deep"]),
        ("a = " + "[" * 40 + "]" * 40, ["c.toml: is nested more than 32 levels deep"]),
        (".".join("a" * 3000) + " = 1", ["c.toml: is nested more than 32 levels deep"]),
    ],
)  # fmt: skip
def test_names_every_syntax_error(text: str, expected: list[str]) -> None:
    """Each invalid line is reported with its place; if further messages could mislead, only the first is."""
    assert errors(text) == expected


def test_of_very_many_syntax_errors_the_first_are_named() -> None:
    """Each error needs another parse of the file: of a long file only ten errors are reported, with a note."""
    expected = errors("".join(f"a{number} = x\n" for number in range(20)) + "# comment\n" * 100_000)
    assert [one.split(": ")[0] for one in expected] == [*(f"c.toml:{line}" for line in range(1, 11)), "c.toml"]
    assert expected[-1] == "c.toml: has more syntax errors than are shown here"


def test_reads_on_around_a_bad_line() -> None:
    """A value that cannot be read is left out and marked as broken, in arrays of tables too; the rest is kept."""
    document = parsed("[t]\na = x\nb = 1\n[[u]]\nc = y\nv = [{d = 1}]\n")
    assert document.values == {"t": {"b": 1}, "u": [{"v": [{"d": 1}]}]}
    assert document.broken == (("t", "a"), ("u", 0, "c"))


def test_what_stands_under_a_second_heading_is_left_out() -> None:
    """A table that is declared twice keeps the content of its first heading."""
    assert parsed("[t]\na = 1\n[t]\nb = 2\n").values == {"t": {"a": 1}}


def test_a_mark_of_bytes_and_line_ends_of_windows_are_fine(tmp_path: Path) -> None:
    """A file with a byte order mark and CRLF is read, with the correct lines."""
    file = tmp_path / "c.toml"
    file.write_bytes(b'\xef\xbb\xbfa = 1\r\nb = "x"\r\n')
    document = read(file)
    assert (document.values, document.line(("b",))) == ({"a": 1, "b": "x"}, 2)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ": cannot be read: no such file or directory"),
        (b"a = 1\nb = '\xff'\n", ":2: is not UTF-8 (save it as UTF-8)"),
        (b" " * (LARGEST + 1), ": is larger than 16 MiB, the limit for a config"),
    ],
)
def test_a_file_that_is_none_is_a_mistake(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """A missing, binary or huge file is refused in one line."""
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert str(caught.value) == f"{file}{expected}"


def test_a_directory_is_a_mistake(tmp_path: Path) -> None:
    """A directory in place of a file is refused in one line."""
    with pytest.raises(ConfigError, match=r"cannot be read: is a directory$"):
        read(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_a_mistake(tmp_path: Path) -> None:
    """A file without permission is refused in one line."""
    file = tmp_path / "c.toml"
    file.touch(0o000)
    with pytest.raises(ConfigError, match=r"cannot be read: permission denied$"):
        read(file)


def test_a_name_that_no_file_can_have_is_a_mistake() -> None:
    """A path with a zero byte is refused in one line."""
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        read(Path("a\0b"))


def test_a_long_name_is_cut() -> None:
    """A message is readable, whatever the file contains."""
    document = Document("f", Path(), {"targets": [{"name": "n" * 5000}]})
    assert len(str(document.mistake(("targets", 0, "name"), "is not a valid name"))) < 150


def test_names_the_target_as_it_is_written() -> None:
    """A mistake in a target has the target's name as in the file, before substitution."""
    document = parsed('[[targets]]\nname = "${N}"\nurl = 1\n')
    assert document.mistake(("targets", 0, "url"), "x").target == '"${N}"'


_KEYS = st.sampled_from(["a", "b", '"c d"', "a.b", "'e'", "t"])
_VALUES = st.sampled_from(
    ["1", '"x"', "[1, {b = 2}]", "{a = 1, c.d = [2]}", "60s", "[", "'''\nx\n'''", "2030-01-01", "{", '"\\q"']
)
_LINES = st.one_of(
    st.builds("{} = {}".format, _KEYS, _VALUES),
    st.builds("[{}]".format, _KEYS),
    st.builds("[[{}]]".format, _KEYS),
    st.text(max_size=10),
)


@given(st.lists(_LINES, max_size=12).map("\n".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but ConfigError, and every key that is read has a line."""
    if not errors(text):
        document = parsed(text)
        assert all(document.line((key,)) for key in document.values)
