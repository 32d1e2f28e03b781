"""The clock of one request: from its zero on, which stays where it was set first."""

from __future__ import annotations

import time

from monitor.http.clock import Clock


def test_times_count_from_the_zero() -> None:
    """A time before it, as a kept connection has, is the zero itself."""
    clock = Clock()
    clock.zero = 100.0
    assert (clock.since(100.5), clock.since(99.0)) == (0.5, 0.0)


def test_a_clock_that_runs_is_not_set_again() -> None:
    """A second attempt goes on by the clock of the first."""
    clock = Clock()
    before = time.monotonic()
    clock.start()
    first = clock.zero
    clock.start()
    assert before <= first == clock.zero
    assert 0.0 <= clock.now() <= time.monotonic() - before
