"""The writer of the sinks that wait for something: a bounded queue, one thread, and retries.

Leaving an item never blocks: what does not fit into the queue is dropped and counted. The thread writes items in order,
over as many failures as it takes. It also does what takes long, such as encoding a timeline.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from monitor.record.observation import Observation

T = TypeVar("T")
_EACH = 4096
"""About the bytes of an observation beside its recording."""


@dataclass(frozen=True, slots=True)
class WriterCallbacks:
    """What is called from the writing thread, `dropped` from any: with the writer's name for each item or failure."""

    dropped: Callable[[str], object]
    failed: Callable[[str], object]
    bug: Callable[[Exception], object]
    """Called with an exception that `write` did not declare; its batch is dropped."""


@dataclass(frozen=True, slots=True)
class WriterLimits(Generic[T]):
    """How much may wait, how much is written at once, and when a failure is tried again."""

    weight: Callable[[T], int]
    """About the bytes of an item."""
    capacity: int
    """Bytes that wait before further items are dropped; an item that is larger passes an empty queue."""
    batch: int = 0
    """Bytes that are written at once; never less than one item."""
    retry: float = 1.0
    """Seconds before a failed write is tried again."""
    idle: float | None = None
    """Seconds without an item after which nothing is written, so that old things go; at the start, too."""


class Writer(Generic[T]):
    """Writes items in order, in one thread, from a bounded queue.

    `write` raises one of `errors` if it has to be called again with the same items, and is called again if memory ran
    out; `finish` is called at the end.
    """

    def __init__(  # noqa: PLR0913 - what is written, how, and who is told
        self,
        name: str,
        write: Callable[[Sequence[T]], object],
        errors: tuple[type[Exception], ...],
        limits: WriterLimits[T],
        callbacks: WriterCallbacks,
        *,
        finish: Callable[[], object] = lambda: None,
    ) -> None:
        self._name, self._write, self._finish = name, write, finish
        self._errors: tuple[type[Exception], ...] = (MemoryError, *errors)
        self._limits, self._told = limits, callbacks
        self._queue: deque[T] = deque()
        self._waiting = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"{name}-writer", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Leave an item to be written; if the queue is full or closed it is dropped and counted. Never blocks."""
        weight = self._limits.weight(item)
        with self._changed:
            fits = not self._closing and (not self._waiting or self._waiting + weight <= self._limits.capacity)
            if fits:
                self._queue.append(item)
                self._waiting += weight
                self._changed.notify()
        if not fits:
            self._told.dropped(self._name)

    def close(self, timeout: float) -> bool:
        """Write what is left, for at most `timeout` seconds; return whether all of it was tried."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        batch = self._next() if self._limits.idle is None else []
        while batch is not None:
            self._keep(batch)
            with self._changed:
                self._waiting -= sum(map(self._limits.weight, batch))
            batch = self._next()
        self._finish()

    def _next(self) -> list[T] | None:
        """Return what is written at once, nothing if no item came for long, and None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing, self._limits.idle)
            if self._closing and not self._queue:
                return None
            batch: list[T] = []
            room = self._limits.batch
            while self._queue and (not batch or self._limits.weight(self._queue[0]) <= room):
                batch.append(self._queue.popleft())
                room -= self._limits.weight(batch[-1])
            return batch

    def _keep(self, batch: Sequence[T]) -> None:
        """Write a batch over as many failures as it takes; at the close it is tried once more."""
        last = False
        while True:
            try:
                self._write(batch)
            except self._errors:
                self._told.failed(self._name)
                if last:
                    self._drop(batch)
                    return
                with self._changed:
                    last = self._changed.wait_for(lambda: self._closing, self._limits.retry)
            except Exception as error:  # noqa: BLE001 - a bug costs this batch, and not all that come after it
                self._told.failed(self._name)
                self._told.bug(error)
                self._drop(batch)
                return
            else:
                return

    def _drop(self, batch: Sequence[T]) -> None:
        for _ in batch:
            self._told.dropped(self._name)


def weight_of(observation: Observation) -> int:
    """Return about the bytes that an observation takes while it waits."""
    return observation.recording.weight + len(observation.last_words or "") + _EACH
