"""Tests of the defaults of the application's source."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.web.source import Source, report
from tests.web import samples
from tests.web.sources import Daemon


def test_a_fault_is_logged_by_default(caplog: pytest.LogCaptureFixture) -> None:
    """By default an exception is logged with its traceback."""
    report("/metrics", RuntimeError("broken"))
    (logged,) = caplog.records
    assert logged.getMessage() == "a request to /metrics failed"
    assert logged.exc_info is not None


def test_now_is_now(daemon: Daemon) -> None:
    """The clock of a source is the wall clock in UTC unless another one is given."""
    bare = Source(
        targets=list, recent=lambda _: (), find=daemon.kept.find, memory=daemon.kept.memory, ready=bool,
        metrics=daemon.metrics, counted=lambda *_: None, started=samples.STARTED,
    )  # fmt: skip
    assert (datetime.now(UTC) - bare.now()).total_seconds() < 60
