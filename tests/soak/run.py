"""A chaos soak of a length of choice: `make soak MINUTES=10`; its report says which promises held.

The daemon and the lab run as real processes. The status is 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import machine
from monitor.sinks.memory import RecentProbes
from tests.dashboards.live import free_port
from tests.soak import fleet, ledger, plan
from tests.soak.asking import ACCEPTS, HOST, PATIENCE, be_rude, read_slowly
from tests.soak.attackers import come_back, guess, hostile, leaks
from tests.soak.ledger import LifeAccount, Window
from tests.soak.plan import Act, End, Life
from tests.soak.processes import Daemon, daemon, lab, waited
from tests.soak.report import Findings, Held, as_json, as_markdown, growth, promises

SCRAPERS = 40
WORDS = 90
"""Messages of a hundred kilobytes: all of them would be more than the log's queue holds."""
WORDY_FOR = 40.0
"""Seconds that they may take: the log's queue holds what comes in some minutes without room, and no more."""
DROPPED = "chat_monitor_events_dropped_total"
SLOW = 10
IDLE = 300
FULL_FOR, EMPTY_FOR, FROZEN_FOR = 4.0, 3.0, 0.5
"""Seconds for which the disk is full, no descriptor is left, and the process stands still."""
STARVED = 0.4
"""Seconds of one for which a process that could have run was given no processor: what it does then comes late."""
WRITTEN = 1.0
"""Seconds within which the log's thread has written what was judged."""
READY = 60.0
RELOADED = 30.0
CALM = 90.0
"""Seconds within which all comes back that was taken: longer than a slow reader and a kept connection are given."""
DRAINED = 40.0
INTERVALS = 3
"""Of its intervals a target may let pass without a probe."""
OK, REFUSED = 200, 500


@dataclass(slots=True)
class Soak:
    """A running soak: its places, and its results so far."""

    directory: Path
    where: fleet.Where
    deck: Sequence[fleet.Entry]
    targets: int
    port: int = field(default_factory=free_port)
    change: int = 0
    hand: tuple[fleet.Entry, ...] = ()
    since: dict[str, float] = field(default_factory=dict)
    """When each target that is watched began to be; Unix seconds."""
    stayed: set[str] = field(default_factory=set)
    """Targets that were watched for the whole of this life."""
    accounts: list[LifeAccount] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    ends: dict[str, str] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    starved: int = 0
    """Scrapes that the machine left it no time to answer."""
    sampled_from: float = 0.0
    """When its memory was first noted; Unix seconds."""
    answered: int = 0
    slowest: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    """Targets that have to have been asked in the last intervals before the calm, and since when."""
    calm_at: float = 0.0
    held: list[Held] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)
    """The last scrape."""
    leaked: list[str] = field(default_factory=list)
    """Files of output that hold the secret which hostile servers say again."""
    beside: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def config(self) -> Path:
        """The daemon's config."""
        return self.directory / "soak.toml"

    def write(self, *, paused: bool = False) -> None:
        """Write the config of now."""
        listen = f"{HOST}:{self.port}"
        self.config.write_text(fleet.config(self.hand, self.where, listen, self.change, paused=paused))

    def deal(self) -> None:
        """Take the next hand of targets."""
        self.hand = fleet.hand(self.deck, self.change, self.targets)
        names, now = {entry.name for entry in self.hand}, time.time()
        self.since = {name: self.since.get(name, now) for name in names}
        self.stayed &= names

    @contextmanager
    def because(self, why: str, *verdicts: str) -> Iterator[None]:
        """Note that these verdicts are explained for as long as the context lasts."""
        start = time.time()
        try:
            yield
        finally:
            self.windows += [Window(verdict, why, start, time.time()) for verdict in verdicts]

    def expect(self, what: str, *, right: bool) -> None:
        """Note what did not go as it had to."""
        if not right:
            self.unanswered.append(what)


# -- what is done to it ------------------------------------------------------------------------------------------------

LATE = "inconclusive/resources"


