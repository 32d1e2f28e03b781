"""Probe every target at its interval and phase, one probe at a time, and count skips; the only user of APScheduler.

A target's ticks fall on its phase, a stable hash of its name, so that a thousand targets of one interval do not start
together, and a restart moves none. At the start each target is probed once, spread by what the limits can carry; if its
phase comes sooner, or it was probed less than an interval ago, its tick is its first probe. Targets are armed one by
one, so that the event loop can turn between thousands of them. A target that several monitors probe has a turn for each
of them in every interval: it is probed in this monitor's turn alone, at the start and to confirm a failure as well, so
that no two of them probe it at once. APScheduler follows the wall clock: if that steps, the ticks are armed again.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.base import STATE_RUNNING
from apscheduler.triggers.interval import IntervalTrigger

from monitor.budget import Budget
from monitor.judge.verdict import OUR_OWN
from monitor.overload import OverloadGate
from monitor.record.observation import Observation, host_of
from monitor.settings import Limits
from monitor.target import Target

Probe = Callable[[Target, str, float], Awaitable[Observation]]
"""Probes a target, given the trigger and how many seconds late it starts."""
Answer = asyncio.Future[Observation]

SPREAD = 5.0
"""The minimum number of seconds over which the first probes are spread."""
TYPICAL = 4.0
"""The assumed seconds of a probe, used only to spread the first probes within the limits."""
_MOST_CARRIED = 200
"""The assumed maximum of concurrent first probes: 50 a second leave half of a core for everything else."""
_STEP = 1.0
"""Seconds by which the wall clock may differ from the monotonic one before the ticks are armed again."""
_EARLY = 0.001
"""APScheduler's times are whole microseconds: a tick may appear to come before its phase."""
_ASK_LATER = frozenset({429, 503})
_MOST_INTERVALS, _LONGEST_REST = 10, 3600.0
"""The longest Retry-After that is obeyed: the target is not probed meanwhile."""
_STUCK = 60.0
"""A target without a tick for two intervals and this many seconds shows that the schedule has stopped."""


class ProbeNotStartedError(Exception):
    """A probe cannot start now; the text says why."""


def phase(name: str, interval: float, wait: float = 0.0) -> float:
    """Return the target's offset in seconds within `interval`, the same on every machine and after every start.

    `wait` is how many seconds later than the first of its monitors this one probes it.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return (int.from_bytes(digest[:8]) / 2**64 * interval + wait) % interval


def next_tick(name: str, interval: float, after: float, wait: float = 0.0) -> float:
    """Return the first Unix time from `after` on that has the target's phase."""
    own = phase(name, interval, wait)
    return after + (own - after) % interval


def lateness(name: str, interval: float, now: float, wait: float = 0.0) -> float:
    """Return how many seconds ago, at the Unix time `now`, the target's last tick was due."""
    return max((now - phase(name, interval, wait) + _EARLY) % interval - _EARLY, 0.0)


def _wait(target: Target) -> float:
    """Return how many seconds later than the first of its monitors this one probes a target."""
    return target.turn * target.turn_seconds


@dataclass(frozen=True, slots=True)
class ScheduleCallbacks:
    """Called by the schedule: for each observation, each skip with its reason, the number in flight, and an exception.

    `backed_off` gets a target's name and for how many seconds it is not probed because the server requested it.
    """

    observed: Callable[[Observation], None]
    skipped: Callable[[str, str], None]
    in_flight: Callable[[int], None]
    failed: Callable[[BaseException], None]
    backed_off: Callable[[str, float], None] = lambda _name, _seconds: None


def _never(_: Target) -> bool:
    return False


def _is_probed_differently(known: Target, target: Target) -> bool:
    """Whether a change of a target affects its probes: labels, alerts and prices do not."""
    same = replace(known, labels=target.labels, alerts=target.alerts, thresholds=target.thresholds, price=target.price)
    return same != target


