"""The output of `--version`: the version and the commit that it was built from."""

from __future__ import annotations

import subprocess
from pathlib import Path

from monitor import __version__

PACKAGE = Path(__file__).parents[1]


def described(package: Path = PACKAGE) -> str:
    """Return the version and, if known, the commit of the build or of the checkout."""
    commit = _built(package / "commit.txt") or _checked_out(package.parent)
    return f"{__version__} ({commit})" if commit else __version__


def _built(file: Path) -> str:
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def _checked_out(root: Path) -> str:
    if not (root / ".git").exists():
        return ""
    command = ("git", "-C", str(root), "rev-parse", "--short=12", "HEAD")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - fixed
    except OSError:
        return ""
