"""The schedule: phases and ticks as plain numbers, the rest with probes that end when the test says so."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
from apscheduler.triggers.date import DateTrigger

from monitor.budget import Budget
from monitor.observation import Observation
from monitor.schedule import Schedule, Told, next_tick, phase
from monitor.settings import Limits
from monitor.target import Target
from tests.sinks.stories import whole

NAMES = [f"target-{number}" for number in range(1000)]


def a_target(name: str = "one", host: str = "a.test", *, interval: float = 60.0, paused: bool = False) -> Target:
    """Return a target on a host."""
    return Target(name, "openai-chat", f"http://{host}/v1", interval=interval, paused=paused)


class Scripted:
    """A probe whose every call waits until the test lets it end, and a schedule's listener that keeps what it hears."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float]] = []
        self.running: Counter[str] = Counter()
        self.most = 0
        self.ends: list[str] = []
        self.observed: list[Observation] = []
        self.skipped: Counter[tuple[str, str]] = Counter()
        self.in_flight: list[int] = []
        self.failed: list[BaseException] = []
        self.error: Exception | None = None
        self.let_go = asyncio.Event()
        self._news = asyncio.Event()

    async def __call__(self, target: Target, trigger: str, delay: float) -> Observation:
        """Wait to be let go; a cancellation is told as the real probe tells it."""
        self.asked.append((target.name, trigger, delay))
        self.running[target.name] += 1
        self.most = max(self.most, self.running.total())
        self._news.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError as stopped:
            self.ends.append(f"{target.name} {stopped.args[0]}")
        else:
            self.ends.append(target.name)
        finally:
            self.running[target.name] -= 1
        if self.error is not None:
            raise self.error
        return whole(target)

    def told(self) -> Told:
        """Return who is told: this, which keeps what it hears."""
        return Told(observed=self._observed, skipped=self._skipped, in_flight=self._in_flight, failed=self._failed)

    def _observed(self, seen: Observation) -> None:
        self.observed.append(seen)
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

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that the probe or the schedule says."""
        while not true():
            self._news.clear()
            await self._news.wait()


@pytest.fixture
def script() -> Scripted:
    """Return a probe that ends when the test says so."""
    return Scripted()


@pytest.fixture
async def make(script: Scripted) -> AsyncIterator[Callable[..., Schedule]]:
    """Yield what makes a schedule of that probe; all of them are drained at the end."""
    made: list[Schedule] = []

    def schedule(budget: Budget | None = None, **limits: int) -> Schedule:
        made.append(Schedule(script, script.told(), Limits(**limits), budget))
        return made[-1]

    yield schedule
    script.let_go.set()
    for one in made:
        await one.drain(1.0, asyncio.Event())


Make = Callable[..., Schedule]


# -- phases and ticks --------------------------------------------------------------------------------------------------


def test_a_phase_is_the_targets_own_for_ever() -> None:
    """It follows from the name alone, so that neither a restart nor another machine moves it."""
    assert phase("gateway", 60.0) == pytest.approx(18.433, abs=0.001)
    assert phase("gateway", 120.0) == phase("gateway", 60.0) * 2


def test_phases_spread_over_the_interval() -> None:
    """A thousand targets of one interval: no tenth of it has less than 70 or more than 130 of them."""
    tenths = Counter(int(phase(name, 10.0)) for name in NAMES)
    assert set(tenths) == set(range(10))
    assert all(70 <= number <= 130 for number in tenths.values())


@pytest.mark.parametrize("after", [0.0, 1.0, 1764000000.0, 1764000059.999])
def test_the_next_tick_is_in_phase(after: float) -> None:
    """It comes within one interval, and as far behind a whole number of intervals as the phase says."""
    for name in NAMES[:20]:
        tick = next_tick(name, 60.0, after)
        assert after <= tick < after + 60.0
        assert (tick - phase(name, 60.0) + 1.0) % 60.0 == pytest.approx(1.0, abs=1e-3)


# -- the first probes --------------------------------------------------------------------------------------------------


async def test_the_first_probe_comes_at_once(script: Scripted, make: Make) -> None:
    """A single target is asked when the schedule starts, with the trigger and the delay of a scheduled probe."""
    make().start([a_target()])
    await script.until(lambda: bool(script.asked))
    ((name, trigger, delay),) = script.asked
    assert (name, trigger) == ("one", "schedule")
    assert 0 <= delay < 0.5


async def test_the_first_probes_are_spread(make: Make) -> None:
    """Of five targets the first is asked at once and the others one after another over five seconds."""
    schedule = make()
    before = time.time()
    schedule.start(map(a_target, NAMES[:5]))
    jobs = schedule._scheduler.get_jobs()
    firsts = sorted(job.trigger.run_date.timestamp() - before for job in jobs if isinstance(job.trigger, DateTrigger))
    assert firsts == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0], abs=0.2)


async def test_the_ticks_follow_in_phase(make: Make) -> None:
    """After its first probe a target's ticks fall on its phase, the first of them half an interval later or more."""
    schedule = make()
    schedule.start([a_target()])
    (job,) = [job for job in schedule._scheduler.get_jobs() if job.id == "one"]
    tick = job.next_run_time.timestamp()
    assert (tick - phase("one", 60.0) + 1.0) % 60.0 == pytest.approx(1.0, abs=1e-3)
    assert 29.0 < tick - time.time() < 91.0


