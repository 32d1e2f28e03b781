"""The server's words, made safe: no secret, no control character, no more than the limit."""

from __future__ import annotations

import json
import re
import string
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.redaction import REDACTED, Redactor, last_words, newest, redacted, visible, words
from tests.encodings import DUMPS, ENCODED, FORMS

SECRET = "canary-9f3b-4c1d"

REDACTIONS = {
    "as it is": ("wrong key canary-9f3b-4c1d.", "wrong key [redacted]."),
    "twice": ("canary-9f3b-4c1dcanary-9f3b-4c1d", "[redacted][redacted]"),
    "in another case": ("CANARY-9F3B-4C1D", "[redacted]"),
    "too short to be one": ("the key abc", "the key abc"),
    "a bearer token": ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
    "a bearer token in capitals": ("BEARER  abcdef", "BEARER  [redacted]"),
    "a bearer that is no token": ("a bearer of news", "a bearer of news"),
    "a key of OpenAI": ("Incorrect API key provided: sk-proj-1234567890.", "Incorrect API key provided: [redacted]."),
    "a key of Groq": ("gsk_12345678", "[redacted]"),
    "a key of Hugging Face": ("hf_abcdefgh", "[redacted]"),
    "a password of HTTP's Basic scheme": ("Basic dXNlcjpwYXNzd29yZA== it was", "Basic [redacted] it was"),
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
def test_invisible_characters_are_escaped(text: str, safe: str) -> None:
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
    """The kept text is never longer than the limit, and shows that it was cut."""
    assert words(text, Redactor(()), limit) == safe


@pytest.mark.parametrize("cut", range(1, 16))
def test_no_half_of_a_secret_is_left(cut: int) -> None:
    """If the text is too long to be searched as a whole, the cut leaves no part of a secret."""
    long = SECRET * 100
    kept = words("." * (200 - cut) + long, Redactor([SECRET]), 10)
    assert kept == ".........…"
    assert words(SECRET * 12 + SECRET, Redactor([SECRET]), 10) == "[redacted…"


def test_a_long_secret_is_not_shown_by_its_own_redaction() -> None:
    """If redaction of repeated long secrets shortens a text, no part of the last one is shown."""
    secret = "0123456789abcdef" * 60
    assert words(f"echo {secret * 8}", Redactor([secret]), 300) == f"echo {REDACTED * 7}"


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_window_is_redacted_before_it_is_cut(cut: int) -> None:
    """A window that begins inside a secret, in whatever form, keeps nothing of it."""
    safe = Redactor([SECRET])
    for form in (SECRET, quote(quote(SECRET, safe="")), b64encode(f"user:{SECRET}".encode()).decode()):
        kept = last_words("before " + form + "." * 50, safe, 50 + min(cut, len(form)))
        assert kept == REDACTED + "." * 50


def test_parts_of_one_text() -> None:
    """Of a text that is divided into parts, each part that has some of a secret says so, and has nothing of it."""
    text = f"ab {SECRET} cd {SECRET}{SECRET}"
    places = [(0, 3), (3, 8), (8, 20), (20, 23), (23, 37), (37, 41), (41, len(text)), (len(text), len(text))]
    parts = Redactor([SECRET]).parts(text, places)
    assert parts == ["ab ", REDACTED, f"{REDACTED} ", "cd ", REDACTED, f"{REDACTED}{REDACTED}", REDACTED, ""]
    assert parts == [Redactor([SECRET]).between(text, start, end) for start, end in places]


ODD = 'p@ss/w&rd "\u00e4\u20ac\U0001f511+1#%'
HARD = "Canary-9f3b-4c1d/+x"


@pytest.mark.parametrize("secret", [HARD, ODD, "seventeen", "äöüé"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form(secret: str, form: Callable[[str], str]) -> None:
    """A secret is redacted in each of its encodings, and the text around it stays."""
    assert Redactor([secret])(f"<< {form(secret)} >>") == f"<< {REDACTED} >>"


@pytest.mark.parametrize("secret", [HARD, "seventeen"])
@pytest.mark.parametrize("form", ENCODED.values(), ids=ENCODED.keys())
def test_every_form_of_bytes(secret: str, form: Callable[[bytes], str]) -> None:
    """So it is if its bytes are encoded as numbers or in base64, once or twice, each time that the text has it."""
    text = form(secret.encode())
    assert Redactor([secret])(f"<< {text} >> {{ {text} }}") == f"<< {REDACTED} >> {{ {REDACTED} }}"


@pytest.mark.parametrize("before", range(20))
@pytest.mark.parametrize("secret", [HARD, "face:0123456789abcdef0:cafe"])
@pytest.mark.parametrize("dump", DUMPS.values(), ids=DUMPS.keys())
def test_a_dump_in_lines(dump: Callable[[bytes], str], secret: str, before: int) -> None:
    """A hexadecimal dump is redacted wherever its lines divide the secret, with all that is in the lines."""
    text = dump(b"Authorization: Bearer "[:before] + secret.encode() + b" and so on")
    for form in (text, json.dumps(text).strip('"'), b64encode(text.encode()).decode()):
        kept = Redactor([secret])(f"<< {form}\n >>")
        assert re.fullmatch(r"<<[\s\\t0x]*\[redacted\]\s*>>", kept)


def test_what_only_looks_encoded() -> None:
    """Escapes that decode to nothing, and texts with no secret in them, stay as they are."""
    text = "50 % of &unknown; \\uD800 %C3 \\x \\ud83d &#xFFFFFF; \\u{FFFFFF} \\U00FFFFFF 10, 20, 30, 4000 QUJDREVGR0hJ"
    assert Redactor([HARD])(text) == text
    assert Redactor([HARD])(f"{text} {quote(HARD)}") == f"{text} {REDACTED}"


def test_a_letter_that_grows_in_lower_case() -> None:
    """Positions are correct if a letter has more characters in lower case."""
    assert Redactor([HARD])(f"\u0130{HARD}\u0130") == f"\u0130{REDACTED}\u0130"


def test_how_far_a_secret_reaches() -> None:
    """The margin covers the longest form of the longest secret, up to a bound."""
    assert Redactor(["abcd", "abcdef"]).margin == 96
    assert Redactor(["x" * 1_000_000]).margin == 65536
    assert Redactor(["abc"]).margin == 0


@given(st.text(alphabet=st.characters(), max_size=400), st.integers(10, 40))
@settings(max_examples=100, deadline=None)
def test_any_text_is_made_safe(text: str, limit: int) -> None:
    """The result never contains a secret or a control character, and never exceeds the limit."""
    safe = words(f"{text}{SECRET}{text}", Redactor([SECRET]), limit)
    assert len(safe) <= limit
    assert SECRET not in safe
    assert all(character == " " or unicodedata.category(character)[0] not in "CZ" for character in safe)


def test_rotated_secrets_are_found_for_a_while() -> None:
    """A token that is another one at each refresh makes no search of years: the newest fifty are found."""
    known: tuple[str, ...] = ()
    for number in range(60):
        known = newest(known, f"token-{number}")
    known = newest(known, "token-30")
    assert (len(known), known[-1], known[0]) == (50, "token-30", "token-10")


class Looked(frozenset[str]):
    """The characters of base64, and how often one was asked for."""

    times = 0

    def __contains__(self, character: object) -> bool:
        Looked.times += 1
        return super().__contains__(character)


@pytest.mark.parametrize("secret", [SECRET, "abcd"])
def test_a_run_of_base64_is_looked_at_once(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """A server that says a secret in base64 thousands of times, in one run, held the event loop for 11 s."""
    monkeypatch.setattr("monitor.redaction._BASE64", Looked(string.ascii_letters + string.digits + "+/_=-"))
    text = b64encode(secret.encode() * 3).decode() * 300
    redactor = Redactor([secret])
    Looked.times = 0
    assert last_words(f"a {text} b", redactor, len(text) + 4) == "a [redacted] b"
    assert Looked.times < 20 * len(text)
