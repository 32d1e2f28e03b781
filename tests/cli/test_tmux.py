"""What the commands print in a real terminal, tmux's, at 60, 80 and 120 columns."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.cli.demo import TARGETS
from tests.cli.commands import COMMAND
from tests.cli.test_top import STORED
from tests.conftest import WITHIN

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux: apt-get install tmux"),
]
WIDTHS = (60, 80, 120)
PAINT = "from tests.cli.test_top import {make} as make; from rich.console import Console\n\
console = Console(highlight=False, soft_wrap=True)\nfor line in make(console.width): console.print(line)"


class Terminal:
    """One terminal of tmux, with a server of its own."""

    def __init__(self, socket: Path, width: int, height: int) -> None:
        self._tmux = ["tmux", "-u", "-S", str(socket), "-f", "/dev/null"]
        size = ["-x", str(width), "-y", str(height)]
        environment = os.environ | {"LC_ALL": "C.UTF-8", "PS1": "$ "}
        for name in ("COLUMNS", "LINES"):  # what somebody has set for the tests is not this terminal's size
            environment.pop(name, None)
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, "env -u TMUX sh"],
            check=True,
            env=environment,
            cwd=STORED.parents[2],
        )

    def type(self, text: str) -> None:
        """Type a line."""
        subprocess.run([*self._tmux, "send-keys", "-l", text], check=True)
        subprocess.run([*self._tmux, "send-keys", "Enter"], check=True)

    def press(self, key: str) -> None:
        """Press one key."""
        subprocess.run([*self._tmux, "send-keys", key], check=True)

    def screen(self) -> list[str]:
        """Return the lines that it shows, without what is blank at their ends."""
        done = subprocess.run([*self._tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True)
        return [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")]

    def until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """Return its lines once they are as they have to be."""
        deadline = time.monotonic() + WITHIN
        while not holds(lines := self.screen()):
            assert time.monotonic() < deadline, "\n".join(lines)
            select.select([], [], [], 0.1)
        return lines

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._tmux, "kill-server"], check=True)


@contextmanager
def terminal(directory: Path, width: int, height: int = 40) -> Iterator[Terminal]:
    """Yield a terminal of so many columns and lines."""
    one = Terminal(directory / "tmux", width, height)
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("make", ["history", "explain"])
def test_a_terminal_shows_what_is_stored(tmp_path: Path, make: str, width: int) -> None:
    """Line by line: no line is broken by the terminal, and each sign takes the columns that it was given."""
    stored = (STORED / f"{make}-{width}.txt").read_text(encoding="utf-8").splitlines()
    script = tmp_path / "paint.py"
    script.write_text(PAINT.format(make=make))
    command = shlex.join([COMMAND[0], str(script)])
    with terminal(tmp_path, width) as one:
        one.type(f"clear; PYTHONPATH=. {command}; echo; echo the end")
        shown = one.until(lambda lines: "the end" in lines)
    assert shown[: len(stored)] == stored


@pytest.mark.parametrize("width", WIDTHS)
def test_the_demo_in_a_terminal(tmp_path: Path, width: int) -> None:
    """The address is in the first line, the totals in the second, and each target in its own line; q ends it."""
    totals = f"{len(TARGETS)} targets"
    with terminal(tmp_path, width, 26) as one:
        one.type(shlex.join([*COMMAND, "demo"]))
        lines = one.until(lambda lines: sum("truncated/" in line for line in lines) >= 3)
        assert lines[0].startswith("status page http://127.0.0.1:")
        assert lines[1].startswith(totals)
        assert lines[2].startswith("target")
        shown = sorted(line.split()[0].rstrip("…") for line in lines[3 : 3 + len(TARGETS)])
        names = sorted(target.name for target in TARGETS)
        assert all(name.startswith(start) for name, start in zip(names, shown, strict=True)), shown
        verdict = lines[2].index("verdict")
        assert all(line[verdict - 1] == " " for line in lines[3 : 3 + len(TARGETS)])
        one.press("q")
        one.until(lambda lines: lines[-1][:1] in {"$", "#"} and not any(totals in line for line in lines))
