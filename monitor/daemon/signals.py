"""The effects of signals on the daemon: drain, hurry, reload, probe."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

STOPPING = "stopping after the probes in flight have ended; press Ctrl-C again to abort them"
ABORTING = "aborting the probes in flight"


@dataclass(slots=True)
class Signals:
    """Requests by signals: SIGTERM and SIGINT drain, a second one hurries; SIGHUP reloads, SIGUSR1 probes."""

    announce: Callable[[str], object] = lambda _: None
    """Called with a message for the user after Ctrl-C."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    stopped_by: signal.Signals | None = None
    reload_asked: bool = False
    """SIGHUP came before the schedule was armed; the reload follows then."""
    reload: Callable[[], object] = field(init=False)
    probe: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.reload = self.remember_reload

    def remember_reload(self) -> None:
        """Note a request for a reload that cannot be done yet."""
        self.reload_asked = True

    def on_stop(self, number: signal.Signals) -> None:
        """Handle SIGTERM or SIGINT."""
        again = self.stop.is_set()
        (self.hurry if again else self.stop).set()
        self.stopped_by = self.stopped_by or number
        if number is signal.SIGINT:
            self.announce(ABORTING if again else STOPPING)

    def listen(self) -> None:
        """Install the signal handlers."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._ask, "reload")
        loop.add_signal_handler(signal.SIGUSR1, self._ask, "probe")

    def stop_with_the_terminal(self) -> None:
        """Handle SIGHUP as SIGTERM: without a config to reload, the process ends with its terminal."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.on_stop, signal.SIGHUP)

    def _ask(self, what: str) -> None:
        """Call the current handler of a request."""
        getattr(self, what)()
