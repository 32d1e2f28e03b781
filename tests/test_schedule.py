"""The schedule: phases and ticks as plain numbers, the rest with probes that end when the test says so."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from monitor.budget import Budget
from monitor.record.observation import Observation
from monitor.schedule import ProbeNotStartedError, Schedule, ScheduleCallbacks, lateness, next_tick, phase
from monitor.settings import Limits
from monitor.stream.endings import Head
from monitor.target import Target, Timeouts
from tests.sinks.samples import refused, stopped, whole

NAMES = [f"target-{number}" for number in range(1000)]


def a_target(name: str = "one", host: str = "a.test", **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target on a host."""
    return Target(name, "openai-chat", f"http://{host}/v1", **more)


@dataclass
class Wall:
    """A wall clock that goes with the monotonic one until a test sets it."""

    ahead: float = field(default_factory=lambda: time.time() - time.monotonic())

    def __call__(self) -> float:
        """Return the Unix time."""
        return time.monotonic() + self.ahead


class Scripted:
    """A probe whose calls wait until the test ends them, and callbacks that record what the schedule reports."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float]] = []
        self.running: Counter[str] = Counter()
        self.most = 0
        self.ends: list[str] = []
        self.observed: list[Observation] = []
        self.skipped: Counter[tuple[str, str]] = Counter()
        self.in_flight: list[int] = []
        self.failed: list[BaseException] = []
        self.backed_off: list[tuple[str, float]] = []
        self.error: Exception | None = None
        self.answer: Callable[[Target], Observation] = whole
        self.release = asyncio.Event()
        self._news = asyncio.Event()

    async def __call__(self, target: Target, trigger: str, delay: float) -> Observation:
        """Wait until the test ends the probe; a cancellation is handled as by the real probe."""
        self.asked.append((target.name, trigger, delay))
        self.running[target.name] += 1
        self.most = max(self.most, self.running.total())
        self._news.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError as cancelled:
            self.ends.append(f"{target.name} {cancelled.args[0]}")
            return stopped(target=target, trigger=trigger)
        else:
            self.ends.append(target.name)
        finally:
            self.running[target.name] -= 1
        if self.error is not None:
            raise self.error
        return replace(self.answer(target), trigger=trigger)

    def callbacks(self) -> ScheduleCallbacks:
        """Return callbacks that record their calls here."""
        return ScheduleCallbacks(
            observed=self._observed,
            skipped=self._skipped,
            in_flight=self._in_flight,
            failed=self._failed,
            backed_off=lambda name, seconds: self.backed_off.append((name, seconds)),
        )

    def _observed(self, observation: Observation) -> None:
        self.observed.append(observation)
        self._news.set()

    def _skipped(self, name: str, reason: str) -> None:
        self.skipped[name, reason] += 1
        self._news.set()

    def _in_flight(self, number: int) -> None:
        self.in_flight.append(number)
        self._news.set()

    def _failed(self, error: BaseException) -> None:
        self.failed.append(error)
        self._news.set()

    async def idle(self, number: int) -> None:
        """Wait until this many probes are over and no other is running."""
        await self.until(lambda: len(self.observed) == number and self.in_flight[-1] == 0)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition on the probe or the schedule."""
        while not true():
            self._news.clear()
            await self._news.wait()


@pytest.fixture
def script() -> Scripted:
    """Return a probe that ends when the test ends it."""
    return Scripted()


@pytest.fixture
async def make(script: Scripted) -> AsyncIterator[Callable[..., Schedule]]:
    """Yield a function that makes a schedule of that probe; all schedules are drained at the end."""
    made: list[Schedule] = []

    def schedule(
        budget: Budget | None = None,
        wall: Callable[[], float] = time.time,
        *,
        resting: Callable[[Target], bool] | None = None,
        **limits: int,
    ) -> Schedule:
        more = {} if resting is None else {"resting": resting}
        made.append(Schedule(script, script.callbacks(), Limits(**limits), budget, wall=wall, **more))
        return made[-1]

    yield schedule
    script.release.set()
    for one in made:
        await one.drain(1.0, asyncio.Event())


Make = Callable[..., Schedule]


def start(schedule: Schedule, targets: Iterable[Target]) -> None:
    """Arm every target at once."""
    deque(schedule.starting(targets), 0)


def update(schedule: Schedule, targets: Iterable[Target]) -> None:
    """Replace the targets at once."""
    deque(schedule.updating(targets), 0)


def known(schedule: Schedule, *targets: Target) -> None:
    """Schedule targets without their first probes."""
    update(schedule, targets)
    for timer in schedule.firsts.values():
        timer.cancel()


def ticks(schedule: Schedule) -> dict[str, float]:
    """Return the Unix time of every target's next tick."""
    return {job.id: job.next_run_time.timestamp() for job in schedule._scheduler.get_jobs()}


def failures(schedule: Schedule) -> dict[str, int]:
    """Return how many probes of each target have failed in a row."""
    return schedule._failures


def pass_time(schedule: Schedule, name: str, seconds: float) -> None:
    """Let a target's last tick be so many seconds longer ago."""
    schedule._last[name] -= seconds


# -- phases and ticks --------------------------------------------------------------------------------------------------


def test_a_phase_never_changes() -> None:
    """The phase depends on the name alone, so it is the same after a restart and on another machine."""
    assert phase("gateway", 60.0) == pytest.approx(18.433, abs=0.001)
    assert phase("gateway", 120.0) == phase("gateway", 60.0) * 2