async def reload(soak: Soak, it: Daemon, *, post: bool, good: bool = True) -> None:
    """Have the config read again, and see that it is in force, or refused and the old one stays."""
    before = await gauges(it)
    with soak.because("a reload", "aborted/reload"):
        if post:
            answer = await it.asked("/-/reload", "POST")
            soak.expect(f"reload by POST: {answer}"[:300], right=answer.status == (OK if good else REFUSED))
        else:
            it.signal(signal.SIGHUP)
        began, slept = time.monotonic(), waited(it.process.pid)
        in_force = await _until(lambda: _reloaded(it, before[1], good=good), RELOADED)
        starved = waited(it.process.pid) - slept > STARVED * (time.monotonic() - began)
        soak.expect(f"a {'good' if good else 'broken'} reload does not show", right=in_force or starved)


async def _reloaded(it: Daemon, before: float, *, good: bool) -> bool:
    successful, timestamp = await gauges(it)
    return (successful == 1 and timestamp > before) if good else successful == 0


RELOAD = "chat_monitor_config_last_reload_success"


async def gauges(it: Daemon) -> tuple[float, float]:
    """Return what the daemon says of its last reload: whether it was taken, and when one last was."""
    text = (await it.asked("/metrics")).body.decode()
    found = [re.search(rf"^{RELOAD}{rest} (\S+)$", text, re.MULTILINE) for rest in ("ful", "_timestamp_seconds")]
    whether, when = (float(one[1]) if one else -1.0 for one in found)
    return whether, when


async def changed(soak: Soak, it: Daemon, *, post: bool) -> None:
    """Reload with other targets."""
    soak.change += 1
    soak.deal()
    soak.write()
    await reload(soak, it, post=post)


async def broken(soak: Soak, it: Daemon, *, post: bool) -> None:
    """Reload what cannot be, and put the good config back."""
    soak.config.write_text(fleet.BROKEN[soak.acts.total() % len(fleet.BROKEN)])
    await reload(soak, it, post=post, good=False)
    soak.write()


async def scrapes(soak: Soak, it: Daemon) -> None:
    """Scrape from many clients at once; each answer has to be whole."""

    async def one(number: int) -> None:
        began, before = time.monotonic(), waited(it.process.pid)
        got = await it.asked("/metrics", more=ACCEPTS[number % len(ACCEPTS)])
        took = time.monotonic() - began
        soak.slowest = max(soak.slowest, took)
        if not got.status and took >= PATIENCE and waited(it.process.pid) - before > STARVED * took:
            soak.starved += 1
            return
        soak.answered += got.status == OK
        soak.expect(f"a scrape was answered with {got.status}, {len(got.body)} bytes", right=got.status == OK)

    await asyncio.gather(*map(one, range(SCRAPERS)))


async def slow_readers(soak: Soak, it: Daemon) -> None:
    """Send slow readers, and let them be."""
    for _ in range(SLOW):
        task = asyncio.create_task(read_slowly(it.port))
        soak.beside.add(task)
        task.add_done_callback(soak.beside.discard)


async def rude(soak: Soak, it: Daemon) -> None:
    """Send invalid requests; other clients must still get answers."""
    await be_rude(it.port)
    healthy = (await it.asked("/-/healthy")).status
    soak.expect(f"after rude clients /-/healthy says {healthy}", right=healthy == OK)


async def idle_clients(soak: Soak, it: Daemon) -> None:
    """Send clients that ask nothing and come back, and scrape meanwhile: each scrape is answered."""
    clients = [asyncio.create_task(come_back(it.port)) for _ in range(IDLE)]
    await scrapes(soak, it)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def guesses(soak: Soak, it: Daemon) -> None:
    """Send wrong passwords; a client with the correct one must still get answers."""
    guessing = asyncio.create_task(guess(it.port))
    status = (await it.asked("/metrics")).status
    soak.expect(f"among wrong passwords the right one is answered with {status}", right=status == OK)
    await guessing


async def probe_all(_: Soak, it: Daemon) -> None:
    """Have every target probed at once."""
    it.signal(signal.SIGUSR1)


async def no_descriptors(soak: Soak, it: Daemon) -> None:
    """Leave it no descriptor for a while; a reload and a scrape may succeed or fail then."""
    with soak.because("no descriptor left", LATE), soak.because("a reload", "aborted/reload"), it.no_descriptors():
        it.signal(signal.SIGHUP)
        scraping = asyncio.create_task(it.asked("/metrics"))
        await asyncio.sleep(EMPTY_FOR)
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)
    soak.expect("after a lack of descriptors it is not ready", right=await it.ready(READY))


async def disk_full(_: Soak, it: Daemon) -> None:
    """Leave no room for its log for a while."""
    with it.disk_full():
        await asyncio.sleep(FULL_FOR)


