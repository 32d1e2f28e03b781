"""Fixtures for the tests of the config: load a text, and return its mistakes and warnings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from monitor.config import Config, ConfigError, Mistake, load
from tests.config.cases import Mistakes, Outside, Read, Reported


def _lines(mistakes: tuple[Mistake, ...], file: Path) -> list[str]:
    """Return mistakes as printed, without the names of the file and of the target."""
    return [str(one).removeprefix(f"{file}:").strip().removesuffix(f" [target {one.target}]") for one in mistakes]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Load a text as a config."""

    def read(text: str, environ: Mapping[str, str] | None = None) -> Config:
        file = tmp_path / "c.toml"
        file.write_text(text, encoding="utf-8")
        return load(file, environ or {})

    return read


@pytest.fixture
def reported(read: Read, tmp_path: Path) -> Reported:
    """Return the mistakes and the warnings of a text, each as `LINE: key: what (hint)`."""

    def reported(text: str, environ: Mapping[str, str] | None = None) -> tuple[list[str], list[str]]:
        wrong: tuple[Mistake, ...] = ()
        try:
            warnings = read(text, environ).warnings
        except ConfigError as error:
            wrong, warnings = error.mistakes, error.warnings
        file = tmp_path / "c.toml"
        return _lines(wrong, file), _lines(warnings, file)

    return reported


@pytest.fixture
def mistakes(reported: Reported) -> Mistakes:
    """Return the mistakes of a text."""
    return lambda text, environ=None: reported(text, environ)[0]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    """Add a module `outside` with these names to `sys.modules`."""

    def outside(**names: object) -> None:
        module = ModuleType("outside")
        module.__dict__.update(names)
        monkeypatch.setitem(sys.modules, "outside", module)

    return outside
