"""What signals ask of the daemon: to drain, to hurry, to reload, to probe."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

STOPPING = "stopping after the probes in flight have ended; press Ctrl-C again to abort them"
ABORTING = "aborting the probes in flight"


@dataclass(slots=True)
class Signals:
    """What signals ask for: SIGTERM and SIGINT to drain, a second one to hurry; SIGHUP to reload, SIGUSR1 to probe."""

    announce: Callable[[str], object] = lambda _: None
    """Takes what a person at the keyboard should read after Ctrl-C."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    stopped_by: signal.Signals | None = None
    reload_asked: bool = False
    """SIGHUP came before the schedule was armed; the reload is then made up for."""
    reload: Callable[[], object] = field(init=False)
    probe: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.reload = self.remember_reload

    def remember_reload(self) -> None:
        """Note that a reload was asked for before one can be made."""
        self.reload_asked = True

    def on_stop(self, number: signal.Signals) -> None:
        """Take SIGTERM or SIGINT."""
        again = self.stop.is_set()
        (self.hurry if again else self.stop).set()
        self.stopped_by = self.stopped_by or number
        if number is signal.SIGINT:
            self.announce(ABORTING if again else STOPPING)

    def listen(self) -> None:
        """Take the process's signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._ask, "reload")
        loop.add_signal_handler(signal.SIGUSR1, self._ask, "probe")

    def stop_with_the_terminal(self) -> None:
        """Take SIGHUP as SIGTERM: what has no config to reload ends with its terminal."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.on_stop, signal.SIGHUP)

    def _ask(self, what: str) -> None:
        """Do what is set by now."""
        getattr(self, what)()
