"""Tests of HTML that cannot be broken out of."""

from __future__ import annotations

import pytest

from monitor.web.markup import Markup, h, join, safe, visible
from tests.web.scenes import CANARY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\r\x00", "a\\nb\\tc\\r\\x00"),
        ("\x85\x9b", "\\x85\\x9b"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\u200b\u200d\ufeff\u2028", "\\u200b\\u200d\\ufeff\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\ufffd é 日本 \U0001f600", "\ufffd é 日本 \U0001f600"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text: str, shown: str) -> None:
    """Control, bidi and other invisible characters stand as escapes, all others as themselves."""
    assert visible(text) == shown
    assert safe(text).encode()


def test_a_hostile_text_stays_text() -> None:
    """Neither between tags nor in an attribute does a text become markup or reach the page raw."""
    made = h("p", CANARY, title=f'" onclick="x{CANARY}')
    assert "<script" not in made
    assert '" onclick' not in made
    assert not set("\x1b\u202e\u2066") & set(made)


def test_markup_is_not_escaped_twice() -> None:
    """An element inside another stays an element."""
    assert h("p", h("b", "a<b"), " & ", None, "c") == "<p><b>a&lt;b</b> &amp; c</p>"
    assert isinstance(join(), Markup)


def test_attributes() -> None:
    """A trailing underscore is dropped, others become hyphens; None and False leave out; True has no value."""
    made = h("meta", class_="a b", http_equiv="x", name="n", width=3, hidden=True, open=False, id=None)
    assert made == '<meta class="a b" http-equiv="x" name="n" width="3" hidden>'
