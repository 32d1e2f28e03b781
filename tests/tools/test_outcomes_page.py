"""The page of outcomes agrees with the verdict table."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.judge.verdict import CAUSES, TRUNCATED, UNREADABLE, Outcome
from tools.outcomes_page import FILE, counts_as, main, page

PAIRS = [(outcome, cause) for outcome, causes in CAUSES.items() for cause in causes or (None,)]


def test_the_docs_agree() -> None:
    """`docs/outcomes.md` is what `make docs` makes of the code."""
    assert FILE.read_text(encoding="utf-8") == page()


def test_the_docs_name_every_pair() -> None:
    """Each outcome has its table, each cause its row, and each row of the verdict its place in the order."""
    text = page()
    assert all(f"\n## `{outcome}`\n" in text for outcome in Outcome)
    assert all(f"\n| `{cause}` | " in text for _, cause in PAIRS if cause)
    assert all(f". `{outcome}/{cause}`\n" in text if cause else f". `{outcome}`\n" in text for outcome, cause in PAIRS)
    assert "{" not in text


def test_the_docs_count_as_the_verdict_does() -> None:
    """Exactly the pairs that count as truncated are marked as such."""
    counted = {(outcome, cause): counts_as(outcome, cause) for outcome, cause in PAIRS}
    assert {pair for pair, words in counted.items() if words == "accepted, truncated"} == TRUNCATED
    assert {pair[0] for pair, words in counted.items() if words == "not counted"} == {
        Outcome.ABORTED,
        Outcome.INCONCLUSIVE,
    }
    assert all(counted[pair] == "not accepted" for pair in UNREADABLE)
    assert counted[Outcome.OK, None] == counted[Outcome.BAD_RESPONSE, "too_large"] == "accepted"
    assert counted[Outcome.HTTP_ERROR, "server"] == counted[Outcome.TIMEOUT, "headers"] == "not accepted"


def test_the_page_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--write` no file changes."""
    file = tmp_path / "outcomes.md"
    assert main([], file) == 0
    assert capsys.readouterr().out == page()
    assert not file.exists()
    assert main(["--write"], file) == 0
    assert file.read_text(encoding="utf-8") == page()
