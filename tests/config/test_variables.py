"""`${VAR}` in texts."""

from __future__ import annotations

import pytest

from monitor.config.mistake import KeyPath
from monitor.config.variables import Filling

ENVIRON = {"KEY": "s3cret", "EMPTY": "", "BAD": "a\udcff", "BRACE": "${KEY}", "ACCENT": "é"}


def filled(value: object) -> tuple[object, list[tuple[KeyPath, str, str]], list[KeyPath]]:
    """Fill in the variables of a value, and return the messages."""
    messages: list[tuple[KeyPath, str, str]] = []
    filling = Filling(ENVIRON, lambda *one: messages.append(one))
    return filling.fill(value), messages, filling.failed


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Bearer ${KEY}", "Bearer s3cret"), ("${KEY}${KEY}", "s3crets3cret"), ("${EMPTY}", ""), ("$${KEY}", "${KEY}"),
        ("${KEY:-x}", "s3cret"), ("${NOPE:-x y}!", "x y!"), ("${EMPTY:-x}", "x"), ("${NOPE:-}", ""),
        ("${NOPE:-a:-b}", "a:-b"),
        ("$KEY", "$KEY"), ("^a$", "^a$"), ("$$", "$$"), ("${BRACE}", "${KEY}"), ("${ACCENT}", "é"), ("", ""),
    ],
)  # fmt: skip
def test_variables_are_filled_in(text: str, result: str) -> None:
    """Only `${NAME}` is replaced, once, and `$${` becomes `${`."""
    assert filled(text) == (result, [], [])


def test_everything_is_filled_but_keys_and_numbers() -> None:
    """Texts in tables and arrays are filled in; keys and other values are unchanged."""
    value = {"${KEY}": ["${KEY}", 1, {"a": "${KEY}"}], "b": True}
    assert filled(value)[0] == {"${KEY}": ["s3cret", 1, {"a": "s3cret"}], "b": True}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("${NOPE}", "the variable NOPE is not set", "set it, or write ${NOPE:-DEFAULT}"),
        ("${KEYS}", "the variable KEYS is not set", "did you mean ${KEY}?"),
        ("${}", "contains a ${ without a variable name", "write ${NAME}, or $${ for the text ${"),
        ("${a b}", "contains a ${ without a variable name", "write ${NAME}, or $${ for the text ${"),
        ("${:-x}", "contains a ${ without a variable name", "write ${NAME}, or $${ for the text ${"),
        ("${NOPE:-${KEY}}", "contains a variable in a default", "name one"),
        ("${KEY", "contains a ${ without a variable name", "write ${NAME}, or $${ for the text ${"),
        ("${BAD}", "the variable BAD is not UTF-8", ""),
    ],
)
def test_what_cannot_be_filled_is_reported(text: str, message: str, hint: str) -> None:
    """An unset variable, an invalid name, or a value that is not text, is a mistake with its path."""
    _, messages, failed = filled({"a": [text]})
    assert messages == [(("a", 0), message, hint)]
    assert failed == [("a", 0)]


def test_each_of_two_unset_variables_is_reported() -> None:
    """Two unset variables in one text are two mistakes of one key."""
    _, messages, failed = filled({"a": "${X1}${Y1}"})
    assert [message for _, message, _ in messages] == ["the variable X1 is not set", "the variable Y1 is not set"]
    assert failed == [("a",)]
