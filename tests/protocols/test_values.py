"""JSON as servers send it: read as the standard library reads it, and as leniently as the vendors' own clients do."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.protocols.values import as_arguments, as_count, as_list, as_object, as_text, as_word, load

_TEXTS = st.lists(
    st.sampled_from(
        [*'{}[]",:\\/ \t\n\r\x00\x1f\ufeff', *"tfn019eE+-.", r"\ud83d", r"\ude00", r"\u0041", r"\uD800", "é", "😀"]
    )
    | st.sampled_from(
        ["true", "null", "NaN", "-Infinity", "1e400", "-0", "18446744073709551616", '{"a": ', '"a": ', "[["]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=400)
@given(_TEXTS | _TEXTS.map(lambda inner: f'{{"a": "{inner}"}}') | _TEXTS.map(lambda inner: f'{{"a": {inner}}}'))
def test_json_is_what_the_standard_library_reads(text: str) -> None:
    """An object is read as `json` reads it, other JSON as an empty one, and what `json` refuses is refused."""
    try:
        expected: object = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - any of them will do
            load(text)
    else:
        assert repr(load(text)) == repr(expected if isinstance(expected, dict) else {})


LOADS = {
    "no JSON": ("the cat", ValueError),
    "half of it": ('{"a":', ValueError),
    "nothing": ("", ValueError),
    "two values": ("{}{}", ValueError),
    "nested too deeply": ("[" * 200_000, ValueError),
    "a control character in a string": ('{"a": "\0"}', ValueError),
}


@pytest.mark.parametrize(("text", "error"), LOADS.values(), ids=LOADS.keys())
def test_what_is_no_object(text: str, error: type[Exception]) -> None:
    """Text that is not JSON raises what the decoder takes for malformed."""
    with pytest.raises(error):
        load(text)


@given(st.text(max_size=50) | st.lists(st.sampled_from('{}[]":,a1\\ '), max_size=30).map("".join))
@settings(max_examples=100, deadline=None)
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever the text, it is an object, or no object."""
    with contextlib.suppress(ValueError, TypeError):
        assert isinstance(load(text), dict)


def test_values_are_what_they_seem() -> None:
    """Containers are of one type, and null is an empty one; counts are whole numbers, in whatever type."""
    assert (as_object({}), as_object(None), as_list([]), as_list(None)) == ({}, {}, [], [])
    assert [as_count(it) for it in (0, 7, -1, True, 1.0, "1", "x", "9" * 19, None)] == [
        0, 7, None, None, 1, 1, None, None, None,
    ]  # fmt: skip
    assert [as_count(it) for it in (1.5, float("inf"), float("nan"), 10**300)] == [None, None, None, 10**300]
    for take, value in ((as_object, []), (as_list, {})):
        with pytest.raises(TypeError):
            take(value)


def test_integers_of_any_length_are_read() -> None:
    """Integers of any length are read; a count above Python's limit of 4,300 digits is ignored."""
    value = load('{"a": ' + "1" * 5000 + ', "b": -1' + "0" * 400 + "}")
    assert (as_count(value["a"]), as_count(value["b"])) == (None, None)


TEXTS: dict[str, tuple[object, str]] = {
    "a text": ("a", "a"), "null": (None, ""), "a number": (6, "6"), "a fraction": (1.5, "1.5"), "true": (True, ""),
    "an object": ({"type": "text", "text": "a"}, "a"), "an object without a text": ({"data": "x"}, ""),
    "a list": (["a", {"text": "b"}, None, 7], "ab7"), "an object in an object": ({"text": {"text": "a"}}, "a"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_texts(value: object, text: str) -> None:
    """A number is its text, an object its `text`, a list the texts of its items, anything else has none."""
    assert as_text(value) == text


def test_texts_nested_without_end_are_none() -> None:
    """Only so deep is a text looked for."""
    value: object = "a"
    for _ in range(900):
        value = [value]
    assert as_text(value) == ""


def test_arguments_may_be_an_object() -> None:
    """Arguments of a tool call are text, or the object itself."""
    assert [*map(as_arguments, ("{", {"a": 1}, [1], {}, None))] == ["{", '{"a":1}', "[1]", "", ""]


def test_words() -> None:
    """A word is a text or a number; what Python's None was made of is none."""
    assert [*map(as_word, ("a", " a ", 5, 1.5, "", "None", "null", None, True, [], {}))] == [
        "a", "a", "5", "1.5", *[None] * 7,
    ]  # fmt: skip