def test_phases_spread_over_the_interval() -> None:
    """Of a thousand targets of one interval, each tenth of it has between 70 and 130."""
    tenths = Counter(int(phase(name, 10.0)) for name in NAMES)
    assert set(tenths) == set(range(10))
    assert all(70 <= number <= 130 for number in tenths.values())


@pytest.mark.parametrize("after", [0.0, 1.0, 1764000000.0, 1764000059.999])
def test_the_next_tick_is_in_phase(after: float) -> None:
    """The next tick is within one interval, and its offset in the interval is the phase."""
    for name in NAMES[:20]:
        tick = next_tick(name, 60.0, after)
        assert after <= tick < after + 60.0
        assert (tick - phase(name, 60.0) + 1.0) % 60.0 == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("early", [0.0, 1e-6, 5e-4])
def test_a_tick_that_comes_early_is_not_late(early: float) -> None:
    """A tick slightly before its phase is on time, not a whole interval late."""
    for name in NAMES[:50]:
        tick = next_tick(name, 60.0, 1764000000.0)
        assert lateness(name, 60.0, tick - early) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("late", [0.002, 1.0, 59.0])
def test_how_late_a_tick_comes(late: float) -> None:
    """The delay of a tick is counted from the last time with the target's phase."""
    assert lateness("one", 60.0, next_tick("one", 60.0, 1764000000.0) + late) == pytest.approx(late, abs=1e-4)


# -- the first probes --------------------------------------------------------------------------------------------------


async def test_the_first_probe_comes_at_once(script: Scripted, make: Make) -> None:
    """A single target is probed when the schedule starts, with the trigger and the delay of a scheduled probe."""
    start(make(), [a_target()])
    await script.until(lambda: bool(script.asked))
    ((name, trigger, delay),) = script.asked
    assert (name, trigger) == ("one", "schedule")
    assert delay >= 0.0


async def test_the_first_probes_are_spread(make: Make) -> None:
    """Of five targets the first is probed at once, and the others follow within five seconds."""
    schedule = make()
    before = asyncio.get_running_loop().time()
    start(schedule, map(a_target, NAMES[:5]))
    took = asyncio.get_running_loop().time() - before
    firsts = sorted(timer.when() - before for timer in schedule.firsts.values())
    assert all(number <= first <= number + took for number, first in enumerate(firsts))


async def test_the_first_probes_of_many_come_as_the_limits_can_carry_them(make: Make) -> None:
    """First probes start one a second on one host with four places, or in phase if sooner; on many, 12.5 a second."""
    loop, schedule = asyncio.get_running_loop(), make()
    before = loop.time()
    start(schedule, [a_target(name, interval=600.0) for name in NAMES])
    took = loop.time() - before
    firsts = sorted(timer.when() - before for timer in schedule.firsts.values())
    assert len(ticks(schedule)) == 1000 > len(firsts) > 5
    assert firsts[-1] < 600.0 + took
    assert all(later - earlier > 1.0 - took for earlier, later in pairwise(firsts))
    others = make()
    before = loop.time()
    start(others, [a_target(name, host=f"{name}.test", interval=600.0) for name in NAMES[:500]])
    took = loop.time() - before
    assert 30.0 < max(timer.when() for timer in others.firsts.values()) - before < 40.0 + took


async def test_targets_are_armed_one_by_one(script: Scripted, make: Make) -> None:
    """The event loop runs between two targets; a drain meanwhile stops it, and no target is probed any more."""
    schedule = make()
    steps = schedule.starting(map(a_target, NAMES[:3]))
    armed = []
    while schedule.firsts.keys() != {NAMES[0], NAMES[1]} and len(schedule.firsts) < 2:
        next(steps)
        armed.append(len(schedule.firsts))
    assert {later - earlier for earlier, later in pairwise(armed)} <= {0, 1}
    assert (schedule.running, schedule.moving()) == (False, True)
    await schedule.drain(1.0, asyncio.Event())
    assert [*steps] == []
    assert (schedule.running, script.asked, len(schedule.firsts)) == (False, [], 2)


async def test_the_ticks_follow_in_phase(make: Make) -> None:
    """After the first probe the ticks have the target's phase, the first of them at least half an interval later."""
    schedule = make()
    start(schedule, [a_target()])
    tick = ticks(schedule)["one"]
    assert (tick - phase("one", 60.0) + 1.0) % 60.0 == pytest.approx(1.0, abs=1e-3)
    assert 29.0 < tick - time.time() < 91.0


@pytest.mark.parametrize(("age", "waits"), [(0.0, True), (59.0, True), (60.0, False), (-5.0, False)])
async def test_a_target_that_was_probed_lately_waits_for_its_tick(make: Make, age: float, waits: bool) -> None:
    """A target that was probed within its interval before the start waits for its tick; others get a first probe."""
    now = time.time()
    schedule = make(wall=lambda: now)
    schedule.probed = {"one": now - age}
    start(schedule, [a_target(), a_target("new")])
    assert ("one" in schedule.firsts, "new" in schedule.firsts) == (not waits, True)
    if waits:
        assert ticks(schedule)["one"] == pytest.approx(next_tick("one", 60.0, now), abs=1e-3)
    update(schedule, [])
    update(schedule, [a_target()])
    assert "one" in schedule.firsts


async def test_a_target_is_asked_again_and_again(script: Scripted, make: Make) -> None:
    """Each tick starts a probe if the previous one is over."""
    script.release.set()
    start(make(), [a_target(interval=0.05)])
    await script.until(lambda: len(script.observed) >= 3)
    assert {name for name, _, _ in script.asked} == {"one"}
    assert script.most == 1


