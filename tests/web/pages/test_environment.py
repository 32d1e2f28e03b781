"""Tests of the parts that all pages share."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256

import pytest
from jinja2 import UndefinedError

from monitor.web.pages import environment
from monitor.web.tones import Tone
from tests.web import samples
from tests.web.document import Document

ABOUT = environment.About(now=samples.NOW, started=samples.STARTED, version="0.1.0", location="eu-1")
VALUES = {"title": "t", "text": "x"}


def page(about: environment.About = ABOUT, *, news: Tone = Tone.NONE, **more: object) -> str:
    """Return a page of little content."""
    return environment.render("refusal.html", about, VALUES | more, news=news)


def test_the_policy_allows_our_style_and_script_and_nothing_else() -> None:
    """The hashes are of what is sent inline; no frame, no other origin, nothing unsafe is allowed."""
    policy = environment.CONTENT_SECURITY_POLICY
    for tag in ("style", "script"):
        found = re.search(f"<{tag}>(.*?)</{tag}>", page(), re.DOTALL)
        assert found is not None
        digest = b64encode(sha256(found[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_page_says_what_it_is_of() -> None:
    """Every page shows version, location, age and time; only a live page is updated, with and without a script."""
    document = Document(page(live=True))
    for text in ("chat-monitor 0.1.0", "up 5 h", "as of 2026-11-22 22:10:00 UTC", "eu-1"):
        assert text in document.text
    assert 'data-poll="5"' in page(live=True)
    assert "<noscript><meta" in page(live=True)
    bare = page(replace(ABOUT, location=""))
    assert "eu-1" not in bare
    assert "noscript" not in bare
    assert "data-poll=" not in bare


def test_a_monitor_that_is_not_ready_says_so() -> None:
    """While it starts or drains, a page says so."""
    assert "starting or draining" in page(replace(ABOUT, ready=False))
    assert "starting or draining" not in page()


def test_the_icon_has_the_colour_of_the_news() -> None:
    """A tab in the background tells good from bad by its icon."""
    assert len({page(news=news) for news in (Tone.GOOD, Tone.CUT, Tone.NONE)}) == 3


def test_every_link_begins_with_the_root() -> None:
    """So that it works under any prefix of a reverse proxy."""
    links = Document(page(replace(ABOUT, root="../../"))).links
    assert links
    assert all(link.startswith("../../") for link in links)


def test_text_stays_text() -> None:
    """Markup is escaped, and characters that cannot be seen are shown as escapes; code is escaped as well."""
    document = Document(environment.refusal("Refused", samples.CANARY, ABOUT))
    assert "<script>alert('canary')</script>\\x1b[31m\\u202ereversed\\u2066" in document.text
    assert environment.coded("see `<a>` & \x1b") == "see <code>&lt;a&gt;</code> &amp; \\x1b"


def test_nothing_is_undefined() -> None:
    """A missing value of a template is an error, not an empty text."""
    with pytest.raises(UndefinedError):
        environment.render("refusal.html", ABOUT, {"title": "t"})


def test_sentences_and_segments() -> None:
    """A detail becomes a sentence, nothing stays nothing, and any name is one segment of a path."""
    assert environment.sentence("peer left") == "Peer left."
    assert environment.sentence("") == ""
    assert environment.segment('a/b "c" é') == "a%2Fb%20%22c%22%20%C3%A9"
