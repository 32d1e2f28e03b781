"""The schedule of a soak of a given length: some short runs of the daemon, then a long one with all disturbances."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Act(StrEnum):
    """A disturbance of the running daemon."""

    RELOAD_SAME = "reload with nothing changed, by SIGHUP"
    RELOAD_CHANGED_HUP = "reload with targets removed, added and changed, by SIGHUP"
    RELOAD_CHANGED_POST = "reload with targets removed, added and changed, by POST"
    RELOAD_INVALID_HUP = "reload of an invalid config, by SIGHUP"
    RELOAD_INVALID_POST = "reload of an invalid config, by POST"
    SCRAPES = "40 scrapes at once"
    SLOW_READERS = "10 scrapers that read a byte a second"
    INVALID_REQUESTS = "a query of 1 MB, garbage, a head that never ends, and a client that leaves at once"
    IDLE_CLIENTS = "300 connections that send nothing and are opened again when closed, with scrapes meanwhile"
    GUESSES = "200 wrong passwords, 20 at a time, with a scrape that has the correct one"
    PROBE_ALL = "a probe of every target at once, by SIGUSR1"
    NO_DESCRIPTORS = "no descriptor left (RLIMIT_NOFILE), with a scrape and a reload meanwhile"
    DISK_FULL = "no room for the log (RLIMIT_FSIZE), in the middle of a line"
    REFUSALS = "90 refused reloads of 100 kB each while the log has no room: their repeats are counted"
    FROZEN = "the process stopped for half a second (SIGSTOP)"


@unique
class End(StrEnum):
    """How a run of the daemon ends."""

    TERM = "SIGTERM with probes in flight"
    KILL = "kill -9 with probes in flight"
    KILL_FULL = "kill -9 while the disk is full"
    TERM_TWICE = "SIGTERM twice"
    QUIESCED = "SIGTERM when every target is paused"


ROUND = (
    Act.SCRAPES,
    Act.RELOAD_SAME,
    Act.SLOW_READERS,
    Act.RELOAD_CHANGED_POST,
    Act.DISK_FULL,
    Act.SCRAPES,
    Act.RELOAD_INVALID_HUP,
    Act.NO_DESCRIPTORS,
    Act.INVALID_REQUESTS,
    Act.IDLE_CLIENTS,
    Act.RELOAD_CHANGED_HUP,
    Act.PROBE_ALL,
    Act.SCRAPES,
    Act.GUESSES,
    Act.RELOAD_INVALID_POST,
    Act.FROZEN,
    Act.REFUSALS,
)
SHORT_RUNS = (End.TERM, End.KILL, End.KILL_FULL, End.TERM_TWICE)
SHORT_SHARE = 0.2
SHORTEST, LONGEST = 6.0, 45.0
"""Bounds in seconds of a short run."""
APART = 8.0
"""Seconds between two acts of the long run, if it is long enough."""
WARM_UP = 0.5
"""The share of the long run that is left out of the fit of memory, at most `WARMEST` seconds."""
WARMEST = 600.0


@dataclass(frozen=True, slots=True)
class Run:
    """One process of the daemon: how many seconds it runs, which act is done at which second, and how it ends."""

    seconds: float
    acts: tuple[tuple[float, Act], ...]
    end: End


def runs(seconds: float) -> Iterator[Run]:
    """Return the runs of a soak of this many seconds; the last is the long one, and is quiesced before its end."""
    short = min(max(seconds * SHORT_SHARE / len(SHORT_RUNS), SHORTEST), LONGEST)
    for end in SHORT_RUNS:
        yield Run(short, ((short / 3, Act.SCRAPES), (short / 2, Act.RELOAD_CHANGED_POST)), end)
    long = max(seconds - short * len(SHORT_RUNS), SHORTEST)
    yield Run(long, tuple(_acts(long)), End.QUIESCED)


def _acts(seconds: float) -> Iterator[tuple[float, Act]]:
    """Return every act at least once, at equal distances, which are shorter if the run is short."""
    apart = min(APART, seconds / (len(ROUND) + 1))
    for number in range(1, int(seconds / apart)):
        yield number * apart, ROUND[(number - 1) % len(ROUND)]


def warm_after(seconds: float) -> float:
    """Return after how many seconds of a run the fit of its memory begins."""
    return min(seconds * WARM_UP, WARMEST)


def filled_after(ended: Iterable[tuple[str, float]], names: Collection[str], each: int) -> float:
    """Return the time by which each of these targets had `each` probes; infinity if one never had.

    `ended` has the target and the end of every probe. Until then memory grows because recent probes are added.
    """
    times: defaultdict[str, list[float]] = defaultdict(list)
    for name, at in ended:
        times[name].append(at)
    full = (sorted(times[name])[each - 1] if len(times[name]) >= each else math.inf for name in names)
    return max(full, default=0.0)
