"""A chaos soak of a given length: `make soak MINUTES=10`. Its report says which promises were kept.

The daemon and the lab run as real processes. The exit status is 1 if a promise was broken.
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
from tests.soak import fleet, ledger, plan, processes
from tests.soak.attackers import come_back, guess, hostile, leaks
from tests.soak.clients import ACCEPTS, HOST, TIMEOUT, read_slowly, send_invalid
from tests.soak.ledger import RunAccount, Window
from tests.soak.plan import Act, End, Run
from tests.soak.processes import Daemon, lab, runqueue_wait
from tests.soak.report import Findings, Held, as_json, as_markdown, growth, promises

SCRAPERS = 40
REFUSALS = 90
"""Refused reloads, each with a message of a hundred kilobytes: all of them are more than the log's queue holds."""
REFUSALS_TIMEOUT = 40.0
"""Seconds that they may take together: the log's queue holds the lines of some minutes without room, and no more."""
DROPPED = "chat_monitor_events_dropped_total"
SLOW = 10
IDLE = 300
FULL_FOR, EMPTY_FOR, FROZEN_FOR = 4.0, 3.0, 0.5
"""Seconds for which the disk is full, no descriptor is left, and the process is stopped."""
STARVED = 0.4
"""The share of a second for which a runnable process waited for a processor; if it is more, its actions are late."""
WRITTEN = 1.0
"""Seconds within which the log's thread has written what was judged."""
READY = 60.0
RELOADED = 30.0
QUIESCED = 90.0
"""Seconds within which the daemon frees what it holds: longer than its limits for slow readers and kept connections."""
DRAINED = 40.0
INTERVALS = 3
"""How many intervals may pass without a probe of a target."""
OK, REFUSED = 200, 500


@dataclass(slots=True)
class Soak:
    """A running soak: its files and addresses, and its results so far."""

    directory: Path
    endpoints: fleet.Endpoints
    candidates: Sequence[fleet.Entry]
    targets: int
    port: int = field(default_factory=free_port)
    change: int = 0
    selection: tuple[fleet.Entry, ...] = ()
    since: dict[str, float] = field(default_factory=dict)
    """Since when each selected target is probed; Unix seconds."""
    stayed: set[str] = field(default_factory=set)
    """Targets that were probed for the whole of this run."""
    accounts: list[RunAccount] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    ends: dict[str, str] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    starved: int = 0
    """Scrapes without an answer because the daemon got no processor."""
    sampled_from: float = 0.0
    """When its memory was first sampled; Unix seconds."""
    answered: int = 0
    slowest: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    """Targets that were selected for so long before `quiesced_at` that they must have been probed."""
    quiesced_at: float = 0.0
    held: list[Held] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)
    """The last scrape."""
    leaked: list[str] = field(default_factory=list)
    """Files of output that contain the secret which hostile servers echo."""
    background: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def config(self) -> Path:
        """The daemon's config."""
        return self.directory / "soak.toml"

    def write(self, *, paused: bool = False) -> None:
        """Write the config of the selected targets."""
        listen = f"{HOST}:{self.port}"
        self.config.write_text(fleet.config(self.selection, self.endpoints, listen, self.change, paused=paused))

    def select(self) -> None:
        """Select the targets after the current number of changes."""
        self.selection = fleet.selection(self.candidates, self.change, self.targets)
        names, now = {entry.name for entry in self.selection}, time.time()
        self.since = {name: self.since.get(name, now) for name in names}
        self.stayed &= names

    @contextmanager
    def explained(self, why: str, *verdicts: str) -> Iterator[None]:
        """Note that `why` explains these verdicts while the context lasts."""
        start = time.time()
        try:
            yield
        finally:
            self.windows += [Window(verdict, why, start, time.time()) for verdict in verdicts]

    def expect(self, what: str, *, right: bool) -> None:
        """Note what went wrong."""
        if not right:
            self.unanswered.append(what)


# -- disturbances of the daemon ----------------------------------------------------------------------------------------

LATE = "inconclusive/resources"


async def reload(soak: Soak, daemon: Daemon, *, post: bool, valid: bool = True) -> None:
    """Reload the config, and expect that it is in force, or that it is refused and the old one is kept."""
    before = await gauges(daemon)
    with soak.explained("a reload", "aborted/reload"):
        if post:
            response = await daemon.fetch("/-/reload", "POST")
            soak.expect(f"reload by POST: {response}"[:300], right=response.status == (OK if valid else REFUSED))
        else:
            daemon.signal(signal.SIGHUP)
        began, slept = time.monotonic(), runqueue_wait(daemon.process.pid)
        in_force = await _until(lambda: _reloaded(daemon, before[1], valid=valid), RELOADED)
        starved = runqueue_wait(daemon.process.pid) - slept > STARVED * (time.monotonic() - began)
        soak.expect(
            f"the daemon does not report the reload of a config that is {'valid' if valid else 'invalid'}",
            right=in_force or starved,
        )


