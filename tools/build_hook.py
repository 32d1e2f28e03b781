"""The build hook of pyproject.toml: wheel and sdist carry the commit that they were made from, for `--version`."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "monitor/commit.txt"


class CommitHook(BuildHookInterface[Any]):
    """Adds `monitor/commit.txt` to what is built from a repository; an sdist brings it along."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the commit to a file outside the tree, and have it included."""
        root = Path(self.root)
        commit = commit_of(root)
        if version == "editable" or (root / FILE).exists() or not commit:
            return
        self._scratch = tempfile.TemporaryDirectory()
        file = Path(self._scratch.name) / "commit.txt"
        file.write_text(f"{commit}\n", encoding="ascii")
        build_data["force_include"][str(file)] = FILE


def commit_of(root: Path) -> str:
    """Return the short commit of a repository, with `-dirty` if files differ from it; empty outside of one."""
    if not (root / ".git").exists():
        return ""
    describe = ("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        found = subprocess.run(describe, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    except OSError:
        return ""
    return found.stdout.strip()
