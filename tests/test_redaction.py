"""The server's words, made safe: no secret, no control character, no more than the limit."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.redaction import REDACTED, ascii_only, redacted, visible, words

SECRET = "canary-9f3b-4c1d"

REDACTIONS = {
    "as it is": ("wrong key canary-9f3b-4c1d.", "wrong key [redacted]."),
    "twice": ("canary-9f3b-4c1dcanary-9f3b-4c1d", "[redacted][redacted]"),
    "another case is another word": ("CANARY-9F3B-4C1D", "CANARY-9F3B-4C1D"),
    "too short to be one": ("the key abc", "the key abc"),
    "a bearer token": ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
    "a bearer token in capitals": ("BEARER  abcdef", "BEARER  [redacted]"),
    "a bearer that is no token": ("a bearer of news", "a bearer of news"),
    "a key of OpenAI": ("Incorrect API key provided: sk-proj-1234567890.", "Incorrect API key provided: [redacted]."),
    "a key of Groq": ("gsk_12345678", "[redacted]"),
    "a key of Hugging Face": ("hf_abcdefgh", "[redacted]"),
    "no key": ("the risk-assessment of task_12345678", "the risk-assessment of task_12345678"),
    "too short for a key": ("sk-1234567", "sk-1234567"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "safe"), REDACTIONS.values(), ids=REDACTIONS.keys())
def test_secrets_are_taken_out(text: str, safe: str) -> None:
    """Known secrets and what looks like a key are replaced, and nothing else is."""
    assert redacted(text, [SECRET, "abc", ""]) == safe


def test_the_longest_secret_is_taken_first() -> None:
    """A secret inside another one leaves no remains of it."""
    assert redacted("user:password-long", ["password", "password-long"]) == "user:[redacted]"


VISIBLE = {
    "plain": ("plain text, 100 %", "plain text, 100 %"),
    "other letters": ("知识库 für été", "知识库 für été"),
    "escape": ("\x1b[31mred", "\\x1b[31mred"),
    "an operating system command": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "line ends and tabs": ("a\r\n\tb", "a\\x0d\\x0a\\x09b"),
    "NUL and DEL": ("\0\x7f", "\\x00\\x7f"),
    "a C1 control": ("\x9b", "\\x9b"),
    "bidi marks": ("\u202eevil\u2066", "\\u202eevil\\u2066"),
    "zero width": ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
    "other spaces": ("a\u00a0b\u2028c", "a\\xa0b\\u2028c"),
    "a lone surrogate": ("\ud800", "\\ud800"),
    "beyond the basic plane": ("\U000e0001\U0001f600", "\\U000e0001\U0001f600"),
    "markup is for the page to escape": ("<script>", "<script>"),
}


@pytest.mark.parametrize(("text", "safe"), VISIBLE.values(), ids=VISIBLE.keys())
def test_what_cannot_be_seen_is_escaped(text: str, safe: str) -> None:
    """Control, format, bidi and surrogate characters become escapes; what can be read stays."""
    assert visible(text) == safe


LIMITED = {
    "short": ("abc", 5, "abc"),
    "exactly": ("abcde", 5, "abcde"),
    "too long": ("abcdef", 5, "abcd…"),
    "escapes count": ("\n\n", 5, "\\x0a…"),
}


@pytest.mark.parametrize(("text", "limit", "safe"), LIMITED.values(), ids=LIMITED.keys())
def test_words_are_cut_to_length(text: str, limit: int, safe: str) -> None:
    """What is kept is never longer than the limit, and says where it was cut."""
    assert words(text, (), limit) == safe


@pytest.mark.parametrize("cut", range(1, 16))
def test_no_half_of_a_secret_is_left(cut: int) -> None:
    """Where the text is too long to be searched whole, the cut leaves no beginning of a secret behind."""
    long = SECRET * 100
    kept = words("." * (200 - cut) + long, [SECRET], 10)
    assert kept == ".........…"
    assert words(SECRET * 12 + SECRET, [SECRET], 10) == "[redacted…"


def test_a_long_secret_is_not_shown_by_its_own_redaction() -> None:
    """A long secret said again and again shrinks to little, and what the cut left of the last one is not shown."""
    secret = "0123456789abcdef" * 60
    assert words(f"echo {secret * 8}", [secret], 300) == f"echo {REDACTED * 6}"


@given(st.text(alphabet=st.characters(), max_size=400), st.integers(10, 40))
@settings(max_examples=100, deadline=None)
def test_any_text_is_made_safe(text: str, limit: int) -> None:
    """No text leaves a secret or a control character behind, nor grows beyond the limit."""
    safe = words(f"{text}{SECRET}{text}", (each for each in [SECRET]), limit)
    assert len(safe) <= limit
    assert SECRET not in safe
    assert all(character == " " or unicodedata.category(character)[0] not in "CZ" for character in safe)


@given(st.dictionaries(st.text(), st.text()))
@settings(max_examples=200, deadline=None)
def test_json_is_printable_ascii(value: dict[str, str]) -> None:
    """For any text at all the document is ASCII from space to tilde, and says the same."""
    text = ascii_only(json.dumps(value, ensure_ascii=False).encode())
    assert all(0x20 <= byte <= 0x7E for byte in text)
    assert json.loads(text) == value
