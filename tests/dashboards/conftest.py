"""Fixtures of the tests of rules and boards: paths, and a clear message if a program is missing."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def promtool() -> str:
    """The path of promtool, or the reason and the cure for its absence."""
    return _program("promtool")


@pytest.fixture
def prometheus_binary() -> str:
    """The path of prometheus, or the reason and the cure for its absence."""
    return _program("prometheus")


@pytest.fixture
def amtool() -> str:
    """The path of amtool, or the reason and the cure for its absence."""
    return _program("amtool", "prometheus-alertmanager")


@pytest.fixture
def vmalert() -> str:
    """The path of vmalert, or the reason and the cure for its absence."""
    return _program("vmalert", "victoria-metrics")


@pytest.fixture
def rules() -> Path:
    """Return the directory of the rules."""
    return ROOT / "dashboards" / "rules"


def _program(name: str, package: str = "prometheus") -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install -y {package}")
    return path
