"""The writer of sinks that may block: a bounded queue, one thread, and retries.

`put` never blocks: items that do not fit into the queue are dropped and counted. The thread writes items in order and
retries failures. It also does slow work, such as encoding a timeline.
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
"""The approximate size in bytes of an observation without its recording."""


@dataclass(frozen=True, slots=True)
class WriterCallbacks:
    """Called from the writing thread (`dropped` from any) with the writer's name for each item or failure."""

    dropped: Callable[[str], object]
    failed: Callable[[str], object]
    bug: Callable[[Exception], object]
    """Called with an exception that `write` did not declare; its batch is dropped."""


@dataclass(frozen=True, slots=True)
class WriterLimits(Generic[T]):
    """How much may wait, how much is written at once, and when a failure is retried."""

    weight: Callable[[T], int]
    """Returns the approximate size of an item in bytes."""
    capacity: int
    """Bytes that may wait before further items are dropped; an empty queue accepts a larger item."""
    batch: int = 0
    """Bytes that are written at once, at least one item."""
    retry: float = 1.0
    """Seconds until a failed write is retried."""
    idle: float | None = None
    """Seconds without an item after which an empty batch is written, to delete old rows; also at the start."""


class Writer(Generic[T]):
    """Writes items in order, in one thread, from a bounded queue.

    `write` raises one of `errors` if it has to be retried with the same items; it is also retried if memory ran out.
    `finish` is called at the end.
    """

    def __init__(  # noqa: PLR0913 - what is written, how, and the callbacks
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
        self._limits, self._callbacks = limits, callbacks
        self._queue: deque[T] = deque()
        self._waiting = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"{name}-writer", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Queue an item; if the queue is full or closed it is dropped and counted. Never blocks."""
        weight = self._limits.weight(item)
        with self._changed:
            fits = not self._closing and (not self._waiting or self._waiting + weight <= self._limits.capacity)
            if fits:
                self._queue.append(item)
                self._waiting += weight
                self._changed.notify()
        if not fits:
            self._callbacks.dropped(self._name)

    def close(self, timeout: float) -> bool:
        """Write the rest, for at most `timeout` seconds; return whether all of it was tried."""
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
        """Return the next batch, an empty one if no item came for long, and None at the end."""
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
        """Write a batch, with retries; while the writer closes it is tried once more."""
        last = False
        while True:
            try:
                self._write(batch)
            except self._errors:
                self._callbacks.failed(self._name)
                if last:
                    self._drop(batch)
                    return
                with self._changed:
                    last = self._changed.wait_for(lambda: self._closing, self._limits.retry)
            except Exception as error:  # noqa: BLE001 - a bug costs this batch, and not all that come after it
                self._callbacks.failed(self._name)
                self._callbacks.bug(error)
                self._drop(batch)
                return
            else:
                return

    def _drop(self, batch: Sequence[T]) -> None:
        for _ in batch:
            self._callbacks.dropped(self._name)


def weight_of(observation: Observation) -> int:
    """Return the approximate size in bytes of a waiting observation."""
    return observation.recording.weight + len(observation.last_words or "") + _EACH