async def test_a_shared_target_is_asked_in_its_turn_alone(script: Scripted, make: Make) -> None:
    """With four monitors each starts a quarter of the interval after the previous one, and none at its own start."""
    starts = []
    for turn in range(4):
        schedule = make()
        start(schedule, [a_target(turn=turn, turns=4)])
        assert schedule.firsts == {}
        starts.append((ticks(schedule)["one"] - phase("one", 60.0)) % 60.0)
    assert [start % 60.0 for start in starts] == pytest.approx([0.0, 15.0, 30.0, 45.0], abs=1e-3)
    assert script.asked == []


async def test_a_shared_target_is_on_time_in_its_turn(script: Scripted, make: Make) -> None:
    """The delay of a probe is measured from the monitor's own turn, not from that of the first monitor."""
    script.release.set()
    start(make(), [a_target(interval=0.2, turn=1, turns=2)])
    await script.until(lambda: len(script.observed) >= 2)
    assert script.skipped[("one", "missed")] == 0 or script.asked[0][2] < 0.2


async def test_another_turn_is_another_tick(make: Make) -> None:
    """If the number of monitors changes, the ticks move; if nothing changes, they do not."""
    schedule = make()
    known(schedule, a_target(turn=1, turns=2))
    before = ticks(schedule)["one"]
    update(schedule, [a_target(turn=2, turns=3)])
    assert (ticks(schedule)["one"] - before) % 60.0 == pytest.approx(10.0, abs=1e-3)


async def test_no_place_within_the_turn_is_a_skip(script: Scripted, make: Make) -> None:
    """A probe that finds no place in its own turn is skipped, and does not run in another monitor's turn."""
    schedule = make(concurrency=1)
    known(schedule, a_target("holds"), a_target("waits", turn=0, turns=1200))
    schedule.ask("holds", "api")
    await script.until(lambda: bool(script.asked))
    schedule.begin(schedule._targets["waits"], 0.0)
    await script.until(lambda: script.skipped[("waits", "concurrency")] == 1)


# -- what is skipped ---------------------------------------------------------------------------------------------------


async def test_a_target_is_never_asked_twice_at_once(script: Scripted, make: Make) -> None:
    """A tick is skipped and counted if the previous probe is still running."""
    schedule = make()
    schedule.begin(a_target(), 0.0)
    schedule.begin(a_target(), 0.0)
    await script.until(lambda: bool(script.asked))
    assert script.skipped == {("one", "overlap"): 1}
    assert script.running == {"one": 1}


async def test_a_probe_longer_than_its_interval_piles_up_nothing(script: Scripted, make: Make) -> None:
    """One probe runs, however many ticks pass, and each of them is counted as skipped."""
    start(make(), [a_target(interval=0.02)])
    await script.until(lambda: script.skipped["one", "overlap"] >= 3)
    assert (len(script.asked), script.most) == (1, 1)


async def test_a_paused_target_is_left_alone(script: Scripted, make: Make) -> None:
    """The ticks of a paused target are counted as skipped."""
    start(make(), [a_target(paused=True)])
    await script.until(lambda: script.skipped["one", "paused"] == 1)
    assert script.asked == []


async def test_a_target_without_budget_is_left_alone(script: Scripted, make: Make) -> None:
    """If today's tokens are spent, the ticks are counted as skipped."""
    budget = Budget(10)
    budget.spend("other", 10)
    start(make(budget), [a_target()])
    await script.until(lambda: script.skipped["one", "budget"] == 1)
    assert script.asked == []


async def test_missed_ticks_are_counted(script: Scripted, make: Make) -> None:
    """If the machine was suspended, one probe follows, and each missed tick is counted."""
    schedule, one = make(), a_target()
    known(schedule, one)
    await schedule.tick("one")
    assert script.skipped == {}
    pass_time(schedule, "one", 4 * one.interval)
    await script.until(lambda: bool(script.asked))
    await schedule.tick("one")
    assert script.skipped == {("one", "missed"): 3, ("one", "overlap"): 1}


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_few_probes_at_once(script: Scripted, make: Make) -> None:
    """With two places, the third target waits, and the wait is part of its own delay."""
    schedule = make(concurrency=2)
    for number in range(3):
        schedule.begin(a_target(f"t{number}", f"h{number}.test"), 0.0)
    await script.until(lambda: len(script.asked) == 2)
    assert script.in_flight[-1] == 3
    waiting = time.monotonic()
    script.release.set()
    waited = time.monotonic() - waiting
    await script.until(lambda: len(script.observed) == 3)
    assert script.most == 2
    assert script.asked[2][2] >= waited > 0.0


async def test_few_probes_of_one_host(script: Scripted, make: Make) -> None:
    """With one place for each host, a second target of the same host waits, and one of another host does not."""
    schedule = make(per_host=1)
    for name, host in (("a1", "a.test"), ("a2", "a.test"), ("b1", "b.test")):
        schedule.begin(a_target(name, host), 0.0)
    await script.until(lambda: len(script.asked) == 2)
    assert [name for name, _, _ in script.asked] == ["a1", "b1"]
    script.release.set()
    await script.until(lambda: len(script.observed) == 3)


