"""The benchmark's machine, and the resources of a process."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

_PROCESS_WIDE = 2
"""CPUCLOCK_SCHED, for all threads: how Linux makes the clock id of a process (clock_getcpuclockid(3))."""
_PACKAGES = ("aiohttp", "httpx", "openai", "msgspec")


class Sample(NamedTuple):
    """A process at one moment: the monotonic clock and its CPU time in ns, its memory in bytes."""

    at: int
    cpu: int
    rss: int


def sample(pid: int) -> Sample | None:
    """Sample a process; None if it has ended."""
    try:
        cpu = time.clock_gettime_ns(~pid << 3 | _PROCESS_WIDE)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return Sample(time.monotonic_ns(), cpu, pages * os.sysconf("SC_PAGESIZE"))


def about() -> dict[str, object]:
    """Return the facts about the machine that the figures depend on, without names and paths."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "kernel": re.match(r"[\d.]*", platform.release())[0],  # type: ignore[index]  # matches any text
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def cores() -> tuple[int, int]:
    """Return the core for the server and the one for the client; the same one if there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def may_go_first() -> bool:
    """Whether processes with real-time priority are allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check() -> None:
    """Refuse a machine on which the figures would mean nothing."""
    if sys.platform != "linux":
        raise SystemExit("benchmark: kernel receive timestamps are measured on Linux only")
