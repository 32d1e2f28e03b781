"""Tests of what every page has in common."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256

from monitor.web.pages import frame
from monitor.web.tones import Tone
from tests.web import scenes
from tests.web.document import Document

ABOUT = frame.About(now=scenes.NOW, started=scenes.STARTED, version="0.1.0", location="eu-1")


def test_the_policy_allows_the_stylesheet_that_is_sent_and_nothing_else() -> None:
    """The hash of the inline style is the one that the policy names; no script, frame or other origin is."""
    page = frame.page("t", ABOUT)
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert f"'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'" in frame.CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in frame.CONTENT_SECURITY_POLICY
    assert "unsafe" not in frame.CONTENT_SECURITY_POLICY


def test_a_page_says_what_it_is_of() -> None:
    """Version, place, age and time stand on every page; the refresh only where one is asked for."""
    document = Document(frame.page("t", ABOUT, refresh=5))
    assert "chat-monitor 0.1.0up 5 has of 2026-11-22 22:10:00 UTCrefreshes every 5 s" in document.text
    assert "eu-1" in document.text
    bare = frame.page("t", replace(ABOUT, location=""))
    assert "http-equiv" not in bare
    assert "eu-1" not in bare


def test_a_monitor_that_is_not_ready_says_so() -> None:
    """While it starts or drains, a page says so."""
    assert "starting or draining" in frame.page("t", replace(ABOUT, ready=False))
    assert "starting or draining" not in frame.page("t", ABOUT)


def test_the_icon_has_the_colour_of_the_news() -> None:
    """A tab in the background tells good from bad by its icon."""
    icons = {frame.page("t", ABOUT, news=news) for news in (Tone.GOOD, Tone.CUT, Tone.NONE)}
    assert len(icons) == 3


def test_links_hold_any_name() -> None:
    """A name with slashes, spaces, quotes or other scripts is one segment of a path."""
    assert frame.target_link('a/b "c" é') == "/targets/a%2Fb%20%22c%22%20%C3%A9"
    assert frame.probe_link("01J", "/api/v1") == "/api/v1/probes/01J"


def test_facts_without_a_value_are_left_out() -> None:
    """A word without its value is no fact."""
    assert frame.facts(("a", "1"), ("b", None), ("c", "")) == (
        '<dl class="facts"><div><dt>a</dt><dd>1</dd></div></dl>'
    )  # fmt: skip


def test_a_refusal_is_escaped() -> None:
    """A refusal's text, too, is no markup."""
    document = Document(frame.refusal("Refused", scenes.CANARY, ABOUT))
    assert "<script>alert('canary')</script>\\x1b[31m\\u202ereversed\\u2066" in document.text
