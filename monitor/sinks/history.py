"""The sink that keeps: every probe's event goes into the history's file, written by a thread of its own.

Whoever observes only leaves the observation in a bounded queue. A disk that is slow, full or gone costs what does not
fit into it, which is counted, and never a probe; writing goes on as soon as it can.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.record.from_observation import event_of, timeline_of
from monitor.record.observation import Observation
from monitor.record.probe_event import as_json, timeline_pieces
from monitor.settings import MIB, History
from monitor.sinks.history_store import Row, Store, StoreError
from monitor.target import KEPT, Record

CAPACITY = 32 * MIB
"""Bytes of observations that wait for the disk before further ones are dropped: some two thousand probes."""
RETRY = 5.0
"""Seconds before a file that failed is tried again."""
NAME = "history"
_TEND = 60.0
"""Seconds after which it is looked at what has grown too old, where nothing is written meanwhile."""
_EACH = 4096
"""About the bytes of an observation beside its timeline."""
_RANK = tuple(Record)


@dataclass(frozen=True, slots=True)
class HistoryCallbacks:
    """Who is told what, from the writing thread: of a drop and a failure the sink's name, of a write the file's size.

    `wrong` is told what is wrong with the file, once until something else is, and None once it is written again;
    `bug` is told of what nobody expected.
    """

    dropped: Callable[[str], object]
    failed: Callable[[str], object]
    size: Callable[[int], object]
    wrong: Callable[[str | None], object]
    bug: Callable[[Exception], object]


class HistorySink:
    """The sink that writes each probe's event with its timeline to the file that the settings name."""

    def __init__(
        self, path: Path, settings: History, told: HistoryCallbacks, *, capacity: int = CAPACITY, retry: float = RETRY
    ) -> None:
        self._settings, self._told = settings, told
        self._capacity, self._retry = capacity, retry
        self._store = Store(path, settings)
        self._queue: deque[Observation] = deque()
        self._waiting = 0
        self._closing = False
        self._wrong: str | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="history-writer", daemon=True)
        self._thread.start()

    def __call__(self, seen: Observation) -> None:
        """Leave a probe to be written; where the queue is full or closed it is dropped and counted. Never blocks."""
        weight = _weight(seen)
        with self._changed:
            fits = not self._closing and (not self._waiting or self._waiting + weight <= self._capacity)
            if fits:
                self._queue.append(seen)
                self._waiting += weight
                self._changed.notify()
        if not fits:
            self._told.dropped(NAME)

    def close(self, timeout: float = 2.0) -> bool:
        """Write what is left, for at most `timeout` seconds; say whether the end was reached."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        batch: list[Observation] | None = []  # first of all the file is opened, and pruned by the settings of now
        while batch is not None:
            self._keep(batch)
            with self._changed:
                self._waiting -= sum(map(_weight, batch))
            batch = self._next()
        self._store.close()

    def _next(self) -> list[Observation] | None:
        """Return what one transaction takes, nothing where none came for long, and None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing, _TEND)
            if self._closing and not self._queue:
                return None
            batch: list[Observation] = []
            room = self._store.most
            while self._queue and (not batch or _weight(self._queue[0]) <= room):
                batch.append(self._queue.popleft())
                room -= _weight(batch[-1])
            return batch

    def _keep(self, batch: Sequence[Observation]) -> None:
        try:
            self._write([row(seen, Record(self._settings.record), self._store.most) for seen in batch])
        except Exception as error:  # noqa: BLE001 - a bug costs this batch, and not all that come after it
            self._told.failed(NAME)
            self._told.bug(error)
            self._drop(batch)

    def _write(self, rows: Sequence[Row]) -> None:
        """Write rows over as many failures as it takes; at the close it is tried once more."""
        last = False
        while True:
            try:
                self._told.size(self._store.keep(rows, time.time()))
            except StoreError as error:
                self._told.failed(NAME)
                self._say(str(error))
            else:
                self._say(None)
                return
            if last:
                self._drop(rows)
                return
            with self._changed:
                last = self._changed.wait_for(lambda: self._closing, self._retry)

    def _say(self, text: str | None) -> None:
        if text != self._wrong:
            self._wrong = text
            self._told.wrong(text)

    def _drop(self, lost: Iterable[object]) -> None:
        for _ in lost:
            self._told.dropped(NAME)


class Nothing:
    """The sink of a monitor that keeps no history."""

    def __call__(self, seen: Observation) -> None:
        """Let it go."""

    def close(self) -> bool:
        """There is nothing left to write."""
        return True


def _weight(seen: Observation) -> int:
    return seen.recording.weight + len(seen.last_words or "") + _EACH


# -- what is kept of a probe -------------------------------------------------------------------------------------------


def row(seen: Observation, most: Record, size: int) -> Row:
    """Return a probe as it is kept: with no more of the server's words than `most`, beyond `size` without timeline."""
    event = zipped([as_json(event_of(capped(seen, most)))])
    timeline = zipped(timeline_pieces(timeline_of(seen.recording)))
    return Row(
        probe_id=seen.probe_id,
        target=seen.target.name,
        timestamp=seen.timestamp.timestamp(),
        failed=seen.failed,
        event=event,
        timeline=timeline if len(event) + len(timeline) <= size else None,
    )


def capped(seen: Observation, most: Record) -> Observation:
    """Return a probe with no more of the server's own words than `most` keeps."""
    if most is Record.FULL or _RANK.index(seen.target.record) <= _RANK.index(most):
        return seen
    words = seen.last_words if most is Record.TAIL and seen.verdict.truncated else None
    return replace(
        seen,
        server_error=None if most is Record.NONE else seen.server_error,
        last_words=words and words[-KEPT[Record.TAIL] :],
    )


def zipped(pieces: Iterable[bytes]) -> bytes:
    """Return the pieces compressed; zlib lets other threads run meanwhile."""
    compressing = zlib.compressobj()
    return b"".join([*map(compressing.compress, pieces), compressing.flush()])