async def test_a_target_is_asked_again_and_again(script: Scripted, make: Make) -> None:
    """Each tick asks anew once the probe before is over."""
    script.let_go.set()
    make().start([a_target(interval=0.05)])
    await script.until(lambda: len(script.observed) >= 3)
    assert {name for name, _, _ in script.asked} == {"one"}
    assert script.most == 1


# -- what is skipped ---------------------------------------------------------------------------------------------------


async def test_a_target_is_never_asked_twice_at_once(script: Scripted, make: Make) -> None:
    """A tick that finds the probe before still under way is skipped and counted."""
    schedule = make()
    schedule._start(a_target(), 0.0)
    schedule._start(a_target(), 0.0)
    await script.until(lambda: bool(script.asked))
    assert script.skipped == {("one", "overlap"): 1}
    assert script.running == {"one": 1}


async def test_a_probe_longer_than_its_interval_piles_up_nothing(script: Scripted, make: Make) -> None:
    """However many ticks pass, one probe runs and the others are counted."""
    make().start([a_target(interval=0.02)])
    await script.until(lambda: script.skipped["one", "overlap"] >= 3)
    assert (len(script.asked), script.most) == (1, 1)


async def test_a_paused_target_is_left_alone(script: Scripted, make: Make) -> None:
    """Its ticks are counted as skipped."""
    make().start([a_target(paused=True)])
    await script.until(lambda: script.skipped["one", "paused"] == 1)
    assert script.asked == []


async def test_a_target_without_budget_is_left_alone(script: Scripted, make: Make) -> None:
    """When the tokens of the day are spent its ticks are counted as skipped."""
    budget = Budget(10)
    budget.spend("other", 10)
    make(budget).start([a_target()])
    await script.until(lambda: script.skipped["one", "budget"] == 1)
    assert script.asked == []


async def test_missed_ticks_are_counted(script: Scripted, make: Make) -> None:
    """Where the machine slept through ticks, one probe stands for them and each of the others is counted."""
    schedule, one = make(), a_target()
    await schedule._tick(one)
    assert script.skipped == {}
    schedule._last["one"] -= 4 * one.interval
    await script.until(lambda: bool(script.asked))
    await schedule._tick(one)
    assert script.skipped == {("one", "missed"): 3, ("one", "overlap"): 1}


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_few_probes_at_once(script: Scripted, make: Make) -> None:
    """With room for two in all, the third target waits, and its wait is in its own delay."""
    schedule = make(concurrency=2)
    for number in range(3):
        schedule._start(a_target(f"t{number}", f"h{number}.test"), 0.0)
    await script.until(lambda: len(script.asked) == 2)
    assert script.in_flight[-1] == 3
    script.let_go.set()
    await script.until(lambda: len(script.observed) == 3)
    assert script.most == 2
    assert script.asked[2][2] > script.asked[1][2]


