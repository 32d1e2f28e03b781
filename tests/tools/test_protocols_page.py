"""The table of protocols in the docs is made from the registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.protocols import PROTOCOLS
from tools.protocols_page import FILE, main, page, row


def test_the_docs_agree() -> None:
    """`docs/protocols.md` is what `make docs` makes of the records."""
    text = FILE.read_text(encoding="utf-8")
    assert text == page(text)
    assert all(f"\n| `{name}` | " in text for name in PROTOCOLS)


def test_a_record_says_everything_that_its_row_shows() -> None:
    """Each protocol declares its paths and what makes it complete."""
    for protocol in PROTOCOLS.values():
        assert protocol.asked_at
        assert (protocol.complete_when == "nothing declares it") is not (protocol.end or protocol.marker)


def test_a_row_follows_its_record() -> None:
    """A row has what the protocol declares, the default terminator first."""
    made = row(replace(PROTOCOLS["openai-chat"], name="ours", marker=False, note="ours alone"))
    assert made.startswith("| `ours` | ")
    assert " | end, none | ours alone | " in made


def test_the_page_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--write` no file changes."""
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- begin: made by `make docs` -->\nold\n<!-- end -->\nafter\n")
    old = file.read_text()
    assert main([], file) == 0
    assert file.read_text() == old
    assert main(["--write"], file) == 0
    assert file.read_text() == capsys.readouterr().out != old
