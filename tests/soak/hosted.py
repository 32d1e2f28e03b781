"""The daemon as users run it, with a signal handler that reports its tasks and threads."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from types import FrameType

from monitor.cli.main import main


def report(descriptor: int) -> None:
    """Write one line with the tasks and threads to a descriptor that was open before any disturbance."""
    try:
        tasks = [task.get_coro() for task in asyncio.all_tasks(asyncio.get_running_loop())]
    except RuntimeError:  # before the loop runs
        tasks = []
    names = sorted(getattr(one, "__qualname__", type(one).__name__) for one in tasks)
    os.write(descriptor, json.dumps({"tasks": names, "threads": threading.active_count()}).encode() + b"\n")


def run() -> None:
    """Run `chat-monitor` with the arguments after the first, which is the descriptor for reports."""
    descriptor = int(sys.argv.pop(1))

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        report(descriptor)

    signal.signal(signal.SIGUSR2, on_signal)
    main()


if __name__ == "__main__":
    run()
