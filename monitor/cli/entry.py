"""The entry point of the process: from the start, Ctrl-C ends it with status 130 and without a traceback.

This module has no slow imports: signal handlers are installed before the commands are imported. A command with
cleanup handles Ctrl-C itself while it runs, see `event_loop`.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""The exit status after Ctrl-C (contract, section 5)."""


def leave(_number: int, _frame: FrameType | None) -> None:
    """End the process at once: an exception inside an import or a finalizer would be printed."""
    os._exit(INTERRUPTED)


def main() -> None:
    """Handle signals, import the commands, run one."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell ignores it for a background job
        signal.signal(signal.SIGINT, leave)
    if sys.argv[1:2] == ["run"]:  # the daemon's SIGHUP requests a reload: until it is handled, it must not kill
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from monitor.cli.main import main as run  # noqa: PLC0415 - not before the signals are handled

    run()
