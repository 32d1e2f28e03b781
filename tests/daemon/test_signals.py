"""The signals of a daemon: each causes its action, and none fails."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from monitor.daemon.signals import ABORTING, STOPPING, Signals

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


@contextmanager
def listening() -> Iterator[Signals]:
    """Yield what takes this process's signals."""
    signals, loop = Signals(), asyncio.get_running_loop()
    signals.listen()
    try:
        yield signals
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            loop.remove_signal_handler(number)


async def test_signals_ask_and_hurry() -> None:
    """The first of SIGTERM and SIGINT asks, the second hurries, and the first is remembered."""
    with listening() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        await signals.stop.wait()
        assert not signals.hurry.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.hurry.wait()
    assert signals.stopped_by is signal.SIGINT


async def test_signals_do_what_is_set_by_then() -> None:
    """SIGHUP and SIGUSR1 do nothing before the schedule is armed, and stop nothing ever."""
    with listening() as signals:
        for number in (signal.SIGHUP, signal.SIGUSR1):
            signals.probe = lambda: None
            os.kill(os.getpid(), number)
            done = asyncio.Event()
            signals.reload = signals.probe = done.set
            os.kill(os.getpid(), number)
            await done.wait()
    assert not signals.stop.is_set()


async def test_a_reload_that_was_asked_for_too_early_is_remembered() -> None:
    """SIGHUP before the schedule is armed is not lost."""
    with listening() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        later = asyncio.Event()
        signals.probe = later.set
        os.kill(os.getpid(), signal.SIGUSR1)
        await later.wait()
        assert signals.reload_asked
    assert not signals.stop.is_set()


async def test_ctrl_c_says_what_the_next_one_does() -> None:
    """Ctrl-C prints what a second one does; SIGTERM prints nothing."""
    messages: list[str] = []
    signals = Signals(messages.append)
    signals.on_stop(signal.SIGTERM)
    assert messages == []
    signals.on_stop(signal.SIGINT)
    assert messages == [ABORTING]
    signals = Signals(messages.append)
    signals.on_stop(signal.SIGINT)
    assert messages == [ABORTING, STOPPING]
