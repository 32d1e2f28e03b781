"""The event loop of the commands, the handling of Ctrl-C, and the exit status after a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from monitor.cli.common import COMPLETE
from monitor.cli.entry import INTERRUPTED, leave
from monitor.daemon.signals import Signals
from monitor.http.timestamps import new_loop

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a loop that notes its polls, which bounds the uncertainty of late reads."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


@contextmanager
def cancelled_by_ctrl_c() -> Iterator[asyncio.Event]:
    """Let Ctrl-C cancel the current task, and a second one end the process; yield the event that the first one sets."""
    loop, task, interrupted = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    before = signal.getsignal(signal.SIGINT)
    assert task is not None, "called from a task"

    def interrupt() -> None:
        signal.signal(signal.SIGINT, leave)
        interrupted.set()
        click.echo("stopping; press Ctrl-C again to stop at once", err=True)
        task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


@contextmanager
def raised_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt, for code without an event loop that has to restore the screen."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def status_of_stop(signals: Signals) -> int:
    """Return the exit status after a signal: 130 for SIGINT, else 0."""
    return INTERRUPTED if signals.stopped_by is signal.SIGINT else COMPLETE