async def test_a_slow_host_delays_no_other(script: Scripted, make: Make) -> None:
    """However many targets of a host hang or wait, they take no more places than the limit of the host."""
    schedule = make(per_host=4, concurrency=5)
    for number in range(20):
        schedule.begin(a_target(f"slow-{number}", "slow.test"), 0.0)
    await script.until(lambda: len(script.asked) == 4)
    schedule.begin(a_target("quick", "quick.test"), 0.0)
    await script.until(lambda: len(script.asked) == 5)
    assert script.asked[-1][0] == "quick"


@pytest.mark.parametrize("limits", [{"per_host": 1}, {"concurrency": 1}], ids=["host", "all"])
async def test_waiting_is_bounded(script: Scripted, make: Make, limits: dict[str, int]) -> None:
    """A confirming probe that finds no place within an interval is not made, and takes no other probe's place."""
    schedule = make(**limits)
    schedule.begin(a_target("first"), 0.0)
    await script.until(lambda: bool(script.asked))
    schedule.begin(a_target("second", interval=0.01), 0.0, "confirm")
    await script.until(lambda: "second" not in schedule._running)
    script.release.set()
    schedule.begin(a_target("third"), 0.0)
    await script.until(lambda: len(script.observed) == 2)
    assert [name for name, _, _ in script.asked] == ["first", "third"]
    assert not script.skipped


@pytest.mark.parametrize("limits", [{"per_host": 1}, {"concurrency": 1}], ids=["host", "all"])
async def test_each_target_has_its_turn(script: Scripted, make: Make, limits: dict[str, int]) -> None:
    """A target that waits longer than its interval is probed before those that came later; its ticks are counted."""
    schedule = make(**limits)
    schedule.begin(a_target("first"), 0.0)
    await script.until(lambda: bool(script.asked))
    start(schedule, [a_target("second", interval=0.01)])
    await script.until(lambda: "second" in schedule.waiting)
    before = script.skipped["second", "overlap"]  # a tick may be due before its task runs, on a busy machine
    await script.until(lambda: script.skipped["second", "concurrency"] >= 3)
    assert script.skipped["second", "overlap"] == before
    schedule.begin(a_target("third"), 0.0)
    script.release.set()
    await script.until(lambda: len(script.observed) >= 3)
    assert [name for name, _, _ in script.asked[:3]] == ["first", "second", "third"]


async def test_fewer_run_while_the_loop_is_late(script: Scripted, make: Make) -> None:
    """Probes beyond the lowered limit are skipped as `concurrency`, and waiting ones start in order once they may."""
    schedule = make()
    schedule.overload.most = 1
    schedule.begin(a_target("first", "a.test"), 0.0)
    await script.until(lambda: bool(script.asked))
    schedule.begin(a_target("second", "b.test"), 0.0)
    schedule.begin(a_target("third", "c.test"), 0.0)
    while schedule.waiting != {"second", "third"}:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    schedule.begin(a_target("second", "b.test"), 0.0)
    assert script.skipped == {("second", "concurrency"): 1}
    script.release.set()
    await script.until(lambda: len(script.observed) == 3)
    assert [name for name, _, _ in script.asked] == ["first", "second", "third"]


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_drain_waits_for_what_is_in_flight(script: Scripted, make: Make) -> None:
    """A drain waits until a running probe has ended."""
    schedule = make()
    start(schedule, [a_target()])
    await script.until(lambda: bool(script.asked))
    draining = asyncio.create_task(schedule.drain(60.0, asyncio.Event()))
    script.release.set()
    await draining
    assert script.ends == ["one"]
    assert len(script.observed) == 1
    assert script.in_flight == [1, 0]


async def test_a_drain_stops_what_takes_too_long(script: Scripted, make: Make) -> None:
    """A probe that still runs at the time limit is cancelled as `shutdown`, and its observation is recorded."""
    schedule = make()
    schedule.begin(a_target(), 0.0)
    await script.until(lambda: bool(script.asked))
    await schedule.drain(0.01, asyncio.Event())
    assert script.ends == ["one shutdown"]
    assert len(script.observed) == 1


async def test_a_drain_can_be_hurried(script: Scripted, make: Make) -> None:
    """A second signal stops running probes at once."""
    schedule, hurry = make(), asyncio.Event()
    schedule.begin(a_target(), 0.0)
    await script.until(lambda: bool(script.asked))
    hurry.set()
    await schedule.drain(60.0, hurry)
    assert script.ends == ["one shutdown"]


async def test_a_drain_starts_nothing_more(script: Scripted, make: Make) -> None:
    """During a drain no tick starts a probe, and no waiting probe starts."""
    schedule = make(concurrency=1)
    start(schedule, [a_target("first")])
    await script.until(lambda: bool(script.asked))
    schedule.begin(a_target("second"), 0.0)
    draining = asyncio.create_task(schedule.drain(60.0, asyncio.Event()))
    await asyncio.sleep(0)
    script.release.set()
    await draining
    assert [name for name, _, _ in script.asked] == ["first"]
    assert not schedule.running


async def test_a_drain_of_nothing_is_over_at_once(make: Make) -> None:
    """A drain of a schedule that was not started, or has no running probe, ends at once."""
    await make().drain(60.0, asyncio.Event())


async def test_a_bug_is_reported_and_stops_nothing(script: Scripted, make: Make) -> None:
    """An exception in a probe is reported, its place is released, and the target is probed again."""
    script.error = RuntimeError("a bug")
    script.release.set()
    schedule = make(per_host=1)
    schedule.begin(a_target(), 0.0)
    await script.until(lambda: bool(script.failed))
    assert script.failed == [script.error]
    schedule.begin(a_target(), 0.0)
    await script.until(lambda: len(script.failed) == 2)
    assert script.observed == []


