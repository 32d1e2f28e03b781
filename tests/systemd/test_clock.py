"""The whole daemon while its wall clock is set: an hour forth and back, under libfaketime, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

_LIBRARIES = tuple(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
MONITOR = [sys.executable, "-m", "monitor"]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not _LIBRARIES, reason="libfaketime not found: apt-get install -y libfaketime"),
]


class Daemon:
    """A daemon whose wall clock, and that alone, a test sets."""

    def __init__(self, process: subprocess.Popen[str], clock: Path) -> None:
        self._process, self._clock = process, clock

    def set_clock(self, offset: str) -> None:
        """Set it, so many seconds from the true time."""
        beside = self._clock.with_suffix(".new")
        beside.write_text(f"{offset}\n")
        beside.replace(self._clock)

    def event(self, **wanted: str) -> dict[str, Any]:
        """Return the next line that has these values; the test's own time-out bounds the wait."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found: dict[str, Any] = json.loads(line)
            if wanted.items() <= found.items():
                return found
        raise AssertionError(f"the log ended without {wanted}")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Yield a daemon that asks a lab every second."""
    clock, config = tmp_path / "clock", tmp_path / "config.toml"
    clock.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with ExitStack() as stack:
        lab = _started(stack, "lab", "--listen", "127.0.0.1:0", stderr=subprocess.PIPE)
        assert lab.stderr is not None
        url = lab.stderr.readline().split()[3].rstrip("/")
        config.write_text(
            f'[web]\nlisten = "127.0.0.1:0"\n[[targets]]\nname = "one"\nprotocol = "openai-chat"\nmodel = "lab"\n'
            f'interval = "1s"\nurl = "{url}/openai-chat/ok?gap=0&ttfc=0"\n'
        )
        run = _started(stack, "run", "--config", str(config), env=faked, stdout=subprocess.PIPE)
        yield Daemon(run, clock)


def _started(stack: ExitStack, *arguments: str, **more: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - of Popen
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = stack.enter_context(subprocess.Popen([*MONITOR, *arguments], text=True, **(quiet | more)))
    stack.callback(process.kill)
    return process


@pytest.mark.parametrize("offset", ["+3600", "-3600"])
def test_a_clock_that_is_set(daemon: Daemon, offset: str) -> None:
    """The schedule is armed anew and goes on, times stay right, and the new time is in the events."""
    before = daemon.event(event="probe", trigger="schedule")
    daemon.set_clock(offset)
    daemon.event(event="the wall clock has stepped; the schedule is armed anew")
    seen = [daemon.event(event="probe", trigger="schedule") for _ in range(3)]
    assert {one["outcome"] for one in seen} == {"ok"}
    assert all(0 <= one["timings"]["first_chunk"] < 60 and 0 <= one["schedule_delay"] < 60 for one in seen)
    hours = {"+3600": 1, "-3600": -1}[offset]
    stamps = [int(one["timestamp"][11:13]) for one in (before, seen[-1])]
    assert (stamps[1] - stamps[0]) % 24 in {hours % 24, (hours + 1) % 24}
