"""The signals of a daemon: each asks for what it stands for, and none is taken amiss."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from monitor.daemon.signals import Signals

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
            signals.reload = signals.probe = lambda: None
            os.kill(os.getpid(), number)
            done = asyncio.Event()
            signals.reload = signals.probe = done.set
            os.kill(os.getpid(), number)
            await done.wait()
    assert not signals.stop.is_set()