async def test_a_bug_in_a_tick_is_reported(script: Scripted, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a tick is reported, not only logged by APScheduler, and the target has further ticks."""
    bug = RuntimeError("a bug")

    def broken(*_: object) -> None:
        raise bug

    schedule = make()
    known(schedule, a_target(interval=0.01))
    monkeypatch.setattr(schedule, "begin", broken)
    schedule._scheduler.start()
    await script.until(lambda: len(script.failed) == 2)
    assert script.failed == [bug, bug]


async def test_a_first_probe_outlives_a_step_of_the_clock(script: Scripted, make: Make) -> None:
    """A first probe waits by the monotonic clock: a step of the wall clock neither delays it nor adds to its delay."""
    wall = Wall()
    schedule = make(wall=wall)
    start(schedule, [a_target()])
    wall.ahead -= 3600.0
    await script.until(lambda: bool(script.asked))
    assert script.asked[0][2] < 1.0


# -- another set of targets --------------------------------------------------------------------------------------------


async def test_an_unchanged_target_goes_on(script: Scripted, make: Make) -> None:
    """An unchanged target keeps its tick, its running probe and its count of failures."""
    schedule = make()
    start(schedule, [a_target()])
    await script.until(lambda: bool(script.asked))
    failures(schedule)["one"] = 3
    before = ticks(schedule)
    update(schedule, [a_target(), a_target("two")])
    await script.until(lambda: len(script.asked) == 2)
    assert ticks(schedule)["one"] == before["one"]
    assert (script.running["one"], script.ends, failures(schedule)["one"]) == (1, [], 3)


async def test_other_labels_stop_nothing(script: Scripted, make: Make) -> None:
    """A change of labels does not affect a running probe."""
    schedule = make()
    start(schedule, [a_target()])
    await script.until(lambda: bool(script.asked))
    update(schedule, [a_target(labels={"team": "search"})])
    await asyncio.sleep(0)
    assert (script.running["one"], script.ends) == (1, [])


async def test_a_removed_target_is_released(script: Scripted, make: Make) -> None:
    """The running probe of a removed target is aborted as `reload`, and nothing of the target remains scheduled."""
    schedule = make()
    start(schedule, [a_target(), a_target("two")])
    await script.until(lambda: bool(script.asked))
    (asked,) = [name for name, _, _ in script.asked]
    other = "two" if asked == "one" else "one"
    update(schedule, [])
    await script.until(lambda: script.in_flight[-1] == 0)
    assert script.ends == [f"{asked} reload"]
    assert ticks(schedule) == {}
    assert (schedule.firsts, schedule._last, schedule.confirming) == ({}, {}, {})
    assert not schedule.watches(asked)
    await schedule.tick(other)
    assert len(script.asked) == 1


async def test_a_changed_target_is_probed_again(script: Scripted, make: Make) -> None:
    """The running probe of a changed target is aborted as `reload`; its ticks stay and use the new config."""
    schedule = make()
    start(schedule, [a_target()])
    await script.until(lambda: bool(script.asked))
    before = ticks(schedule)
    update(schedule, [a_target(host="b.test")])
    await script.until(lambda: script.in_flight[-1] == 0)
    assert script.ends == ["one reload"]
    assert ticks(schedule) == before
    script.release.set()
    await schedule.tick("one")
    await script.until(lambda: len(script.observed) == 2)
    assert script.observed[1].target.url == "http://b.test/v1"


async def test_another_interval_is_another_tick(make: Make) -> None:
    """A changed interval gives new ticks in phase, the first within one new interval; the schedule keeps running."""
    wall = Wall()
    schedule = make(wall=wall)
    start(schedule, [a_target(interval=36000.0)])
    pass_time(schedule, "one", 36000.0)
    update(schedule, [a_target(interval=10.0)])
    tick = ticks(schedule)["one"]
    assert (tick - phase("one", 10.0) + 1.0) % 10.0 == pytest.approx(1.0, abs=1e-3)
    assert tick - wall() <= 10.0
    assert schedule.moving()


async def test_an_added_target_is_asked_at_once(script: Scripted, make: Make) -> None:
    """An added target is probed at once, before its first tick."""
    schedule = make()
    start(schedule, [])
    assert schedule.running
    update(schedule, [a_target()])
    await script.until(lambda: bool(script.asked))
    assert ticks(schedule).keys() == {"one"}


async def test_other_limits_hold_for_what_comes(script: Scripted, make: Make) -> None:
    """If a limit is raised by one, a probe that waits under the old limit starts."""
    schedule = make(concurrency=1)
    schedule.begin(a_target("first"), 0.0)
    await script.until(lambda: bool(script.asked))
    schedule.limit(Limits(concurrency=1))
    schedule.begin(a_target("second"), 0.0)
    await script.until(lambda: len(script.asked) == 2)


# -- the wall clock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [3600.0, -3600.0, 1234.5, -29.9])
async def test_a_step_of_the_clock_costs_at_most_an_interval(script: Scripted, make: Make, step: float) -> None:
    """After a step of the clock the ticks are armed again, the next within an interval, and none counts as missed."""
    wall = Wall()
    schedule = make(wall=wall)
    start(schedule, map(a_target, NAMES[:20]))
    wall.ahead += step
    assert schedule.follow_clock()
    now = wall()
    assert all(-1.0 < tick - now <= 60.0 for tick in ticks(schedule).values())
    assert len(ticks(schedule)) == 20
    for name, tick in ticks(schedule).items():
        wall.ahead += tick - wall()
        pass_time(schedule, name, now - tick)  # as if the monotonic clock had gone on as well
        await schedule.tick(name)
    assert not any(reason == "missed" for _, reason in script.skipped)
    assert schedule.moving()


async def test_a_clock_that_is_slewed_is_no_step(make: Make) -> None:
    """A slewed clock moves no tick, and a step is detected once."""
    wall = Wall()
    schedule = make(wall=wall)
    start(schedule, [a_target()])
    before = ticks(schedule)
    wall.ahead += 0.5
    assert not schedule.follow_clock()
    assert ticks(schedule) == before
    wall.ahead -= 2.0
    assert schedule.follow_clock()
    assert not schedule.follow_clock()


async def test_a_schedule_moves_while_every_target_ticks(make: Make) -> None:
    """A target without a tick for two intervals and a minute shows that the schedule has stopped."""
    schedule = make()
    assert schedule.moving()
    start(schedule, [a_target(), a_target("two", interval=10.0)])
    assert schedule.moving()
    pass_time(schedule, "two", 50.0)
    assert schedule.moving()
    pass_time(schedule, "two", 40.0)
    assert not schedule.moving()


# -- asked for ---------------------------------------------------------------------------------------------------------


async def test_a_target_can_be_asked_now(script: Scripted, make: Make) -> None:
    """A probe on request has the given trigger, also for a paused target, and returns its observation."""
    schedule = make()
    known(schedule, a_target(paused=True))
    script.release.set()
    observation = await schedule.ask("one", "api")
    assert (observation.target.name, observation.trigger) == ("one", "api")
    assert script.observed == [observation]


async def test_who_cannot_be_asked(script: Scripted, make: Make) -> None:
    """Each refusal has a text, and nothing is sent or counted as skipped."""
    budget = Budget(None)
    schedule = make(budget, resting=lambda target: target.name == "rests")
    known(schedule, a_target("runs"), a_target("rests"), a_target("poor", tokens_per_day=5))
    budget.spend("poor", 5)
    asking = schedule.ask("runs", "api")
    await script.until(lambda: bool(script.asked))
    for name, why in (
        ("runs", "a probe of this target is in flight"),
        ("rests", "the target is in a maintenance window"),
        ("poor", "the tokens of today are spent"),
    ):
        with pytest.raises(ProbeNotStartedError, match=why):
            schedule.ask(name, "api")
    with pytest.raises(KeyError):
        schedule.ask("nobody", "api")
    script.release.set()
    await asking
    await schedule.drain(1.0, asyncio.Event())
    with pytest.raises(ProbeNotStartedError, match="the monitor is stopping"):
        schedule.ask("runs", "api")
    assert (len(script.asked), script.skipped) == (1, {})


async def test_an_answer_without_a_place(script: Scripted, make: Make) -> None:
    """A request beyond the concurrency limit is refused, and not counted as a skip of the schedule."""
    schedule = make(concurrency=1)
    known(schedule, a_target(interval=3600.0), a_target("two", interval=0.01))
    first = schedule.ask("one", "api")
    await script.until(lambda: bool(script.asked))
    with pytest.raises(ProbeNotStartedError, match="too many probes run"):
        await schedule.ask("two", "api")
    assert script.skipped["two", "concurrency"] == 0
    script.release.set()
    await first


async def test_an_answer_that_never_comes(script: Scripted, make: Make) -> None:
    """An exception in a requested probe is reported, and the caller gets an error."""
    schedule = make()
    known(schedule, a_target())
    script.error = RuntimeError("a bug")
    script.release.set()
    with pytest.raises(ProbeNotStartedError, match="stopped before it started"):
        await schedule.ask("one", "api")
    await script.until(lambda: script.failed == [script.error])


async def test_who_asked_may_leave(script: Scripted, make: Make) -> None:
    """If the caller is cancelled, the probe continues."""
    schedule = make()
    known(schedule, a_target())
    asking = schedule.ask("one", "api")
    await script.until(lambda: bool(script.asked))
    asking.cancel()
    script.release.set()
    await script.until(lambda: bool(script.observed))


async def test_who_asked_may_leave_a_probe_that_fails(script: Scripted, make: Make) -> None:
    """If the caller is cancelled and the probe raises, the exception is reported."""
    schedule = make()
    known(schedule, a_target())
    script.error = RuntimeError("a bug")
    asking = schedule.ask("one", "api")
    await script.until(lambda: bool(script.asked))
    asking.cancel()
    script.release.set()
    await script.until(lambda: script.failed == [script.error])


async def test_a_probe_in_flight_can_be_joined(script: Scripted, make: Make) -> None:
    """A caller that joins a running probe gets its observation; without a running probe there is nothing to join."""
    schedule = make()
    known(schedule, a_target())
    assert schedule.join("one") is None
    asking = schedule.ask("one", "api")
    joined = schedule.join("one")
    assert joined is not None
    script.release.set()
    assert await joined is await asking
    assert len(script.asked) == 1


async def test_a_scrape_asks_within_its_time(script: Scripted, make: Make) -> None:
    """The probe of a scrape has the time of the scrape, drain included, and at most the target's own deadlines."""
    schedule = make()
    known(schedule, a_target(), a_target("quick", timeouts=Timeouts(total=3.0)))
    script.release.set()
    observation = await schedule.ask("one", "scrape", 10.0)
    assert (observation.target.timeouts.total, observation.target.timeouts.drain) == (9.0, 1.0)
    observation = await schedule.ask("quick", "scrape", 100.0)
    assert (observation.target.timeouts.total, observation.target.timeouts.drain) == (3.0, 2.0)


async def test_a_scrape_leaves_a_paused_target_alone(script: Scripted, make: Make) -> None:
    """A user may probe a paused target; a scrape may not."""
    schedule = make()
    known(schedule, a_target(paused=True))
    with pytest.raises(ProbeNotStartedError, match="the target is paused"):
        schedule.ask("one", "scrape")
    assert script.asked == []


async def test_all_can_be_asked_now(script: Scripted, make: Make) -> None:
    """All targets that are neither paused nor running are probed; the others are not counted as skipped."""
    schedule = make()
    known(schedule, a_target("idle"), a_target("runs"), a_target("rests", paused=True))
    schedule.begin(a_target("runs"), 0.0)
    assert [*schedule.asking_all("signal")]
    await script.until(lambda: len(script.asked) == 2)
    assert [(name, trigger) for name, trigger, _ in script.asked] == [("runs", "schedule"), ("idle", "signal")]
    assert script.skipped == {}


async def test_a_target_in_maintenance_is_left_alone(script: Scripted, make: Make) -> None:
    """The ticks of a target in maintenance are counted as skipped, and after the window it is probed again."""
    window = [True]
    schedule = make(resting=lambda _: window[0])
    start(schedule, [a_target()])
    await script.until(lambda: script.skipped["one", "maintenance"] == 1)
    assert script.asked == []
    window.clear()
    window.append(False)
    await schedule.tick("one")
    await script.until(lambda: len(script.asked) == 1)


# -- what the server asked for -----------------------------------------------------------------------------------------


def asking_to_wait(seconds: int, status: int = 429) -> Callable[[Target], Observation]:
    """Return the response of a server with this status and Retry-After."""

    def answer(target: Target) -> Observation:
        observation = refused(target)
        return replace(
            observation, recording=replace(observation.recording, head=Head(status, "", retry_after=seconds))
        )

    return answer


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "interval", "obeyed"), [(7, 60.0, 7.0), (86400, 60.0, 600.0), (86400, 900.0, 3600.0)]
)
async def test_how_long_a_server_that_asks_to_wait_is_left_alone(
    script: Scripted, make: Make, status: int, *, asked: int, interval: float, obeyed: float
) -> None:
    """Retry-After is obeyed as given, at most for ten intervals and an hour."""
    script.release.set()
    script.answer = asking_to_wait(asked, status)
    schedule = make()
    known(schedule, a_target(interval=interval))
    await schedule.ask("one", "schedule")
    assert script.backed_off == [("one", obeyed)]