async def refusals(soak: Soak, it: Daemon) -> None:
    """Leave no room for its log, and have it repeat a long message: no line is dropped for that."""
    before = ledger.total(await it.scrape(), DROPPED)
    soak.config.write_text(fleet.WORDY)
    with it.disk_full():
        until = time.monotonic() + WORDY_FOR
        for _ in range(WORDS):
            if time.monotonic() < until:
                await it.asked("/-/reload", "POST")
        await asyncio.sleep(FULL_FOR)
    soak.write()
    soak.expect("lines were dropped", right=ledger.total(await it.scrape(), DROPPED) == before)


async def frozen(soak: Soak, it: Daemon) -> None:
    """Stop the process for a moment."""
    with soak.because("the process was stopped", LATE):
        it.signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_FOR)
        it.signal(signal.SIGCONT)


ACTS: Mapping[Act, Callable[[Soak, Daemon], Awaitable[None]]] = {
    Act.RELOAD_SAME: lambda soak, it: reload(soak, it, post=False),
    Act.RELOAD_CHANGED_HUP: lambda soak, it: changed(soak, it, post=False),
    Act.RELOAD_CHANGED_POST: lambda soak, it: changed(soak, it, post=True),
    Act.RELOAD_BROKEN_HUP: lambda soak, it: broken(soak, it, post=False),
    Act.RELOAD_BROKEN_POST: lambda soak, it: broken(soak, it, post=True),
    Act.SCRAPES: scrapes,
    Act.SLOW_READERS: slow_readers,
    Act.RUDE: rude,
    Act.IDLE_CLIENTS: idle_clients,
    Act.GUESSES: guesses,
    Act.PROBE_ALL: probe_all,
    Act.NO_DESCRIPTORS: no_descriptors,
    Act.DISK_FULL: disk_full,
    Act.REFUSALS: refusals,
    Act.FROZEN: frozen,
}


# -- how it ends -------------------------------------------------------------------------------------------------------


async def term(_: Soak, it: Daemon, __: LifeAccount) -> int:
    """Ask it to stop, with all that is in flight."""
    it.signal(signal.SIGTERM)
    return 0


async def hurry(soak: Soak, it: Daemon, _: LifeAccount) -> int:
    """Ask it to stop, and then to hurry."""
    with soak.because("a second SIGTERM", "aborted/shutdown"):
        it.signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        with suppress(ProcessLookupError):  # it had nothing more in flight
            it.signal(signal.SIGTERM)
        await it.ended(DRAINED)
    return 0


async def settled(it: Daemon, account: LifeAccount) -> None:
    """Note what has been judged by now, and leave it a moment to write that: it is about to be killed."""
    account.least = ledger.judged_by(await it.scrape())
    await asyncio.sleep(WRITTEN)
    account.cutoff = time.monotonic() - ledger.SETTLE


async def kill(_: Soak, it: Daemon, account: LifeAccount) -> int:
    """Kill it."""
    await settled(it, account)
    it.signal(signal.SIGKILL)
    return -signal.SIGKILL


async def kill_full(_: Soak, it: Daemon, account: LifeAccount) -> int:
    """Kill it while its lines wait for room."""
    await settled(it, account)
    with it.disk_full():
        await asyncio.sleep(FULL_FOR)
        it.signal(signal.SIGKILL)
        await it.ended(DRAINED)
    return -signal.SIGKILL


async def calm(soak: Soak, it: Daemon, account: LifeAccount) -> int:
    """Pause every target, wait until all is back that was taken, and have it say what it counted."""
    now = time.time()
    soak.calm_at = now
    soak.due = [name for name, since in soak.since.items() if now - since > INTERVALS * fleet.INTERVAL]
    soak.write(paused=True)
    await reload(soak, it, post=False)
    for task in tuple(soak.beside):
        task.cancel()
    await asyncio.gather(*soak.beside, return_exceptions=True)
    await _until(lambda: _back(soak, it), CALM)
    soak.held.append(await it.held())
    soak.last = scrape = await it.scrape()
    account.judged = ledger.judged_by(scrape)
    account.dropped, account.unkept = (ledger.total(scrape, DROPPED, f'sink="{sink}"') for sink in ("log", "history"))
    account.per_target = dict(_per_target(scrape, soak.stayed))
    it.signal(signal.SIGTERM)
    return 0


