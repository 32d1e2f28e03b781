"""The demo on a terminal: a process of its own plays it, and `top` shows it below its addresses."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO

import click
from rich.console import Console
from rich.text import Text

from monitor.cli.common import COMPLETE
from monitor.cli.past_probes import daemon_at, show_until_quit

_LAST = "stop with"
"""The demo's last line of addresses begins so."""


def show_demo(listen: str, console: Console) -> int:
    """Play the demo in another process and show its targets until q or Ctrl-C; return the exit status."""
    command = [sys.executable, "-m", "monitor", "demo", "--listen", listen]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as playing:  # noqa: S603 - our own
        try:
            assert playing.stderr is not None
            lines = list(_said(playing.stderr))
            addresses = [line.split()[-1] for line in lines if "http://" in line]
            if not addresses:  # its error is on stderr
                click.echo("".join(lines), err=True, nl=False)
                return playing.wait()
            # what it writes later has to go somewhere
            threading.Thread(target=playing.stderr.read, daemon=True).start()
            page, _, lab = addresses
            head = Text(f"status page {page}  fault lab {lab}", style="bold cyan")
            place = daemon_at(page.rstrip("/"))
            show_until_quit(place, place.summaries(), console, head)
        finally:
            playing.kill()  # it keeps nothing
    return COMPLETE


def _said(stderr: IO[str]) -> Iterator[str]:
    """Yield the lines of the addresses, or all there are if it cannot start."""
    for line in stderr:
        yield line
        if line.startswith(_LAST):
            return
