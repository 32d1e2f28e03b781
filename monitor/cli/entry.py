"""The entry point of the process: from its first line on Ctrl-C ends it with 130 and without a traceback.

This module imports nothing that takes time: signals are handled before the commands are imported. A command that has
something to clean up handles Ctrl-C itself for as long as it runs, see `event_loop`.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""The exit status after Ctrl-C (contract, section 5)."""


def leave(_number: int, _frame: FrameType | None) -> None:
    """End the process at once: an exception could be raised inside an import or a finalizer, and be printed there."""
    os._exit(INTERRUPTED)


def main() -> None:
    """Handle signals, import the commands, run one."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell ignores it for a job in the background
        signal.signal(signal.SIGINT, leave)
    if sys.argv[1:2] == ["run"]:  # the daemon's SIGHUP asks for a reload: until it can be handled, it must not kill
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from monitor.cli.main import main as run  # noqa: PLC0415 - not before the signals are handled

    run()