async def _reloaded(daemon: Daemon, before: float, *, valid: bool) -> bool:
    successful, timestamp = await gauges(daemon)
    return (successful == 1 and timestamp > before) if valid else successful == 0


RELOAD = "chat_monitor_config_last_reload_success"


async def gauges(daemon: Daemon) -> tuple[float, float]:
    """Return whether the last reload was successful, and the time of the last successful one."""
    text = (await daemon.fetch("/metrics")).body.decode()
    found = [re.search(rf"^{RELOAD}{rest} (\S+)$", text, re.MULTILINE) for rest in ("ful", "_timestamp_seconds")]
    whether, when = (float(one[1]) if one else -1.0 for one in found)
    return whether, when


async def reload_changed(soak: Soak, daemon: Daemon, *, post: bool) -> None:
    """Reload with other targets."""
    soak.change += 1
    soak.select()
    soak.write()
    await reload(soak, daemon, post=post)


async def reload_invalid(soak: Soak, daemon: Daemon, *, post: bool) -> None:
    """Reload an invalid config, and restore the valid one."""
    soak.config.write_text(fleet.INVALID[soak.acts.total() % len(fleet.INVALID)])
    await reload(soak, daemon, post=post, valid=False)
    soak.write()


async def scrapes(soak: Soak, daemon: Daemon) -> None:
    """Scrape from many clients at once; each response must be complete."""

    async def one(number: int) -> None:
        began, before = time.monotonic(), runqueue_wait(daemon.process.pid)
        got = await daemon.fetch("/metrics", more=ACCEPTS[number % len(ACCEPTS)])
        took = time.monotonic() - began
        soak.slowest = max(soak.slowest, took)
        if not got.status and took >= TIMEOUT and runqueue_wait(daemon.process.pid) - before > STARVED * took:
            soak.starved += 1
            return
        soak.answered += got.status == OK
        soak.expect(f"a scrape was answered with {got.status}, {len(got.body)} bytes", right=got.status == OK)

    await asyncio.gather(*map(one, range(SCRAPERS)))


async def slow_readers(soak: Soak, daemon: Daemon) -> None:
    """Start slow readers, which go on in the background."""
    for _ in range(SLOW):
        task = asyncio.create_task(read_slowly(daemon.port))
        soak.background.add(task)
        task.add_done_callback(soak.background.discard)


async def invalid_requests(soak: Soak, daemon: Daemon) -> None:
    """Send invalid requests; other clients must still get answers."""
    await send_invalid(daemon.port)
    healthy = (await daemon.fetch("/-/healthy")).status
    soak.expect(f"after invalid requests /-/healthy answers {healthy}", right=healthy == OK)


async def idle_clients(soak: Soak, daemon: Daemon) -> None:
    """Open connections that send nothing and open again when they are closed; each scrape meanwhile is answered."""
    clients = [asyncio.create_task(come_back(daemon.port)) for _ in range(IDLE)]
    await scrapes(soak, daemon)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def guesses(soak: Soak, daemon: Daemon) -> None:
    """Send wrong passwords; a client with the correct one must still get answers."""
    guessing = asyncio.create_task(guess(daemon.port))
    status = (await daemon.fetch("/metrics")).status
    soak.expect(f"while others guess passwords, the correct one is answered with {status}", right=status == OK)
    await guessing


async def probe_all(_: Soak, daemon: Daemon) -> None:
    """Ask for a probe of every target at once."""
    daemon.signal(signal.SIGUSR1)


async def no_descriptors(soak: Soak, daemon: Daemon) -> None:
    """Leave the daemon no descriptor for a while; a reload and a scrape may then succeed or fail."""
    with (
        soak.explained("no descriptor left", LATE),
        soak.explained("a reload", "aborted/reload"),
        daemon.no_descriptors(),
    ):
        daemon.signal(signal.SIGHUP)
        scraping = asyncio.create_task(daemon.fetch("/metrics"))
        await asyncio.sleep(EMPTY_FOR)
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)
    soak.expect("after a lack of descriptors the daemon is not ready", right=await daemon.ready(READY))


async def disk_full(_: Soak, daemon: Daemon) -> None:
    """Leave no room for the log for a while."""
    with daemon.disk_full():
        await asyncio.sleep(FULL_FOR)


