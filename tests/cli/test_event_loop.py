"""The event loop of the commands, and the exit status after a signal."""

from __future__ import annotations

import asyncio
import signal

import pytest

from monitor.cli.entry import leave
from monitor.cli.event_loop import cancelled_by_ctrl_c, raised_by_ctrl_c, run_loop, status_of_stop
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


def test_ctrl_c_cancels_and_a_second_one_ends_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """The task may still clean up; what the second one does is announced, and afterwards all is as it was."""
    before = signal.getsignal(signal.SIGINT)

    async def interrupted() -> object:
        with cancelled_by_ctrl_c() as pressed:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.Event().wait()
            assert pressed.is_set()
            return signal.getsignal(signal.SIGINT)

    assert run_loop(interrupted()) is leave
    assert signal.getsignal(signal.SIGINT) is before
    assert "press Ctrl-C again to stop at once" in capsys.readouterr().err


def test_ctrl_c_is_raised_where_a_screen_has_to_be_restored() -> None:
    """Ctrl-C raises KeyboardInterrupt only inside the context."""
    before = signal.signal(signal.SIGINT, leave)
    try:
        with pytest.raises(KeyboardInterrupt), raised_by_ctrl_c():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is leave
    finally:
        signal.signal(signal.SIGINT, before)