async def test_a_server_that_asks_to_wait_is_left_alone(script: Scripted, make: Make) -> None:
    """Ticks meanwhile are counted as skipped; a user may still probe, and another response ends the wait."""
    script.release.set()
    script.answer = asking_to_wait(7)
    schedule = make()
    known(schedule, a_target())
    await schedule.ask("one", "schedule")
    await script.idle(1)
    await schedule.tick("one")
    assert script.skipped == {("one", "backoff"): 1}
    with pytest.raises(ProbeNotStartedError, match="Retry-After"):
        schedule.ask("one", "scrape")
    script.answer = whole
    await schedule.ask("one", "api")
    await script.idle(2)
    await schedule.tick("one")
    await script.idle(3)
    assert script.skipped == {("one", "backoff"): 1}


@pytest.mark.parametrize(("status", "asked"), [(500, 7), (429, 0)])
async def test_other_answers_are_no_reason_to_wait(script: Scripted, make: Make, status: int, asked: int) -> None:
    """Only 429 and 503 with a Retry-After above 0 are obeyed."""
    script.release.set()
    script.answer = asking_to_wait(asked, status)
    schedule = make()
    known(schedule, a_target())
    await schedule.ask("one", "schedule")
    await script.idle(1)
    await schedule.tick("one")
    await script.idle(2)
    assert (script.backed_off, script.skipped) == ([], {})


