"""The text of a mistake."""

from __future__ import annotations

from datetime import date

import pytest

from monitor.config.mistake import ConfigError, Mistake, key_text, printable, written


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (Mistake("c.toml", 3, "log.level", "is wrong"), "c.toml:3: log.level: is wrong"),
        (Mistake("c.toml", 3, "log.level", "is wrong", "do x"), "c.toml:3: log.level: is wrong (do x)"),
        (Mistake("c.toml", None, "", "is a directory"), "c.toml: is a directory"),
        (Mistake("c.toml", 9, "targets[0].url", "bad", "", "a"), "c.toml:9: targets[0].url: bad [target a]"),
    ],
)
def test_prints_as_file_line_key_what_and_hint(mistake: Mistake, text: str) -> None:
    """A mistake is printed as `FILE:LINE: key.path: what is wrong (hint)`, without the parts that it lacks."""
    assert str(mistake) == text


def test_error_says_all_mistakes() -> None:
    """The text of the error has all mistakes, one per line."""
    error = ConfigError((Mistake("c", 1, "a", "x"), Mistake("c", 2, "b", "y")))
    assert str(error) == "c:1: a: x\nc:2: b: y"
    assert error.warnings == ()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("targets", 0, "timeouts", "idle"), "targets[0].timeouts.idle"),
        (("labels", "a b"), 'labels."a b"'),
        (("body", "x", 1, 2), "body.x[1][2]"),
        (("a\x1b[31m",), '"a\\x1b[31m"'),
    ],
)
def test_key_paths_read_as_in_the_file(path: tuple[str | int, ...], text: str) -> None:
    """A key path has dots and indexes, and quotes around keys that need them."""
    assert key_text(path) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", '"x"'), (True, "true"), (3, "3"), (0.5, "0.5"), ({}, "a table"), ([], "an array"),
        (date(2030, 1, 1), "a date or time"), ("a" * 100, '"' + "a" * 60 + '..."'), ("\x07\u202e", '"\\x07\\u202e"'),
    ],
)  # fmt: skip
def test_values_are_written_short_and_harmless(value: object, text: str) -> None:
    """A value is shown as in the file, shortened, and without control characters."""
    assert written(value) == text


def test_printable_can_be_longer() -> None:
    """The length of the shown text can be set."""
    assert printable("a" * 100, 200) == "a" * 100