async def refusals(soak: Soak, daemon: Daemon) -> None:
    """Leave no room for the log, and make the daemon repeat a long message: no line is dropped."""
    before = ledger.total(await daemon.scrape(), DROPPED)
    soak.config.write_text(fleet.INVALID_LARGE)
    with daemon.disk_full():
        until = time.monotonic() + REFUSALS_TIMEOUT
        for _ in range(REFUSALS):
            if time.monotonic() < until:
                await daemon.fetch("/-/reload", "POST")
        await asyncio.sleep(FULL_FOR)
    soak.write()
    soak.expect("lines were dropped", right=ledger.total(await daemon.scrape(), DROPPED) == before)


async def frozen(soak: Soak, daemon: Daemon) -> None:
    """Stop the process for a moment, by SIGSTOP."""
    with soak.explained("the process was stopped", LATE):
        daemon.signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_FOR)
        daemon.signal(signal.SIGCONT)


ACTS: Mapping[Act, Callable[[Soak, Daemon], Awaitable[None]]] = {
    Act.RELOAD_SAME: lambda soak, daemon: reload(soak, daemon, post=False),
    Act.RELOAD_CHANGED_HUP: lambda soak, daemon: reload_changed(soak, daemon, post=False),
    Act.RELOAD_CHANGED_POST: lambda soak, daemon: reload_changed(soak, daemon, post=True),
    Act.RELOAD_INVALID_HUP: lambda soak, daemon: reload_invalid(soak, daemon, post=False),
    Act.RELOAD_INVALID_POST: lambda soak, daemon: reload_invalid(soak, daemon, post=True),
    Act.SCRAPES: scrapes,
    Act.SLOW_READERS: slow_readers,
    Act.INVALID_REQUESTS: invalid_requests,
    Act.IDLE_CLIENTS: idle_clients,
    Act.GUESSES: guesses,
    Act.PROBE_ALL: probe_all,
    Act.NO_DESCRIPTORS: no_descriptors,
    Act.DISK_FULL: disk_full,
    Act.REFUSALS: refusals,
    Act.FROZEN: frozen,
}


# -- how a run ends ----------------------------------------------------------------------------------------------------


async def term(_: Soak, daemon: Daemon, __: RunAccount) -> int:
    """Send SIGTERM while probes are in flight."""
    daemon.signal(signal.SIGTERM)
    return 0


async def term_twice(soak: Soak, daemon: Daemon, _: RunAccount) -> int:
    """Send SIGTERM, and again while the daemon drains."""
    with soak.explained("a second SIGTERM", "aborted/shutdown"):
        daemon.signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        with suppress(ProcessLookupError):  # no probe was in flight
            daemon.signal(signal.SIGTERM)
        await daemon.ended(DRAINED)
    return 0


async def settled(daemon: Daemon, account: RunAccount) -> None:
    """Note how many probes were judged, and give the log time to write them, before the daemon is killed."""
    account.least = ledger.judged_by(await daemon.scrape())
    await asyncio.sleep(WRITTEN)
    account.cutoff = time.monotonic() - ledger.SETTLE


async def kill(_: Soak, daemon: Daemon, account: RunAccount) -> int:
    """Kill the daemon."""
    await settled(daemon, account)
    daemon.signal(signal.SIGKILL)
    return -signal.SIGKILL


async def kill_full(_: Soak, daemon: Daemon, account: RunAccount) -> int:
    """Kill the daemon while its log has no room."""
    await settled(daemon, account)
    with daemon.disk_full():
        await asyncio.sleep(FULL_FOR)
        daemon.signal(signal.SIGKILL)
        await daemon.ended(DRAINED)
    return -signal.SIGKILL


async def quiesce(soak: Soak, daemon: Daemon, account: RunAccount) -> int:
    """Pause every target, wait until the daemon has freed its resources, and read its counters."""
    now = time.time()
    soak.quiesced_at = now
    soak.due = [name for name, since in soak.since.items() if now - since > INTERVALS * fleet.INTERVAL]
    soak.write(paused=True)
    await reload(soak, daemon, post=False)
    for task in tuple(soak.background):
        task.cancel()
    await asyncio.gather(*soak.background, return_exceptions=True)
    await _until(lambda: _freed(soak, daemon), QUIESCED)
    soak.held.append(await daemon.held())
    soak.last = scrape = await daemon.scrape()
    account.judged = ledger.judged_by(scrape)
    account.dropped, account.unkept = (ledger.total(scrape, DROPPED, f'sink="{sink}"') for sink in ("log", "history"))
    account.per_target = dict(_per_target(scrape, soak.stayed))
    daemon.signal(signal.SIGTERM)
    return 0


