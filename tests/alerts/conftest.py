"""The fire drill is played once, for all tests that look at it, and its times stand at the end of the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.alerts.stage import Stage, stage

TOLD = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def drill(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The whole play: all faults at a time, each mended when its alerts have come."""
    with stage(tmp_path_factory.mktemp("drill")) as set_up:
        set_up.play()
        request.config.stash[TOLD] = list(set_up.timings())
        yield set_up


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how long each alert took."""
    for line in config.stash.get(TOLD, []):
        terminalreporter.write_line(line)
