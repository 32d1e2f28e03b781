"""The generator of docs/event.schema.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.event_schema import FILE, main, text


def test_the_docs_are_what_it_writes(tmp_path: Path) -> None:
    """`make docs` wrote what the declaration says now."""
    assert FILE.read_text() == text(), "run make docs"
    assert main(["--write"], tmp_path / "schema.json") == 0
    assert (tmp_path / "schema.json").read_text() == text()


def test_without_write_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --write the schema is printed."""
    assert main([]) == 0
    assert capsys.readouterr().out == text()