async def _back(soak: Soak, it: Daemon) -> bool:
    before, now = soak.held[0], await it.held()
    return now.descriptors <= before.descriptors and len(now.tasks) <= len(before.tasks)


PROBES = re.compile(r'chat_stream_probes_total\{.*?outcome="(\w+)"')
TARGET = re.compile(r'[{,]target="([^"]*)"')


def _per_target(scrape: Mapping[str, float], names: set[str]) -> Iterator[tuple[tuple[str, str], float]]:
    for series, value in scrape.items():
        outcome, target = PROBES.match(series), TARGET.search(series)
        if outcome and target and target[1] in names:
            yield (target[1], outcome[1]), value


ENDS: Mapping[End, Callable[[Soak, Daemon, LifeAccount], Awaitable[int]]] = {
    End.TERM: term,
    End.HURRY: hurry,
    End.KILL: kill,
    End.KILL_FULL: kill_full,
    End.CALM: calm,
}


# -- its lives ---------------------------------------------------------------------------------------------------------


async def live(soak: Soak, life: Life, lab_pid: int) -> None:
    """Start the daemon, do to it what is planned, and end it."""
    long = life.end is End.CALM
    soak.since.clear()
    soak.deal()
    soak.stayed = {entry.name for entry in soak.hand}
    soak.write(paused=long)
    log = soak.directory / f"{len(soak.accounts)}.log"
    account = LifeAccount(life.end, time.monotonic())
    soak.accounts.append(account)
    async with daemon(soak.config, soak.port, log) as it:
        soak.expect(f"it did not start: {log.read_bytes()[-300:]!r}", right=await it.ready(READY))
        if long:
            await begin(soak, it)
        watched = (lab_pid, it.process.pid)
        before = [machine.sample(pid) for pid in watched]
        own = time.process_time()
        sampling = asyncio.create_task(sample(soak, it, lab_pid))
        began = time.monotonic()
        await through(soak, it, life)
        took = time.monotonic() - began
        after = [machine.sample(pid) for pid in watched]
        for name, one, other in zip(("lab", "daemon"), before, after, strict=True):
            soak.cpu[name] = (other.cpu - one.cpu) / (other.at - one.at) if one and other else 0.0
        soak.cpu["soak"] = (time.process_time() - own) / took
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        wanted = await ENDS[life.end](soak, it, account)
        status = await it.ended(DRAINED)
        soak.ends[life.end.value] = "ended as it had to" if status == wanted else f"status {status}, not {wanted}"
        soak.expect(f"{life.end.value}: status {status}, not {wanted}", right=status == wanted)
        complaints = it.complaints
    soak.expect(f"it said beside its log: {' / '.join(complaints)}"[:500], right=not complaints)
    account.events, account.torn = ledger.read_events(log.open("rb"))


async def begin(soak: Soak, it: Daemon) -> None:
    """Note what it holds while nothing is watched, then have it watch."""
    await asyncio.sleep(2.0)
    soak.held.append(await it.held())
    soak.memory.clear()
    soak.write()
    await reload(soak, it, post=False)


async def sample(soak: Soak, it: Daemon, lab_pid: int) -> None:
    """Note its memory every second, and when it or the lab had to wait for a processor."""
    began, look = time.monotonic(), time.time()
    soak.sampled_from = look
    who = {it.process.pid: Window(LATE, "the machine gave it no processor", 0, 0)}
    who[lab_pid] = Window("", "the machine gave the lab no processor", 0, 0)
    before = {pid: waited(pid) for pid in who}
    while (sampled := machine.sample(it.process.pid)) is not None:
        soak.memory.append((time.monotonic() - began, sampled.rss))
        await asyncio.sleep(1.0)
        with suppress(OSError):
            now, since, look = {pid: waited(pid) for pid in who}, look, time.time()
            late = [window for pid, window in who.items() if now[pid] - before[pid] > STARVED]
            soak.windows += [replace(window, start=since, end=look) for window in late]
            before = now


async def through(soak: Soak, it: Daemon, life: Life) -> None:
    """Do each act at its time; one that comes late puts the others off, and what is too late is done only if new."""
    began, done = time.monotonic(), set[Act]()
    for at, act in life.acts:
        await asyncio.sleep(max(began + at - time.monotonic(), 0.0))
        if act in done and time.monotonic() - began > life.seconds:
            continue
        done.add(act)
        soak.acts[act.value] += 1
        await ACTS[act](soak, it)
    await asyncio.sleep(max(began + life.seconds - time.monotonic(), 0.0))


