"""The writer of the sinks: what waits, what is dropped, what is retried, in which order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from monitor.sinks.writer import Writer, WriterCallbacks, WriterLimits, weight_of
from tests.conftest import WITHIN
from tests.sinks.samples import cut


class Disk:
    """A target for batches that blocks, and fails, as a test sets."""

    def __init__(self) -> None:
        self.failures = 0
        self.error: Exception = OSError(28, "full")
        self.batches: list[list[str]] = []
        self.calls: list[str] = []
        self.entered, self.may = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, batch: Sequence[str]) -> None:
        """Take a batch, or fail."""
        self.entered.release()
        assert self.may.acquire(timeout=WITHIN)
        if "bug" in batch:
            raise RuntimeError("bug")
        if self.failures:
            self.failures -= 1
            raise self.error
        self.batches.append(list(batch))

    def writer(self, **more: Any) -> Writer[str]:  # noqa: ANN401 - fields of WriterLimits
        """Return a writer of texts on this disk; a text weighs its length."""
        fields: dict[str, Any] = {"weight": len, "capacity": 10, "retry": 0.0} | more
        limits: WriterLimits[str] = WriterLimits(**fields)
        callbacks = WriterCallbacks(
            lambda name: self.calls.append(f"{name} dropped"),
            lambda name: self.calls.append(f"{name} failed"),
            lambda error: self.calls.append(f"{error}"),
        )
        return Writer("disk", self, (OSError,), limits, callbacks, finish=lambda: self.calls.append("finished"))


def test_items_are_written_in_order_and_in_batches() -> None:
    """Items are written in order, in batches of the given size, and the end is called."""
    disk = Disk()
    writer = disk.writer(batch=4)
    writer.put("a")
    assert disk.entered.acquire(timeout=WITHIN)
    for item in ("bb", "cc", "dd"):
        writer.put(item)
    disk.may.release(9)
    assert writer.close(WITHIN)
    assert (disk.batches, disk.calls) == ([["a"], ["bb", "cc"], ["dd"]], ["finished"])


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """One larger than the queue passes an empty one; after the close nothing is taken."""
    disk = Disk()
    writer = disk.writer()
    for item in ("x" * 11, "y"):
        writer.put(item)
    disk.may.release(9)
    assert writer.close(WITHIN)
    writer.put("z")
    assert (disk.batches, disk.calls) == ([["x" * 11]], ["disk dropped", "finished", "disk dropped"])


def test_a_failure_is_tried_again_and_a_bug_is_not() -> None:
    """A failure costs time, a bug its batch."""
    disk = Disk()
    disk.failures = 2
    writer = disk.writer()
    for item in ("a", "bug", "c"):
        writer.put(item)
    disk.may.release(9)
    assert all(disk.entered.acquire(timeout=WITHIN) for _ in range(5))
    assert writer.close(WITHIN)
    assert disk.batches == [["a"], ["c"]]
    assert disk.calls == ["disk failed", "disk failed", "disk failed", "bug", "disk dropped", "finished"]


def test_an_item_that_memory_ran_out_for_is_tried_again() -> None:
    """Nothing is lost for it."""
    disk = Disk()
    disk.failures, disk.error = 2, MemoryError()
    writer = disk.writer()
    writer.put("a")
    disk.may.release(9)
    for _ in range(3):
        assert disk.entered.acquire(timeout=WITHIN)
    assert writer.close(WITHIN)
    assert (disk.batches, disk.calls) == ([["a"]], ["disk failed", "disk failed", "finished"])


def test_at_the_close_a_failure_is_tried_once_more() -> None:
    """Then the item is dropped."""
    disk = Disk()
    disk.failures = 9
    writer = disk.writer(retry=3600.0)
    writer.put("a")
    assert disk.entered.acquire(timeout=WITHIN)
    disk.may.release(9)
    assert writer.close(WITHIN)
    assert (disk.batches, disk.calls) == ([], ["disk failed", "disk failed", "disk dropped", "finished"])


def test_without_items_it_writes_nothing_from_time_to_time() -> None:
    """An empty batch is written at the start and after each idle period, so that old rows can be deleted."""
    disk = Disk()
    writer = disk.writer(idle=0.001)
    disk.may.release(1000)
    assert all(disk.entered.acquire(timeout=WITHIN) for _ in range(3))
    assert writer.close(WITHIN)
    assert disk.batches[0] == []


def test_an_observation_weighs_what_it_keeps() -> None:
    """The weight of an observation is that of its recording, its last words, and a constant."""
    assert weight_of(cut(last_words="x" * 100)) == weight_of(cut()) + 100
    assert weight_of(cut()) > cut().recording.weight
