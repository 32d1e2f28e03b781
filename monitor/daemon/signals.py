"""What signals ask of the daemon: to drain, to hurry, to reload, to probe."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Signals:
    """What signals ask for: SIGTERM and SIGINT to drain, a second one to hurry; SIGHUP to reload, SIGUSR1 to probe."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    stopped_by: signal.Signals | None = None
    reload: Callable[[], object] = lambda: None
    probe: Callable[[], object] = lambda: None

    def on_stop(self, number: signal.Signals) -> None:
        """Take SIGTERM or SIGINT."""
        (self.hurry if self.stop.is_set() else self.stop).set()
        self.stopped_by = self.stopped_by or number

    def listen(self) -> None:
        """Take the process's signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._ask, "reload")
        loop.add_signal_handler(signal.SIGUSR1, self._ask, "probe")

    def _ask(self, what: str) -> None:
        """Do what is set by now: before the schedule is armed, nothing."""
        getattr(self, what)()
