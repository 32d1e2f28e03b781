"""The whole daemon on a machine whose clock is set, and which is suspended: user-mode Linux, a kernel of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.machine.guest import INTERVAL

CHECKOUT = Path(__file__).parents[2]
_LINUX = shutil.which("linux.uml") or ""
_ARGUMENTS = "mem=512M root=/dev/root rootfstype=hostfs rootflags=/ ro quiet con=null con0=fd:0,fd:1"
_PATIENCE = 20.0
_ASLEEP = 1.0
"""Seconds between two attempts to wake it."""
HOUR = 3600.0
SEEN = 1.0
"""Seconds within which the daemon sees that its clock was set."""
STEPPED = "the wall clock has stepped; the schedule was restarted"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not _LINUX, reason="linux.uml not found: apt-get install -y user-mode-linux"),
]


class Machine:
    """A machine that watches a lab of its own, and what the daemon in it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, what: str, seconds: float) -> None:
        """Have it set its clock or suspend."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what} {seconds}\n")
        self._process.stdin.flush()

    def event(self, **wanted: str) -> dict[str, Any]:
        """Return the next line that has these values, EOFError without; the test's own time-out bounds the wait."""
        assert self._process.stdout is not None
        other = []
        for line in self._process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                if wanted.items() <= found.items():
                    return found
            other.append(line)
        raise EOFError(f"it ended without {wanted}: {''.join(other)[-2000:]}")

    def probe(self) -> dict[str, Any]:
        """Return the next probe of the schedule."""
        return self.event(event="probe", trigger="schedule")

    def sleep(self, lost: float) -> float:
        """Suspend it, wake it, and return for how many seconds it was gone by its wall clock."""
        awake = Event()
        waker = Thread(target=self._wake, args=(awake,))
        self.tell("suspend", lost)
        self.event(event="suspending")
        waker.start()
        try:
            return float(self.event(event="resumed")["seconds"])
        finally:
            awake.set()
            waker.join()

    def _wake(self, awake: Event) -> None:
        """Wake it, again and again: a signal that comes before it sleeps is lost."""
        while not awake.wait(_ASLEEP):
            os.kill(self._process.pid, signal.SIGUSR1)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a machine over this one's files, which it can read alone."""
    init = tmp_path_factory.mktemp("machine") / "init"
    init.write_text(f"#!/bin/sh\ncd {CHECKOUT} && exec {sys.executable} -m tests.machine.guest\n")
    init.chmod(0o755)
    command = [_LINUX, *_ARGUMENTS.split(), f"init={init}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
        made = Machine(process)
        try:
            try:
                made.event(event="up")
            except EOFError as why:  # it wants ptrace, and memory that may be run
                pytest.skip(f"no machine can be had here: {why}")
            yield made
            process.communicate(timeout=_PATIENCE)  # without its console it switches itself off
        finally:
            process.kill()


def goes_on(machine: Machine, before: dict[str, Any], jump: float, asleep: float = 0.0) -> None:
    """See that the next probes come, at most one was lost, and every time in them is right.

    `jump` is by how many seconds the wall clock was set, somewhere between those probes.
    """
    machine.event(event=STEPPED)
    observation = [machine.probe() for _ in range(2)]
    assert {one["outcome"] for one in observation} == {"ok"}
    assert all(0 <= one["duration"] < HOUR / 2 and 0 <= one["schedule_delay"] < HOUR / 2 for one in observation)
    stamps = [datetime.fromisoformat(one["timestamp"]).timestamp() for one in (before, *observation)]
    apart = [later - earlier for earlier, later in pairwise(stamps)]
    jumps = [between for between in apart if abs(between) > HOUR / 2]
    assert len(jumps) == 1
    assert all(0 < between - jump * (between in jumps) < 2 * INTERVAL + SEEN + asleep for between in apart)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_clock_that_is_set(machine: Machine, seconds: float) -> None:
    """The schedule is armed again and continues: at most one probe is lost."""
    before = machine.probe()
    machine.tell("set", seconds)
    goes_on(machine, before, seconds)


def test_a_machine_that_is_suspended(machine: Machine) -> None:
    """Likewise when it wakes up, and its wall clock says that an hour has gone by."""
    before = machine.probe()
    goes_on(machine, before, HOUR, machine.sleep(HOUR) - HOUR)
