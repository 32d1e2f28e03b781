"""The benchmark of the pages: docs/performance.md shows the figures that it measured."""

from __future__ import annotations

import json

from benchmarks.pages import filled, markdown
from benchmarks.run import ROOT


def test_the_docs_page_has_the_figures_that_are_kept() -> None:
    """The page has the figures of benchmarks/pages.json."""
    page = (ROOT / "docs" / "performance.md").read_text()
    figures = json.loads((ROOT / "benchmarks" / "pages.json").read_text())
    assert filled(page, markdown(figures)) == page