async def test_a_changed_or_removed_target_is_not_waited_for(script: Scripted, make: Make) -> None:
    """A Retry-After does not apply to a changed or removed target."""
    script.release.set()
    script.answer = asking_to_wait(100)
    schedule = make()
    known(schedule, a_target(), a_target("two"))
    await schedule.ask("one", "schedule")
    await schedule.ask("two", "schedule")
    await script.idle(2)
    script.answer = whole
    update(schedule, [a_target(model="another")])
    update(schedule, [a_target(model="another"), a_target("two")])
    for name in ("one", "two"):
        await schedule.tick(name)
    await script.until(lambda: len(script.asked) >= 4)
    assert script.skipped.keys() <= {("two", "overlap")}


# -- confirming --------------------------------------------------------------------------------------------------------


def sickly(**more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target that is probed again almost at once while it fails."""
    return a_target(**{"interval": 3600.0, "interval_when_failing": 0.001, "confirm": 3} | more)


async def test_a_failure_is_confirmed_sooner(script: Scripted, make: Make) -> None:
    """A failing target is probed again until `confirm` failures in a row, and then waits for its ticks."""
    script.answer = refused
    script.release.set()
    schedule = make()
    start(schedule, [sickly()])
    await script.until(lambda: len(script.observed) == 3)
    assert [trigger for _, trigger, _ in script.asked] == ["schedule", "confirm", "confirm"]
    assert schedule.confirming == {}


@pytest.mark.parametrize(("turn", "confirms"), [(0, True), (1, False)])
async def test_a_failure_is_confirmed_in_turn_alone(script: Scripted, make: Make, *, turn: int, confirms: bool) -> None:
    """A confirming probe does not run in another monitor's turn."""
    script.answer = refused
    script.release.set()
    wall = Wall()
    target = sickly(turn=turn, turns=2, confirm=2)
    wall.ahead = next_tick("one", 3600.0, time.time()) + 1.0 - time.monotonic()
    schedule = make(wall=wall)
    known(schedule, target)
    schedule.begin(target, 0.0)
    await script.until(lambda: len(script.observed) == 1 + confirms)
    assert [trigger for _, trigger, _ in script.asked] == ["schedule", "confirm"][: 1 + confirms]
    assert schedule.confirming == {}


async def test_a_removed_target_is_not_confirmed(script: Scripted, make: Make) -> None:
    """A probe that ends as its target is removed is observed, and neither confirmed nor counted as a failure."""
    script.answer = refused
    schedule = make()

    async def ended(target: Target, trigger: str, delay: float) -> Observation:
        await script(target, trigger, delay)
        return refused(target)  # although it was cancelled: its exchange had ended before

    schedule.probe = ended
    known(schedule, sickly())
    await schedule.tick("one")
    await script.until(lambda: script.running["one"] == 1)
    update(schedule, [])
    await script.until(lambda: len(script.observed) == 1)
    assert (schedule.confirming, failures(schedule)) == ({}, {})


async def test_a_success_confirms_the_contrary(script: Scripted, make: Make) -> None:
    """The first success ends the confirmation, and the count starts at 0 again."""
    answers = iter([refused(sickly()), whole(sickly())])
    script.answer = lambda _: next(answers)
    script.release.set()
    schedule = make()
    start(schedule, [sickly()])
    await script.until(lambda: len(script.observed) == 2)
    assert (schedule.confirming, failures(schedule)["one"]) == ({}, 0)


@pytest.mark.parametrize("more", [{"interval_when_failing": None}, {"confirm": 1}])
async def test_what_needs_no_confirmation(script: Scripted, make: Make, more: dict[str, Any]) -> None:
    """Without `interval_when_failing`, or if one failure is enough, no confirming probe follows."""
    script.answer = refused
    script.release.set()
    schedule = make()
    start(schedule, [sickly(**more)])
    await script.until(lambda: len(script.observed) == 1)
    assert schedule.confirming == {}


@pytest.mark.parametrize(("trigger", "answer"), [("api", refused), ("schedule", lambda one: stopped(target=one))])
async def test_what_is_no_failure_to_confirm(
    script: Scripted, make: Make, trigger: str, answer: Callable[[Target], Observation]
) -> None:
    """Requested probes and probes that the monitor ended itself do not count."""
    script.answer = answer
    script.release.set()
    schedule = make()
    known(schedule, sickly())
    schedule.begin(sickly(), 0.0, trigger)
    await script.until(lambda: len(script.observed) == 1)
    assert (schedule.confirming, dict(failures(schedule))) == ({}, {})


async def test_one_confirmation_at_a_time(script: Scripted, make: Make) -> None:
    """A tick that fails before the confirming probe replaces it, so that only one timer exists."""
    script.answer = refused
    script.release.set()
    schedule, slow = make(), sickly(interval_when_failing=3600.0)
    start(schedule, [slow])
    await script.idle(1)
    first = schedule.confirming["one"]
    await schedule.tick("one")
    await script.idle(2)
    assert first.cancelled()
    second = schedule.confirming["one"]
    await schedule.tick("one")
    await script.idle(3)
    assert second.cancelled()
    assert schedule.confirming == {}


async def test_a_removed_target_is_confirmed_no_more(script: Scripted, make: Make) -> None:
    """A removed target, or a changed one with its old settings, is not confirmed."""
    script.answer = refused
    script.release.set()
    schedule, slow = make(), sickly(interval_when_failing=3600.0)
    start(schedule, [slow])
    for number, targets in enumerate(([replace(slow, model="other")], []), 1):
        await script.idle(number)
        timer = schedule.confirming["one"]
        update(schedule, targets)
        assert timer.cancelled()
        await schedule.tick("one")


async def test_a_drain_confirms_nothing(script: Scripted, make: Make) -> None:
    """During a drain neither a pending confirmation nor a new failure starts a probe."""
    script.answer = refused
    script.release.set()
    schedule, slow = make(), sickly(interval_when_failing=3600.0)
    start(schedule, [slow])
    await script.idle(1)
    timer = schedule.confirming["one"]
    script.release.clear()
    await schedule.tick("one")
    await script.until(lambda: script.running["one"] == 1)
    draining = asyncio.create_task(schedule.drain(60.0, asyncio.Event()))
    await asyncio.sleep(0)
    assert timer.cancelled()
    script.release.set()
    await draining
    assert len(script.observed) == 2
    assert schedule.confirming == {}


async def test_a_schedule_that_drains_takes_nothing_on(script: Scripted, make: Make) -> None:
    """A draining schedule accepts neither new targets nor requests by signal."""
    schedule = make()
    start(schedule, [a_target(), a_target("two")])
    await schedule.drain(1.0, asyncio.Event())
    update(schedule, [a_target("three")])
    assert [*schedule.asking_all("signal")]
    await asyncio.sleep(0)
    assert script.asked == []
    assert not schedule.watches("three")
    assert all(timer.cancelled() for timer in schedule.firsts.values())