async def _freed(soak: Soak, daemon: Daemon) -> bool:
    before, now = soak.held[0], await daemon.held()
    return now.descriptors <= before.descriptors and len(now.tasks) <= len(before.tasks)


PROBES = re.compile(r'chat_stream_probes_total\{.*?outcome="(\w+)"')
TARGET = re.compile(r'[{,]target="([^"]*)"')


def _per_target(scrape: Mapping[str, float], names: set[str]) -> Iterator[tuple[tuple[str, str], float]]:
    for series, value in scrape.items():
        outcome, target = PROBES.match(series), TARGET.search(series)
        if outcome and target and target[1] in names:
            yield (target[1], outcome[1]), value


ENDS: Mapping[End, Callable[[Soak, Daemon, RunAccount], Awaitable[int]]] = {
    End.TERM: term,
    End.TERM_TWICE: term_twice,
    End.KILL: kill,
    End.KILL_FULL: kill_full,
    End.QUIESCED: quiesce,
}


# -- the runs of the daemon --------------------------------------------------------------------------------------------


async def execute(soak: Soak, run: Run, lab_pid: int) -> None:
    """Start the daemon, disturb it as planned, and end it."""
    long = run.end is End.QUIESCED
    soak.since.clear()
    soak.select()
    soak.stayed = {entry.name for entry in soak.selection}
    soak.write(paused=long)
    log = soak.directory / f"{len(soak.accounts)}.log"
    account = RunAccount(run.end, time.monotonic())
    soak.accounts.append(account)
    async with processes.daemon(soak.config, soak.port, log) as daemon:
        soak.expect(f"the daemon did not start: {log.read_bytes()[-300:]!r}", right=await daemon.ready(READY))
        if long:
            await begin(soak, daemon)
        watched = (lab_pid, daemon.process.pid)
        before = [machine.sample(pid) for pid in watched]
        own = time.process_time()
        sampling = asyncio.create_task(sample(soak, daemon, lab_pid))
        began = time.monotonic()
        await disturb(soak, daemon, run)
        took = time.monotonic() - began
        after = [machine.sample(pid) for pid in watched]
        for name, one, other in zip(("lab", "daemon"), before, after, strict=True):
            soak.cpu[name] = (other.cpu - one.cpu) / (other.at - one.at) if one and other else 0.0
        soak.cpu["soak"] = (time.process_time() - own) / took
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        wanted = await ENDS[run.end](soak, daemon, account)
        status = await daemon.ended(DRAINED)
        soak.ends[run.end.value] = "as expected" if status == wanted else f"status {status}, not {wanted}"
        soak.expect(f"{run.end.value}: status {status}, not {wanted}", right=status == wanted)
        complaints = daemon.complaints
    soak.expect(f"the daemon wrote to standard error: {' / '.join(complaints)}"[:500], right=not complaints)
    with log.open("rb") as lines:
        account.events, account.torn = ledger.read_events(lines)


async def begin(soak: Soak, daemon: Daemon) -> None:
    """Note what the daemon holds while every target is paused, then resume them."""
    await asyncio.sleep(2.0)
    soak.held.append(await daemon.held())
    soak.memory.clear()
    soak.write()
    await reload(soak, daemon, post=False)


async def sample(soak: Soak, daemon: Daemon, lab_pid: int) -> None:
    """Sample its memory every second, and note when the daemon or the lab waited for a processor."""
    began, look = time.monotonic(), time.time()
    soak.sampled_from = look
    who = {daemon.process.pid: Window(LATE, "the daemon waited for a processor", 0, 0)}
    who[lab_pid] = Window("", "the lab waited for a processor", 0, 0)
    before = {pid: runqueue_wait(pid) for pid in who}
    while (sampled := machine.sample(daemon.process.pid)) is not None:
        soak.memory.append((time.monotonic() - began, sampled.rss))
        await asyncio.sleep(1.0)
        with suppress(OSError):
            now, since, look = {pid: runqueue_wait(pid) for pid in who}, look, time.time()
            late = [window for pid, window in who.items() if now[pid] - before[pid] > STARVED]
            soak.windows += [replace(window, start=since, end=look) for window in late]
            before = now


async def disturb(soak: Soak, daemon: Daemon, run: Run) -> None:
    """Do each act at its time. A late act delays the next ones; after the end of the run only new ones are done."""
    began, done = time.monotonic(), set[Act]()
    for at, act in run.acts:
        await asyncio.sleep(max(began + at - time.monotonic(), 0.0))
        if act in done and time.monotonic() - began > run.seconds:
            continue
        done.add(act)
        soak.acts[act.value] += 1
        await ACTS[act](soak, daemon)
    await asyncio.sleep(max(began + run.seconds - time.monotonic(), 0.0))