async def test_few_probes_of_one_host(script: Scripted, make: Make) -> None:
    """With room for one at each host, a second target of a host waits, and another host's does not."""
    schedule = make(per_host=1)
    for name, host in (("a1", "a.test"), ("a2", "a.test"), ("b1", "b.test")):
        schedule._start(a_target(name, host), 0.0)
    await script.until(lambda: len(script.asked) == 2)
    assert [name for name, _, _ in script.asked] == ["a1", "b1"]
    script.let_go.set()
    await script.until(lambda: len(script.observed) == 3)


@pytest.mark.parametrize("limits", [{"per_host": 1}, {"concurrency": 1}], ids=["host", "all"])
async def test_waiting_is_bounded(script: Scripted, make: Make, limits: dict[str, int]) -> None:
    """Who finds no place within an interval is skipped and counted, and holds no place of anybody else's."""
    schedule = make(**limits)
    schedule._start(a_target("first"), 0.0)
    await script.until(lambda: bool(script.asked))
    schedule._start(a_target("second", interval=0.01), 0.0)
    await script.until(lambda: script.skipped["second", "concurrency"] == 1)
    script.let_go.set()
    schedule._start(a_target("third"), 0.0)
    await script.until(lambda: len(script.observed) == 2)
    assert [name for name, _, _ in script.asked] == ["first", "third"]


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_drain_waits_for_what_is_in_flight(script: Scripted, make: Make) -> None:
    """A probe under way is given the time to end by itself."""
    schedule = make()
    schedule.start([a_target()])
    await script.until(lambda: bool(script.asked))
    draining = asyncio.create_task(schedule.drain(60.0, asyncio.Event()))
    script.let_go.set()
    await draining
    assert script.ends == ["one"]
    assert len(script.observed) == 1
    assert script.in_flight == [1, 0]


async def test_a_drain_stops_what_takes_too_long(script: Scripted, make: Make) -> None:
    """What is still under way at the limit is cancelled as `shutdown`, and what it saw is told."""
    schedule = make()
    schedule._start(a_target(), 0.0)
    await script.until(lambda: bool(script.asked))
    await schedule.drain(0.01, asyncio.Event())
    assert script.ends == ["one shutdown"]
    assert len(script.observed) == 1


async def test_a_drain_can_be_hurried(script: Scripted, make: Make) -> None:
    """A second signal stops what is in flight at once."""
    schedule, hurry = make(), asyncio.Event()
    schedule._start(a_target(), 0.0)
    await script.until(lambda: bool(script.asked))
    hurry.set()
    await schedule.drain(60.0, hurry)
    assert script.ends == ["one shutdown"]


async def test_a_drain_starts_nothing_more(script: Scripted, make: Make) -> None:
    """Neither a tick nor a probe that still waits for its place is begun."""
    schedule = make(concurrency=1)
    schedule.start([a_target("first")])
    await script.until(lambda: bool(script.asked))
    schedule._start(a_target("second"), 0.0)
    draining = asyncio.create_task(schedule.drain(60.0, asyncio.Event()))
    await asyncio.sleep(0)
    script.let_go.set()
    await draining
    assert [name for name, _, _ in script.asked] == ["first"]
    assert not schedule._scheduler.running


async def test_a_drain_of_nothing_is_over_at_once(make: Make) -> None:
    """A schedule that never started, or has nothing in flight, has nothing to wait for."""
    await make().drain(60.0, asyncio.Event())


async def test_a_bug_is_told_and_stops_nothing(script: Scripted, make: Make) -> None:
    """A probe that raises is reported, gives its place back, and the target is asked again."""
    script.error = RuntimeError("a bug")
    script.let_go.set()
    schedule = make(per_host=1)
    schedule._start(a_target(), 0.0)
    await script.until(lambda: bool(script.failed))
    assert script.failed == [script.error]
    schedule._start(a_target(), 0.0)
    await script.until(lambda: len(script.failed) == 2)
    assert script.observed == []
