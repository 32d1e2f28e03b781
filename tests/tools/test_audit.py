"""The audit of dependencies: what pip-audit wrote in words, and the dated list for when no source can be reached."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tools import audit

ROOT = Path(__file__).parents[2]
CLEAN = {"name": "yarl", "version": "1.0", "vulns": []}
BAD = {
    "name": "aiohttp",
    "version": "3.14.1",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.14.4"]}, {"id": "X", "fix_versions": []}],
}
UNKNOWN = {"name": "private", "skip_reason": "not found"}


def written(*packages: object) -> str:
    """Return what pip-audit writes of these."""
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("output", "status", "text"),
    [
        (written(CLEAN), 0, "1 packages, no known advisory"),
        (written(CLEAN, UNKNOWN), 0, "1 packages, no known advisory\nprivate: not known to the source"),
        (
            written(CLEAN, BAD),
            1,
            "aiohttp 3.14.1: PYSEC-1, fixed in 3.14.4\naiohttp 3.14.1: X, fixed in no version yet",
        ),
    ],
)
def test_what_was_found_is_reported(output: str, status: int, text: str) -> None:
    """An advisory is a failure, and a package that the source does not know is named."""
    assert audit.result(output) == (status, text)


@pytest.mark.parametrize("output", ["", "Traceback", "{}", written(UNKNOWN), written()])
def test_without_a_source_it_is_skipped(output: str) -> None:
    """Without a source the audit is skipped, and the message names the list."""
    status, text = audit.result(output)
    assert (status, text.partition(";")[0]) == (0, "skipped: no source of advisories can be reached")


def test_it_runs_what_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is what was found, not what pip-audit ended with."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint({written(BAD)!r})\nsys.exit(9)\n")
    program.chmod(0o755)
    assert audit.main([str(program)]) == 1
    assert "PYSEC-1" in capsys.readouterr().out


def test_the_list_is_of_the_pinned_versions() -> None:
    """docs/dependencies.md has every pinned package with its version, and says when it was looked up."""
    text = (ROOT / "docs" / "dependencies.md").read_text()
    pins = re.findall(r"^([\w-]+)==(\S+)$", audit.PINNED.read_text(), re.MULTILINE)
    assert re.findall(r"^\| ([\w-]+) \| (\d\S*) \|", text, re.MULTILINE) == pins
    assert re.search(r"as of \d{4}-\d\d-\d\d", text)
