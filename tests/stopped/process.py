"""The client's process: what a test asks it, and when it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import WITHIN

CHECKOUT = Path(__file__).parents[2]
_OFTEN = 0.0005
"""Seconds between two looks at its state."""
_APART = 0.007
"""Seconds between two steps that are read together: their times are seen to differ."""


class ClientProcess:
    """A running client."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, probe: dict[str, str] | None) -> None:
        """Have it begin a probe; None ends the series."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(probe) + "\n")
        self._process.stdin.flush()

    def events(self) -> list[dict[str, Any]]:
        """End the series, and return its events when all probes have ended."""
        self.ask(None)
        assert self._process.stdout is not None
        found: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return found

    def until_idle(self) -> None:
        """Wait until it has nothing more to do."""
        until = time.monotonic() + WITHIN
        stat = Path(f"/proc/{self._process.pid}/stat")
        while stat.read_text().rpartition(") ")[2][0] in "RD" and time.monotonic() < until:
            time.sleep(_OFTEN)

    @contextmanager
    def stopped(self, seconds: float) -> Iterator[Callable[[], None]]:
        """Stop it, and for `seconds` more after the block; yield what lets a moment pass in between."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)
        yield lambda: time.sleep(_APART)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def client_process(ca_file: str) -> Iterator[ClientProcess]:
    """Yield a client that trusts this authority."""
    command = (sys.executable, "-m", "tests.stopped.client", ca_file)
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=-1, stdout=-1, text=True) as process:
        try:
            yield ClientProcess(process)
        finally:
            process.kill()
