"""A long event in small reads takes work in proportion to its bytes, in every framing."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from benchmarks import framing
from benchmarks.framing import FRAMINGS, Framing, reads
from monitor.protocols import PROTOCOLS
from monitor.stream.framing import Framer

SIZE = 20_000
MOST_COPIES = 40
"""Bytes of memory taken in all for each byte that is read: buffers grow, pieces are objects; a copy a read is 200."""


def taken(one: Framing, size: int) -> int:
    """Return how many bytes of memory all reads of a message take, each beyond what was held before it."""
    pieces, feed = list(reads(one.wire(size))), one.reader()
    total = 0
    tracemalloc.start()
    try:
        for piece in pieces:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            feed(piece)
            total += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return total


@pytest.mark.parametrize("one", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_no_framing_copies_what_it_holds_in_each_read(one: Framing) -> None:
    """However many reads a message takes, the memory that they take in all is in proportion to its bytes."""
    assert taken(one, SIZE) < MOST_COPIES * SIZE


def test_a_copy_in_each_read_would_be_found() -> None:
    """The measure finds a reader that is quadratic."""
    held = bytearray()

    def feed(data: bytes) -> int:
        held.extend(data)
        return len(bytes(held))

    assert taken(Framing(lambda: feed, lambda size: b"x" * size), SIZE) > 2 * MOST_COPIES * SIZE


def test_every_framing_of_a_protocol_is_measured() -> None:
    """The benchmark, and so the test above, has each framing that a protocol is read by."""
    measured = {type(getattr(one.reader(), "__self__", None)) for one in FRAMINGS.values()}
    framings: set[Callable[[int], Framer]] = {protocol.framing for protocol in PROTOCOLS.values()}
    assert framings <= measured


def test_the_benchmark_prints_each_framing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each framing has a row, and the benchmark fails if twice the bytes take much more than twice the time."""
    monkeypatch.setattr("sys.argv", ["framing", "1000"])
    monkeypatch.setattr(framing, "seconds", lambda _, size: size * 1e-6)
    assert framing.main() == 0
    assert all(f"| {name} | 1 ms | 2 ms | 2.0 |" in capsys.readouterr().out for name in ["lines"])
    monkeypatch.setattr(framing, "seconds", lambda _, size: size * size * 1e-6)
    assert framing.main() == 1
    monkeypatch.undo()
    assert framing.seconds(FRAMINGS["lines"], 1000) > 0.0
