"""The parts of a running daemon, and its background tasks."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from monitor.budget import Budget
from monitor.config import Config
from monitor.daemon.secret_files import SecretFiles
from monitor.daemon.signals import Signals
from monitor.diagnosis.diagnosis import Diagnosis
from monitor.diagnosis.isolation import Isolation
from monitor.discovery import Discovery
from monitor.http import Client
from monitor.maintenance import SetWindows
from monitor.schedule import Schedule
from monitor.settings import Settings
from monitor.sinks.memory import RecentProbes
from monitor.sinks.metrics.sink import Metrics
from monitor.target import Target
from monitor.web.access import Access

T = TypeVar("T")
Load = Callable[[], Config]
"""Reads the config again; a ConfigError has every mistake in it."""


@dataclass(slots=True)
class Parts:
    """The parts of a running daemon, and what a reload replaces: the config, the targets, the discovery."""

    config: Config
    """The config without discovered targets."""
    metrics: Metrics
    recent: RecentProbes
    budget: Budget
    signals: Signals
    isolation: Isolation = field(default_factory=Isolation)
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    targets: tuple[Target, ...] = ()
    """The targets that are probed here: configured and discovered ones."""
    secrets: frozenset[str] = frozenset()
    """The secrets of the config and the targets, including earlier ones."""
    learned: tuple[str, ...] = ()
    """Secrets that discovery has read from files, including replaced ones, which a message may still contain."""
    schedule: Schedule = field(init=False)
    client: Client = field(init=False)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    """Background tasks, referenced until they are done."""
    finding: asyncio.Task[Any] | None = None
    """The task that refreshes the discovery sources."""
    discovery: Discovery | None = None
    windows: SetWindows = field(default_factory=SetWindows)
    """The maintenance windows that users have set."""
    secret_files: SecretFiles = field(default_factory=SecretFiles)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the config or the targets are replaced."""
    access: Access | None = None
    """The access rules of the pages; None for all clients."""

    @property
    def hidden(self) -> frozenset[str]:
        """What no message may contain: `secrets`, `learned`, and the secrets of the current web config file."""
        return self.secrets.union(self.learned) | (self.access.secrets if self.access is not None else frozenset())

    @property
    def settings(self) -> Settings:
        """The config without its targets."""
        return self.config.settings

    def failed(self, error: BaseException) -> None:
        """Count and log an unhandled exception."""
        self.metrics.unhandled()
        structlog.get_logger().error("unhandled exception", exc_info=error)

    def unhandled_in_loop(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an unhandled exception of the event loop, such as that of a timer or a task."""
        error = context.get("exception")
        if isinstance(error, OSError):  # a listener without descriptors, a connection that broke: not a bug
            structlog.get_logger().warning("error in the event loop", why=context["message"], exc_info=error)
        else:
            self.metrics.unhandled()
            structlog.get_logger().error("unhandled exception", why=context["message"], exc_info=error)

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a background task."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks that are not done, such as a reload that comes too late."""
    left = tuple(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@asynccontextmanager
async def every(parts: Parts, seconds: float, act: Callable[[float], object]) -> AsyncIterator[None]:
    """Call `act` every `seconds`, with how late it is."""

    async def acting() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(seconds)
            try:
                act(max(time.monotonic() - before - seconds, 0.0))
            except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
                parts.failed(error)

    task = asyncio.create_task(acting())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


SLICE = 32
"""Steps between turns of the event loop: each takes up to a fifth of a millisecond."""


async def in_slices(steps: Iterable[object]) -> None:
    """Do the steps, and let the event loop run after each slice of them, so that probes are read in between."""
    for number, _ in enumerate(steps, 1):
        if number % SLICE == 0:
            await asyncio.sleep(0)


@contextmanager
def collections_paused() -> Iterator[None]:
    """Disable Python's garbage collector while thousands of targets are made: each full collection blocks the loop.

    `gc.freeze` is not used: reference cycles among frozen objects would never be freed.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def status(parts: Parts) -> str:
    """Return the status line for systemd."""
    return f"STATUS=watching {len(parts.targets)} targets"
