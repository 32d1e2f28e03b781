"""What `--version` says of a build, of a checkout, and of neither."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from monitor import __version__
from monitor.cli.version import described


def test_a_build_says_the_commit_that_it_was_made_from(tmp_path: Path) -> None:
    """A build has the commit of the file that the build hook wrote."""
    (tmp_path / "commit.txt").write_text("abc123-dirty\n")
    assert described(tmp_path) == f"{__version__} (abc123-dirty)"


def test_a_checkout_says_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By git; without git, or without a commit yet, the version stands alone."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert described(tmp_path / "monitor") == __version__
    author = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    subprocess.run(["git", "-C", tmp_path, *author, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    assert described(tmp_path / "monitor").startswith(f"{__version__} (")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert described(tmp_path / "monitor") == __version__


def test_files_of_unknown_origin_say_the_version_alone(tmp_path: Path) -> None:
    """No build, no repository."""
    assert described(tmp_path / "monitor") == __version__