class Schedule:
    """The running schedule of a set of targets, which `updating` replaces.

    `resting` returns whether a target is in a maintenance window. `wall` is the wall clock, in Unix seconds.
    """

    def __init__(  # noqa: PLR0913 - its parts, most with a default
        self,
        probe: Probe,
        callbacks: ScheduleCallbacks,
        limits: Limits,
        budget: Budget | None = None,
        *,
        resting: Callable[[Target], bool] = _never,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.probe = probe
        self._callbacks = callbacks
        self._budget = budget or Budget(limits.tokens_per_day)
        self._resting = resting
        self._wall = wall
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.add_listener(lambda event: callbacks.failed(event.exception), EVENT_JOB_ERROR)
        self._targets: dict[str, Target] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self.waiting: set[str] = set()
        """Targets with a probe that waits for a place."""
        self._awaited: defaultdict[asyncio.Task[None], list[Answer]] = defaultdict(list)
        self._last: dict[str, float] = {}
        self.firsts: dict[str, asyncio.TimerHandle] = {}
        """Timers of the pending first probes, by target."""
        self.probed: Mapping[str, float] = {}
        """When targets were probed last before the start, in Unix seconds."""
        self.confirming: dict[str, asyncio.TimerHandle] = {}
        """Timers of the probes that confirm a failure, by target."""
        self._failures: defaultdict[str, int] = defaultdict(int)
        self._rests: dict[str, float] = {}
        """Until when, by the monotonic clock, a server has asked for no requests (Retry-After)."""
        self._draining = False
        self._offset = wall() - time.monotonic()
        self.overload = OverloadGate()
        """Lowers the number of concurrent probes while the event loop is late."""
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Set how many probes may run at once; running probes do not count against the new limits."""
        self._limits = limits
        self._all = asyncio.Semaphore(limits.concurrency)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(limits.per_host))

    # -- which targets, and when -----------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether the ticks are armed."""
        return bool(self._scheduler.state == STATE_RUNNING)

    def watches(self, name: str) -> bool:
        """Whether there is a target of that name."""
        return name in self._targets

    def starting(self, targets: Iterable[Target]) -> Iterator[None]:
        """Arm every target: its first probe, then its ticks; yield after each target."""
        self._scheduler.start(paused=True)
        yield from self.updating(targets)
        self.probed = {}
        if not self._draining:
            self._scheduler.resume()

    def updating(self, targets: Iterable[Target]) -> Iterator[None]:
        """Replace the targets, and yield after each; an unchanged one continues, with its probe in flight.

        It stops once the schedule drains.
        """
        steps = self._updating({target.name: target for target in targets})
        for _ in () if self._draining else steps:
            yield
            if self._draining:
                return

    def _updating(self, wanted: Mapping[str, Target]) -> Iterator[None]:
        for name in self._targets.keys() - wanted.keys():
            self._forget(name)
            yield
        fresh = []
        for name, target in wanted.items():
            known = self._targets.get(name)
            if known is None:
                fresh.append((phase(name, 1.0), target))
            else:
                self._change(known, target)
            yield
        yield from self._spread([target for _, target in sorted(fresh, key=lambda one: one[0])])

    def _change(self, known: Target, target: Target) -> None:
        """Use the changed keys of a target."""
        self._targets[target.name] = target
        if known is target or not _is_probed_differently(known, target):
            return
        self._stop(target.name, "reload")
        self._rests.pop(target.name, None)
        if (known.interval, known.turn, known.turns) != (target.interval, target.turn, target.turns):
            self.arm(target, self._wall())

    def _spread(self, targets: list[Target]) -> Iterator[None]:
        """Plan the first probes, one right now and the others one after another, and arm the ticks."""
        began, loop = self._wall(), asyncio.get_running_loop()
        pace = self._pace(sum(not self._has_tick_alone(one) for one in targets))
        for target in targets:
            self._targets[target.name] = target
            now = self._wall()
            wait = math.inf if self._has_tick_alone(target) else next(pace[host_of(target.url)])
            planned = max(began + wait, now)
            if wait <= SPREAD or planned < next_tick(target.name, target.interval, now, _wait(target)):
                due = time.monotonic() + planned - now
                self.firsts[target.name] = loop.call_later(planned - now, self._first, target.name, due)
                self.arm(target, planned + target.interval / 2)
            else:
                self.arm(target, now)
            yield

    def _has_tick_alone(self, target: Target) -> bool:
        """Whether a target needs no first probe: it has turns, or was probed less than an interval before the start."""
        return target.turns > 1 or 0.0 <= self._wall() - self.probed.get(target.name, 0.0) < target.interval

    def _pace(self, targets: int) -> defaultdict[str, Iterator[float]]:
        """Return for each host when its first probes are to start, in seconds from now.

        They come one after another: no faster than in `SPREAD` seconds, and no faster than the limits can carry.
        """
        among_all = max(SPREAD / max(targets, 1), TYPICAL / min(self._limits.concurrency, _MOST_CARRIED))
        of_all = itertools.count()

        def of_host() -> Iterator[float]:
            for number in itertools.count():
                yield max(next(of_all) * among_all, number * TYPICAL / self._limits.per_host)

        return defaultdict(of_host)

    def arm(self, target: Target, after: float) -> None:
        """Arm the target's ticks from the first one after that Unix time on."""
        tick = next_tick(target.name, target.interval, after, _wait(target))
        self._last[target.name] = time.monotonic() + tick - self._wall() - target.interval
        start = datetime.fromtimestamp(tick, UTC)
        every = IntervalTrigger(start_date=start, timezone=UTC, seconds=target.interval)
        self._scheduler.add_job(
            self.tick, every, (target.name,), id=target.name, replace_existing=True, next_run_time=start, **_RULES
        )

    def _forget(self, name: str) -> None:
        self._stop(name, "reload")
        del self._targets[name]
        self._scheduler.remove_job(name)
        if (timer := self.firsts.pop(name, None)) is not None:
            timer.cancel()
        del self._last[name]
        self._failures.pop(name, None)
        self._rests.pop(name, None)

    def _stop(self, name: str, why: str) -> None:
        self._cancel_confirmation(name)
        if (task := self._running.get(name)) is not None:
            task.cancel(why)

    def follow_clock(self) -> bool:
        """Arm all ticks again if the wall clock has stepped against the monotonic one; return whether it has."""
        offset = self._wall() - time.monotonic()
        stepped = abs(offset - self._offset) > _STEP
        self._offset = offset
        if stepped:
            for target in self._targets.values():
                self.arm(target, self._wall())
        return stepped

    def moving(self) -> bool:
        """Whether the ticks of every target are on time: the condition for systemd's watchdog."""
        now = time.monotonic()
        return all(now - self._last.get(name, now) < 2 * one.interval + _STUCK for name, one in self._targets.items())

    # -- ticks -----------------------------------------------------------------------------------------------------

    def _first(self, name: str, planned: float) -> None:
        """Start the first probe, which was planned for that monotonic time."""
        del self.firsts[name]
        self.begin(self._targets[name], max(time.monotonic() - planned, 0.0))

    async def tick(self, name: str) -> None:
        """Start a probe in the target's phase, and count the ticks that were missed since the last one."""
        target = self._targets.get(name)
        if target is None:
            return  # it was removed when the tick was already due
        late = lateness(name, target.interval, self._wall(), _wait(target))
        planned = time.monotonic() - late
        for _ in range(round((planned - self._last[name]) / target.interval) - 1):
            self._callbacks.skipped(name, "missed")
        self._last[name] = planned
        self.begin(target, late)

    def begin(self, target: Target, late: float, trigger: str = "schedule") -> None:
        """Start a probe, or count why not; nothing starts during a drain."""
        if self._draining:
            return
        reason = self._reason_not(target)
        if reason is None:
            self._keep(target.name, self._run(target, trigger, time.monotonic() - late))
        elif trigger == "schedule":
            self._callbacks.skipped(target.name, reason)

    def _reason_not(self, target: Target) -> str | None:
        if target.paused:
            return "paused"
        if self._resting(target):
            return "maintenance"
        if time.monotonic() < self._rests.get(target.name, 0.0):
            return "backoff"
        if target.name in self._running:
            return "concurrency" if target.name in self.waiting else "overlap"
        return None if self._budget.allows(target) else "budget"

    def ask(self, name: str, trigger: str, within: float | None = None) -> Answer:
        """Probe a target now, out of schedule; ProbeNotStartedError says why not, KeyError if the name is unknown.

        `within` limits the seconds that the probe may take, if that is less than the target's own limit. A paused
        target, and one whose server sent Retry-After, is probed if a user requests it.
        """
        target = self._targets[name]
        reason = "draining" if self._draining else self._reason_not(target)
        if reason is not None and (reason not in _NOT_FOR_USERS or trigger == "scrape"):
            raise ProbeNotStartedError(_BUSY[reason])
        if within is not None:
            target = replace(target, timeouts=target.timeouts.within(within))
        return self._await(self._keep(name, self._run(target, trigger, time.monotonic())))

    def join(self, name: str) -> Answer | None:
        """Return the future result of the target's probe in flight; None if there is none."""
        task = self._running.get(name)
        return None if task is None else self._await(task)

    def _await(self, task: asyncio.Task[None]) -> Answer:
        answer: Answer = asyncio.get_running_loop().create_future()
        self._awaited[task].append(answer)
        return answer

    def _answers(self) -> Iterator[Answer]:
        """Return the futures that still wait for the probe of this task."""
        task = asyncio.current_task()
        assert task is not None, "every probe runs in a task"
        return (answer for answer in self._awaited.pop(task, ()) if not answer.done())

    def asking_all(self, trigger: str) -> Iterator[None]:
        """Probe every target that may be probed now, one by one."""
        for target in tuple(self._targets.values()):
            self.begin(target, 0.0, trigger)
            yield

    # -- probes ----------------------------------------------------------------------------------------------------

    def _keep(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"probe {name}")
        self._running[name] = task
        task.add_done_callback(partial(self._ended, name))
        self._callbacks.in_flight(len(self._running))
        return task

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        del self._running[name]
        self.waiting.discard(name)
        self._callbacks.in_flight(len(self._running))
        _refuse(self._awaited.pop(task, ()), "ended")
        if not task.cancelled() and (error := task.exception()) is not None:
            self._callbacks.failed(error)

    async def _run(self, target: Target, trigger: str, planned: float) -> None:
        """Wait for a place, then probe; the wait is not part of any measured time.

        A scheduled probe waits as long as it takes, so that every target is probed in time, and its ticks meanwhile are
        skipped. If other monitors probe the target as well, or a user asked, it waits no longer than one turn.
        """
        within = None if trigger == "schedule" and target.turns == 1 else target.turn_seconds
        async with AsyncExitStack() as places:
            if await self._take_places(places, target, within):
                await self._probe_now(target, trigger, planned)
            else:
                self._find_no_place(target, trigger)

    def _find_no_place(self, target: Target, trigger: str) -> None:
        _refuse(self._answers(), "concurrency")
        if trigger == "schedule":
            self._callbacks.skipped(target.name, "concurrency")

    async def _probe_now(self, target: Target, trigger: str, planned: float) -> None:
        if self._draining:
            return
        observation = await self.probe(target, trigger, time.monotonic() - planned)
        self._callbacks.observed(observation)
        if self.watches(target.name):  # a reload may have removed it at the moment in which its probe ended
            self._back_off(observation)
            self._confirm(observation)
        for answer in self._answers():
            answer.set_result(observation)

    async def _take_places(self, places: AsyncExitStack, target: Target, within: float | None) -> bool:
        """Wait at most `within` seconds for a place, of the host and of all; return whether there was one.

        While the loop is late, the monitor has fewer places. `places` releases those that were taken.
        """
        self.waiting.add(target.name)
        try:
            async with asyncio.timeout(within):
                for place in (self._hosts[host_of(target.url)], self._all, self.overload):
                    await place.acquire()
                    places.callback(place.release)
        except TimeoutError:
            return False
        self.waiting.discard(target.name)
        return True

    def _back_off(self, observation: Observation) -> None:
        """Obey the Retry-After of a 429 or 503, for at most ten intervals and an hour; any other response ends it."""
        name, head = observation.target.name, observation.recording.head
        self._rests.pop(name, None)
        if head is None or head.status not in _ASK_LATER or not head.retry_after:
            return
        seconds = min(float(head.retry_after), _MOST_INTERVALS * observation.target.interval, _LONGEST_REST)
        self._rests[name] = time.monotonic() + seconds
        self._callbacks.backed_off(name, seconds)

    def _confirm(self, observation: Observation) -> None:
        """After a failure, probe again sooner, if configured, until enough failures confirm it."""
        target = observation.target
        if observation.trigger not in {"schedule", "confirm"} or observation.verdict.outcome in OUR_OWN:
            return
        self._cancel_confirmation(target.name)
        self._failures[target.name] = 0 if observation.available else self._failures[target.name] + 1
        sooner = target.interval_when_failing
        if sooner is None or self._draining or not self._is_in_turn(target, sooner):
            return
        if 0 < self._failures[target.name] < target.confirm:
            loop = asyncio.get_running_loop()
            self.confirming[target.name] = loop.call_later(sooner, self._confirm_now, target.name)

    def _confirm_now(self, name: str) -> None:
        del self.confirming[name]
        self.begin(self._targets[name], 0.0, "confirm")

    def _is_in_turn(self, target: Target, seconds: float) -> bool:
        """Whether it is still this monitor's turn to probe the target after this many seconds."""
        if target.turns == 1:
            return True
        return lateness(target.name, target.interval, self._wall() + seconds, _wait(target)) < target.turn_seconds

    def _cancel_confirmation(self, name: str) -> None:
        if (timer := self.confirming.pop(name, None)) is not None:
            timer.cancel()

    async def drain(self, within: float, hurry: asyncio.Event) -> None:
        """Start no more probes, wait `within` seconds or until `hurry` for those in flight, and cancel the rest."""
        self._draining = True
        for timer in (*self.confirming.values(), *self.firsts.values()):
            timer.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        tasks = set(self._running.values())
        if not tasks:
            return
        hurried = asyncio.ensure_future(hurry.wait())
        everything = asyncio.gather(*tasks, return_exceptions=True)
        both: set[asyncio.Future[Any]] = {hurried, everything}
        await asyncio.wait(both, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for task in tasks:
            task.cancel("shutdown")
        await everything


# APScheduler must drop nothing (no grace) and catch up nothing (coalesce): missed ticks are counted here
_RULES = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
_NOT_FOR_USERS = frozenset({"paused", "backoff"})
"""Skip reasons that do not apply to a request by a user."""
_BUSY = {
    "overlap": "a probe of this target is in flight",
    "budget": "the tokens of today are spent",
    "maintenance": "the target is in a maintenance window",
    "paused": "the target is paused",
    "backoff": "the server asked to wait (Retry-After)",
    "draining": "the monitor is stopping",
    "concurrency": "too many probes run; try again later",
    "ended": "the probe was stopped before it started; see the log",
}


def _refuse(answers: Iterable[Answer], reason: str) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(ProbeNotStartedError(_BUSY[reason]))