async def _until(condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Poll for a condition of another process, of which there is no notification; whether it came."""
    deadline = time.monotonic() + within
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.5)
    return True


async def run_soak(seconds: float, targets: int, seed: int) -> Findings:
    """Run a whole soak and return the findings. No process is left, also after SIGTERM."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    candidates = fleet.all_targets(seed)
    with TemporaryDirectory(prefix="chat-monitor-soak-") as place:
        directory = Path(place)
        async with lab(directory / "lab.log") as (endpoints, pid), hostile() as url:
            soak = Soak(directory, replace(endpoints, hostile=url), candidates, targets)
            for run in plan.runs(seconds):
                await execute(soak, run, pid)
                soak.accounts[-1].stop = time.monotonic()
        with (directory / "lab.log").open("rb") as lines:
            served = ledger.read_served(lines)
        kept = ledger.read_kept(directory / fleet.HISTORY)
        soak.leaked = await asyncio.to_thread(leaks, directory, soak.config.name)
    judgement = ledger.judge(soak.accounts, served, {entry.name: entry for entry in candidates}, soak.windows)
    lost = [*judgement.lost, *ledger.unkept(soak.accounts, kept)]
    return findings_of(soak, seconds, replace(judgement, lost=lost))


def _is_overdue(soak: Soak, name: str) -> bool:
    """Whether a target was not probed for some intervals, although all others had their turns meanwhile.

    On a machine that is too busy for the interval each target is probed in its turn, later.
    """
    ended = sorted((event.ended, event.target) for event in soak.accounts[-1].events)
    since = max((at for at, target in ended if target == name), default=soak.since[name])
    others = sum(at > since for at, _ in ended)
    return soak.quiesced_at - since > INTERVALS * fleet.INTERVAL and others > INTERVALS * len(soak.selection)


def _filled_after(soak: Soak) -> float:
    """Return after how many seconds memory held all the probes that it keeps of each target that stayed, or the end."""
    ended = ((event.target, event.ended - soak.sampled_from) for event in soak.accounts[-1].events)
    return min(plan.filled_after(ended, soak.stayed, RecentProbes(soak.targets).each), soak.memory[-1][0])


def findings_of(soak: Soak, seconds: float, judgement: ledger.Judgement) -> Findings:
    """Return what a soak measured."""
    warm = max(plan.warm_after(soak.memory[-1][0]), _filled_after(soak))
    at_warm = next((size for at, size in soak.memory if at >= warm), soak.memory[-1][1])
    skips = "chat_stream_probes_skipped_total"
    reasons = {reason: ledger.total(soak.last, skips, f'reason="{reason}"') for reason in SKIPS}
    return Findings(
        seconds=seconds,
        targets=len(soak.selection),
        judgement=judgement,
        before=soak.held[0],
        after=soak.held[-1],
        growth=growth(soak.memory, warm),
        warm_after=warm,
        memory=(soak.memory[0][1], at_warm, soak.memory[-1][1]),
        still=[name for name in soak.due if _is_overdue(soak, name)],
        unanswered=soak.unanswered,
        leaked=soak.leaked,
        unhandled=ledger.total(soak.last, "chat_monitor_unhandled_exceptions_total"),
        acts=dict(sorted(soak.acts.items())),
        ends=soak.ends,
        skipped={reason: number for reason, number in reasons.items() if number},
        scrapes=(soak.answered, soak.slowest, soak.starved),
        cpu=soak.cpu,
        sink_errors=ledger.total(soak.last, "chat_monitor_sink_errors_total", 'sink="log"'),
        dropped=soak.accounts[-1].dropped,
        machine={name: value for name, value in machine.about().items() if name != "packages"},
    )


SKIPS = ("overlap", "concurrency", "missed", "budget")


def main() -> int:
    """Run a soak, write its report, and return the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--targets", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--report", type=Path, help="a Markdown file; the JSON is written next to it")
    options = arguments.parse_args()
    findings = asyncio.run(run_soak(options.minutes * 60, options.targets, options.seed))
    text = as_markdown(findings)
    if options.report:
        options.report.write_text(text)
        options.report.with_suffix(".json").write_text(json.dumps(as_json(findings), indent=1) + "\n")
    sys.stdout.write(text)
    return 0 if all(promise.kept for promise in promises(findings)) else 1


if __name__ == "__main__":
    try:
        status = main()
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = 130
    sys.exit(status)
