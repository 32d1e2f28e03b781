"""Run every target on its interval and phase, never two at once for one; count what was skipped. APScheduler's door.

A target's ticks fall on its phase, a stable hash of its name, so that a thousand targets of one interval do not start
together and a restart moves nobody. At the start each target is asked once, spread over the first seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from monitor.budget import Budget
from monitor.observation import Observation, host_of
from monitor.settings import Limits
from monitor.target import Target

Probe = Callable[[Target, str, float], Awaitable[Observation]]
"""Asks a target for a trigger, told how many seconds late it starts."""

_SPREAD = 5.0
"""Seconds over which the first probes are spread."""


def phase(name: str, interval: float) -> float:
    """Return the target's own offset in seconds within `interval`, the same on every machine and after every start."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * interval


def next_tick(name: str, interval: float, after: float) -> float:
    """Return the first Unix time from `after` on that is in the target's phase."""
    own = phase(name, interval)
    return after + (own - after) % interval


@dataclass(frozen=True, slots=True)
class Told:
    """Whom the schedule tells: of each observation, each skip with its reason, the number in flight, and a bug."""

    observed: Callable[[Observation], None]
    skipped: Callable[[str, str], None]
    in_flight: Callable[[int], None]
    failed: Callable[[BaseException], None]


class Schedule:
    """The running schedule of one set of targets."""

    def __init__(self, probe: Probe, told: Told, limits: Limits, budget: Budget | None = None) -> None:
        self._probe, self._told = probe, told
        self._budget = budget or Budget(limits.tokens_per_day)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, float] = {}
        self._draining = False
        self._all = asyncio.Semaphore(limits.concurrency)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(limits.per_host))

    def start(self, targets: Iterable[Target]) -> None:
        """Arm every target: its first probe within the first seconds, then its ticks."""
        now = time.time()
        ordered = sorted(targets, key=lambda target: phase(target.name, 1.0))
        for number, target in enumerate(ordered):
            first = now + _SPREAD * number / len(ordered) if len(ordered) > 1 else now
            self._arm(target, first)
        self._scheduler.start()

    def _arm(self, target: Target, first: float) -> None:
        ticks = datetime.fromtimestamp(next_tick(target.name, target.interval, first + target.interval / 2), UTC)
        # APScheduler may drop nothing (no grace) and make nothing up (coalesce): we count what was missed ourselves
        rules = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        at = datetime.fromtimestamp(first, UTC)
        self._scheduler.add_job(
            self._first, DateTrigger(at), args=(target, time.monotonic() + first - time.time()), **rules
        )
        every = IntervalTrigger(start_date=ticks, timezone=UTC, seconds=target.interval)
        self._scheduler.add_job(self._tick, every, args=(target,), id=target.name, **rules)

    async def _first(self, target: Target, planned: float) -> None:
        """Start the first probe, which was planned for that monotonic time."""
        self._start(target, max(time.monotonic() - planned, 0.0))

    async def _tick(self, target: Target) -> None:
        """Start a probe in the target's phase, and count the ticks that were missed since the last one."""
        late = (time.time() - phase(target.name, target.interval)) % target.interval
        now = time.monotonic()
        planned = now - late
        if target.name in self._last:
            for _ in range(round((planned - self._last[target.name]) / target.interval) - 1):
                self._told.skipped(target.name, "missed")
        self._last[target.name] = planned
        self._start(target, late)

    def _start(self, target: Target, late: float) -> None:
        if target.paused:
            self._told.skipped(target.name, "paused")
        elif target.name in self._running:
            self._told.skipped(target.name, "overlap")
        elif not self._budget.allows(target):
            self._told.skipped(target.name, "budget")
        else:
            self._keep(target.name, self._run(target, "schedule", time.monotonic() - late))

    def _keep(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"probe {name}")
        self._running[name] = task
        task.add_done_callback(self._ended)
        self._told.in_flight(len(self._running))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = {name: other for name, other in self._running.items() if other is not task}
        self._told.in_flight(len(self._running))
        if not task.cancelled() and (error := task.exception()) is not None:
            self._told.failed(error)

    async def _run(self, target: Target, trigger: str, planned: float) -> None:
        """Wait for a place, at most one interval; the wait is ours and no part of what is measured."""
        host, everyone = self._hosts[host_of(target.url)], self._all
        try:
            async with asyncio.timeout(target.interval):
                await host.acquire()
                try:
                    await everyone.acquire()
                except BaseException:
                    host.release()
                    raise
        except TimeoutError:
            self._told.skipped(target.name, "concurrency")
            return
        try:
            if not self._draining:
                self._told.observed(await self._probe(target, trigger, time.monotonic() - planned))
        finally:
            everyone.release()
            host.release()

    async def drain(self, within: float, hurry: asyncio.Event) -> None:
        """Start nothing more, give what is in flight `within` seconds or until `hurry`, and stop the rest."""
        self._draining = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        tasks = set(self._running.values())
        if not tasks:
            return
        hurried = asyncio.create_task(hurry.wait())
        everything = asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait({hurried, everything}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for task in tasks:
            task.cancel("shutdown")
        await everything
