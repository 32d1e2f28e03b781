"""The limit on concurrent probes while the event loop is late."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from monitor.overload import FEWEST, LATE, SAMPLES, OverloadGate

_LATE, _NOT_LATE = 2 * LATE, LATE / 2


def decide(gate: OverloadGate, lateness: float, times: int = 1) -> None:
    """Take as many looks as these decisions need."""
    for _ in range(SAMPLES * times):
        gate.sample(lateness)


@asynccontextmanager
async def running(gate: OverloadGate, probes: int) -> AsyncIterator[None]:
    """Have so many probes run."""
    async with AsyncExitStack() as places:
        for _ in range(probes):
            await gate.acquire()
            places.callback(gate.release)
        yield


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


class Waiting:
    """Probes that ask for a place at once, each in a task, and keep it until they are ended."""

    def __init__(self, gate: OverloadGate, probes: int) -> None:
        self.placed: list[int] = []
        self._gate, self._end = gate, asyncio.Event()
        self.tasks = [asyncio.create_task(self._run(number)) for number in range(probes)]

    async def _run(self, number: int) -> None:
        await self._gate.acquire()
        self.placed.append(number)
        try:
            await self._end.wait()
        finally:
            self._gate.release()

    async def finish(self) -> None:
        """End them all."""
        self._end.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_a_loop_that_keeps_up_sets_no_limit() -> None:
    """However many probes run, each has its place at once."""
    gate = OverloadGate()
    async with running(gate, 1000):
        decide(gate, _NOT_LATE, times=5)
        assert math.isinf(gate.most)
    assert gate.running == 0


@pytest.mark.parametrize("looks", [[1.0, 0.0, 0.0, 0.0], [_NOT_LATE] * SAMPLES], ids=["one slow callback", "a little"])
async def test_one_slow_callback_is_no_overload(looks: Iterable[float]) -> None:
    """The median of the looks decides."""
    gate = OverloadGate()
    async with running(gate, 100):
        for late in looks:
            gate.sample(late)
        assert math.isinf(gate.most)


async def test_a_late_loop_lets_fewer_probes_run() -> None:
    """At each decision with a late loop the limit falls by a third, but not below the minimum."""
    gate = OverloadGate()
    async with running(gate, 100):
        decide(gate, _LATE)
        assert gate.most == 70
        decide(gate, _LATE)
        assert gate.most == 49
        decide(gate, _LATE, times=20)
        assert gate.most == FEWEST


async def test_few_probes_are_not_to_blame() -> None:
    """A loop that is late with few probes is so for other work: nothing is gained by fewer."""
    gate = OverloadGate()
    async with running(gate, FEWEST):
        decide(gate, 1.0, times=3)
        assert math.isinf(gate.most)


async def test_who_waits_is_let_in_in_turn() -> None:
    """A probe above the limit waits until one has ended, and those that wait longest go first."""
    gate = OverloadGate()
    places = AsyncExitStack()
    for _ in range(20):
        await gate.acquire()
        places.callback(gate.release)
    decide(gate, _LATE)
    assert gate.most == 14
    waiting = Waiting(gate, 30)
    await turns()
    assert waiting.placed == []
    await places.aclose()
    await turns()
    assert waiting.placed == list(range(14))
    await waiting.finish()
    assert gate.running == 0


async def test_the_limit_rises_and_is_lifted() -> None:
    """A loop that keeps up again lets more run, a tenth at each decision, and all once the limit limits nothing."""
    gate = OverloadGate()
    async with running(gate, 100):
        decide(gate, _LATE)
    waiting = Waiting(gate, 100)
    await turns()
    assert len(waiting.placed) == gate.most == 70
    decide(gate, _NOT_LATE)
    await turns()
    assert len(waiting.placed) == gate.most == 78
    await waiting.finish()
    decide(gate, _NOT_LATE)
    assert math.isinf(gate.most)


async def test_who_gives_up_takes_no_place_from_others() -> None:
    """A probe that is cancelled while it waits, or just as it was let in, leaves its place to the next."""
    gate = OverloadGate()
    places = AsyncExitStack()
    for _ in range(20):
        await gate.acquire()
        places.callback(gate.release)
    decide(gate, _LATE, times=3)
    assert gate.most == FEWEST
    waiting = Waiting(gate, FEWEST + 3)
    await turns()
    waiting.tasks[0].cancel()
    await turns()
    waiting.tasks[1].cancel()
    await places.aclose()  # wakes the next ones: one of them is gone before it runs, and one before it is woken
    waiting.tasks[2].cancel()
    await turns()
    assert waiting.placed == list(range(3, FEWEST + 3))
    await waiting.finish()
    assert gate.running == 0


async def test_a_free_place_goes_to_the_longest_wait() -> None:
    """A place that is free again is that of who waits longest, also if another asks before that one has run."""
    gate = OverloadGate()
    await gate.acquire()
    gate.most = 1
    waiting = Waiting(gate, 1)
    await turns()
    gate.release()
    late = asyncio.create_task(gate.acquire())
    await turns()
    assert (waiting.placed, late.done(), gate.running) == ([0], False, 1)
    late.cancel()
    await waiting.finish()
    await asyncio.gather(late, return_exceptions=True)
    assert gate.running == 0
