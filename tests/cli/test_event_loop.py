"""The event loop of the commands, and the exit status after a signal."""

from __future__ import annotations

import asyncio
import signal

import pytest

from monitor.cli.event_loop import run_loop, status_of_stop
from monitor.daemon.signals import Signals
from monitor.http.timestamps import PollTrackingSelector


def test_the_loop_notes_its_polls() -> None:
    """A late read's uncertainty is bounded by them, in every command."""

    async def selector() -> object:
        return asyncio.get_running_loop()._selector  # type: ignore[attr-defined]

    assert isinstance(run_loop(selector()), PollTrackingSelector)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (None, 0)])
def test_the_status_after_a_signal(number: signal.Signals | None, status: int) -> None:
    """Ctrl-C is 130; a stop that was asked for is 0."""
    signals = Signals()
    signals.stopped_by = number
    assert status_of_stop(signals) == status
