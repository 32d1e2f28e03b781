"""The hook of mkdocs.yml: pages and files outside docs/ that the pages link to become part of the site."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import join, normpath, relpath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
TOP = {path.name: path for path in ROOT.glob("*.md")}
"""Pages of the repository's top level, which the site has at its own top."""

_LINK = re.compile(r"(\]\(|<img src=\")([^)#\"\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the top level's pages, and every file outside docs/ that a page links to, by its path in the repository."""
    pages = [ROOT / "docs" / file.src_uri for file in files.documentation_pages()] + list(TOP.values())
    outside = {found for page in pages for found in _outside(page)}
    for uri in sorted(outside | set(TOP)):
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / uri)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links that are right in the repository to what they are in the site, in which docs/ is the top."""
    del config, files
    source = page.file.src_uri if page.file.src_uri in TOP else f"docs/{page.file.src_uri}"

    def moved(found: re.Match[str]) -> str:
        target = _in_repository(source, found[2])
        if target is None:
            return found[0]
        return found[1] + relpath(target.removeprefix("docs/"), page.file.src_uri.rpartition("/")[0] or ".")

    return _LINK.sub(moved, markdown)


def _outside(page: Path) -> set[str]:
    """Return the files outside docs/ that a page links to, by their paths in the repository."""
    source = str(page.relative_to(ROOT))
    found = (_in_repository(source, link) for _, link in _LINK.findall(page.read_text(encoding="utf-8")))
    return {path for path in found if path and not path.startswith("docs/") and (ROOT / path).is_file()}


def _in_repository(source: str, link: str) -> str | None:
    """Return what a page's link names, as a path in the repository; none if it leads out of it."""
    if ":" in link or link.startswith("/"):
        return None
    return normpath(join(source.rpartition("/")[0], link))
