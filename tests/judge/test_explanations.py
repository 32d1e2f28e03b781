"""The explanations of verdicts: every pair has one, and the docs have the same."""

from __future__ import annotations

import string

import pytest

from monitor.judge.explanations import MEANINGS, Explanation
from monitor.judge.verdict import CAUSES
from tools.outcomes_page import NAMES

PAIRS = [(outcome, cause) for outcome, causes in CAUSES.items() for cause in causes or (None,)]


def test_every_pair_has_a_meaning() -> None:
    """No outcome and cause is without words, and no words are without them."""
    assert set(MEANINGS) == {(outcome.value, cause) for outcome, cause in PAIRS}


@pytest.mark.parametrize("meaning", MEANINGS.values(), ids=[f"{outcome} {cause}" for outcome, cause in MEANINGS])
def test_a_meaning_is_whole(meaning: Explanation) -> None:
    """Each explanation has one line for what happened, whose fault it is and what to do."""
    assert all(words and "\n" not in words and "|" not in words for words in meaning)
    assert not any(words.endswith(".") for words in meaning)
    assert {name for _, name, _, _ in string.Formatter().parse(meaning.detail) if name} <= NAMES.keys()
    assert all("{" not in words for words in (meaning.whose, meaning.do))
