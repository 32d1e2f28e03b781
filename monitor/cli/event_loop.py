"""The event loop of the commands that need one, and the exit status after a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from monitor.cli.common import COMPLETE, INTERRUPTED
from monitor.daemon.signals import Signals
from monitor.http.timestamps import new_loop

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a loop that notes its polls, which bounds the uncertainty of a late read."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


def status_of_stop(signals: Signals) -> int:
    """Return the exit status after a signal: 130 for SIGINT, else 0."""
    return INTERRUPTED if signals.stopped_by is signal.SIGINT else COMPLETE
