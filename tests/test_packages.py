"""Wheel and sdist: what they contain, and that two builds are equal."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.build_hook import commit_of

ROOT = Path(__file__).parents[1]


def built(source: Path, into: Path, *what: str) -> dict[str, Path]:
    """Build distributions of a source tree, by their suffix."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", into, *what],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        capture_output=True,
        check=True,
    )
    return {file.suffix: file for file in into.iterdir()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone of the repository, with committed files only."""
    clone = tmp_path_factory.mktemp("packages") / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    return clone


@pytest.fixture(scope="module")
def distributions(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel and sdist of the clone."""
    return built(checkout, tmp_path_factory.mktemp("first"))


def test_two_builds_are_equal(checkout: Path, distributions: dict[str, Path], tmp_path: Path) -> None:
    """Byte by byte, so that anyone can hold a release against its source."""
    again = built(checkout, tmp_path)
    assert {suffix: file.read_bytes() for suffix, file in again.items()} == {
        suffix: file.read_bytes() for suffix, file in distributions.items()
    }


def test_the_wheel_has_all_that_is_exported_and_its_commit(checkout: Path, distributions: dict[str, Path]) -> None:
    """Boards, rules and units lie under monitor/assets; tests and tools stay out."""
    with zipfile.ZipFile(distributions[".whl"]) as wheel:
        names = wheel.namelist()
        assert wheel.read("monitor/commit.txt").decode().strip() == commit_of(checkout)
    for name in ("dashboards/overview.json", "dashboards/rules/chat-monitor.rules.yml", "systemd/chat-monitor.service"):
        assert f"monitor/assets/{name}" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"monitor", "chat_monitor"}


def test_the_sdist_makes_the_same_wheel(distributions: dict[str, Path], tmp_path: Path) -> None:
    """The sdist builds the same wheel without the repository, because it contains the commit."""
    with tarfile.open(distributions[".gz"]) as sdist:
        sdist.extractall(tmp_path, filter="data")
    [source] = tmp_path.iterdir()
    wheel = built(source, tmp_path / "out", "-t", "wheel")[".whl"]
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(distributions[".whl"]) as other:
        # RECORD lists the same files in another order: the commit is among the sources there
        names = {name for name in one.namelist() if not name.endswith("/RECORD")}
        assert names == {name for name in other.namelist() if not name.endswith("/RECORD")}
        assert {name: one.read(name) for name in names} == {name: other.read(name) for name in names}


def test_a_tree_without_a_repository_or_git_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a repository or git the build has no commit, and succeeds."""
    assert commit_of(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(ROOT) == ""