async def _until(condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Wait for what another process does, and nothing tells of."""
    deadline = time.monotonic() + within
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.5)
    return True


async def soak(seconds: float, targets: int, seed: int) -> Findings:
    """Run a whole soak and return the findings; nothing is left running, also after SIGTERM."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    deck = fleet.dealt(seed)
    with TemporaryDirectory(prefix="chat-monitor-soak-") as place:
        directory = Path(place)
        async with lab(directory / "lab.log") as (where, pid), hostile() as url:
            it = Soak(directory, replace(where, hostile=url), deck, targets)
            for life in plan.lives(seconds):
                await live(it, life, pid)
                it.accounts[-1].stop = time.monotonic()
        with (directory / "lab.log").open("rb") as lines:
            served = ledger.read_served(lines)
        kept = ledger.read_kept(directory / fleet.HISTORY)
        it.leaked = await asyncio.to_thread(leaks, directory, it.config.name)
    judgement = ledger.judge(it.accounts, served, {entry.name: entry for entry in deck}, it.windows)
    lost = [*judgement.lost, *ledger.unkept(it.accounts, kept)]
    return found(it, seconds, replace(judgement, lost=lost))


def _is_still(it: Soak, name: str) -> bool:
    """Whether a target was not asked for some intervals, while as many others were as have their turn before it.

    A machine that is too busy for the interval has each target asked in its turn, later.
    """
    ended = sorted((event.ended, event.target) for event in it.accounts[-1].events)
    since = max((at for at, target in ended if target == name), default=it.since[name])
    others = sum(at > since for at, _ in ended)
    return it.calm_at - since > INTERVALS * fleet.INTERVAL and others > INTERVALS * len(it.hand)


def _filled_after(it: Soak) -> float:
    """Return after how many seconds memory held all probes that it may of each target that stayed, or at the end."""
    ended = ((event.target, event.ended - it.sampled_from) for event in it.accounts[-1].events)
    return min(plan.filled_after(ended, it.stayed, RecentProbes(it.targets).each), it.memory[-1][0])


def found(it: Soak, seconds: float, judgement: ledger.Judgement) -> Findings:
    """Put together what a soak measured."""
    warm = max(plan.warm_after(it.memory[-1][0]), _filled_after(it))
    at_warm = next((size for at, size in it.memory if at >= warm), it.memory[-1][1])
    skips = "chat_stream_probes_skipped_total"
    reasons = {reason: ledger.total(it.last, skips, f'reason="{reason}"') for reason in SKIPS}
    return Findings(
        seconds=seconds,
        targets=len(it.hand),
        judgement=judgement,
        before=it.held[0],
        after=it.held[-1],
        growth=growth(it.memory, warm),
        warm_after=warm,
        memory=(it.memory[0][1], at_warm, it.memory[-1][1]),
        still=[name for name in it.due if _is_still(it, name)],
        unanswered=it.unanswered,
        leaked=it.leaked,
        unhandled=ledger.total(it.last, "chat_monitor_unhandled_exceptions_total"),
        acts=dict(sorted(it.acts.items())),
        ends=it.ends,
        skipped={reason: number for reason, number in reasons.items() if number and reason != "paused"},
        scrapes=(it.answered, it.slowest, it.starved),
        cpu=it.cpu,
        sink_errors=ledger.total(it.last, "chat_monitor_sink_errors_total", 'sink="log"'),
        dropped=it.accounts[-1].dropped,
        machine={name: value for name, value in machine.about().items() if name != "packages"},
    )


SKIPS = ("overlap", "concurrency", "missed", "budget")


def main() -> int:
    """Run a soak, write its report, and say whether every promise was kept."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--targets", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--report", type=Path, help="a Markdown file; the JSON stands beside it")
    asked = arguments.parse_args()
    findings = asyncio.run(soak(asked.minutes * 60, asked.targets, asked.seed))
    text = as_markdown(findings)
    if asked.report:
        asked.report.write_text(text)
        asked.report.with_suffix(".json").write_text(json.dumps(as_json(findings), indent=1) + "\n")
    sys.stdout.write(text)
    return 0 if all(promise.kept for promise in promises(findings)) else 1


if __name__ == "__main__":
    try:
        status = main()
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = 130
    sys.exit(status)
