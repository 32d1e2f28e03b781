"""The history sink: a thread writes every probe's event to the history's file.

The caller only puts the observation into a bounded queue. If the disk is slow, full or missing, observations that do
not fit are dropped and counted; no probe is affected, and writing continues when the disk is available again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.record.from_observation import event_of, timeline_of
from monitor.record.observation import Observation
from monitor.record.probe_event import as_json, timeline_pieces
from monitor.record.rollup import rollup_of
from monitor.record.target_summary import CONFIRMING, brief_of
from monitor.settings import QUEUE_BYTES, HistorySettings
from monitor.sinks.history_rollups import Step
from monitor.sinks.history_store import Store, StoredProbe, StoreError
from monitor.sinks.writer import Writer, WriterCallbacks, WriterLimits, weight_of
from monitor.target import KEPT, Record

CAPACITY = QUEUE_BYTES
"""Bytes of observations that may wait for the disk before further ones are dropped: about two thousand probes."""
RETRY = 5.0
"""Seconds until a failed write is retried."""
NAME = "history"
_TEND = 60.0
"""Seconds without a write after which old probes are deleted."""
_RANK = tuple(Record)


@dataclass(frozen=True, slots=True)
class HistoryCallbacks:
    """Called from the writing thread: with the sink's name for a drop or failure, with the file's size after a write.

    `wrong` gets what is wrong with the file when that changes, and None when it can be written again; `bug` gets
    unexpected exceptions.
    """

    dropped: Callable[[str], object]
    failed: Callable[[str], object]
    size: Callable[[int], object]
    wrong: Callable[[str | None], object]
    bug: Callable[[Exception], object]


class HistorySink:
    """The sink that writes each probe's event with its timeline to the configured file."""

    def __init__(
        self,
        path: Path,
        settings: HistorySettings,
        callbacks: HistoryCallbacks,
        *,
        capacity: int = CAPACITY,
        retry: float = RETRY,
    ) -> None:
        self._settings, self._callbacks = settings, callbacks
        self._store = Store(path, settings)
        self._wrong: str | None = None
        limits = WriterLimits(weight=weight_of, capacity=capacity, batch=self._store.most, retry=retry, idle=_TEND)
        for_writer = WriterCallbacks(callbacks.dropped, callbacks.failed, callbacks.bug)
        self._writer = Writer(NAME, self._write, (StoreError,), limits, for_writer, finish=self._store.close)

    def __call__(self, observation: Observation) -> None:
        """Queue a probe; if the queue is full or closed it is dropped and counted. Never blocks."""
        self._writer.put(observation)

    def close(self, timeout: float = 2.0) -> bool:
        """Write the rest, for at most `timeout` seconds; return whether all of it was tried."""
        return self._writer.close(timeout)

    def _write(self, batch: Sequence[Observation]) -> None:
        """Write the rows of a batch, in the writer's thread; StoreError if it has to be retried."""
        rows = [row(observation, Record(self._settings.record), self._store.most) for observation in batch]
        try:
            self._callbacks.size(self._store.keep(rows, time.time()))
        except StoreError as error:
            self._say(str(error))
            raise
        self._say(None)

    def _say(self, text: str | None) -> None:
        if text != self._wrong:
            self._wrong = text
            self._callbacks.wrong(text)


class Nothing:
    """The sink of a monitor without a history."""

    def __call__(self, observation: Observation) -> None:
        """Ignore the observation."""

    def close(self) -> bool:
        """Do nothing: there is nothing to write."""
        return True


# -- the row of a probe -------------------------------------------------------------------------------------------


def row(observation: Observation, most: Record, size: int) -> StoredProbe:
    """Return the row of a probe: with at most `most` of the server's text, and without its timeline above `size`."""
    made = event_of(capped(observation, most))
    event = zipped([as_json(made)])
    timeline = zipped(timeline_pieces(timeline_of(observation.recording)))
    return StoredProbe(
        probe_id=observation.probe_id,
        target=observation.target.name,
        timestamp=observation.timestamp.timestamp(),
        failed=observation.failed,
        event=event,
        timeline=timeline if len(event) + len(timeline) <= size else None,
        outcome=made.outcome,
        cause=made.cause or "",
        rollup=rollup_of(made),
        step=Step(brief_of(made), observation.target.confirm, observation.target.recover)
        if observation.trigger in CONFIRMING and not made.ours
        else None,
    )


def capped(observation: Observation, most: Record) -> Observation:
    """Return a probe with at most as much of the server's text as `most` allows."""
    if most is Record.FULL or _RANK.index(observation.target.record) <= _RANK.index(most):
        return observation
    words = observation.last_words if most is Record.TAIL and observation.verdict.truncated else None
    return replace(
        observation,
        server_error=None if most is Record.NONE else observation.server_error,
        last_words=words and words[-KEPT[Record.TAIL] :],
    )


def zipped(pieces: Iterable[bytes]) -> bytes:
    """Return the pieces compressed; zlib lets other threads run meanwhile."""
    compressing = zlib.compressobj()
    return b"".join([*map(compressing.compress, pieces), compressing.flush()])
