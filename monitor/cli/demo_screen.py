"""The demo on a terminal: another process runs it, and `top` shows its targets below its addresses."""

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
    """Run the demo in another process and show its targets until q or Ctrl-C; return the exit status."""
    command = [sys.executable, "-m", "monitor", "demo", "--listen", listen]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as demo:  # noqa: S603 - our own
        try:
            assert demo.stderr is not None
            lines = list(_first_lines(demo.stderr))
            addresses = [line.split()[-1] for line in lines if "http://" in line]
            if not addresses:  # its error is on stderr
                click.echo("".join(lines), err=True, nl=False)
                return demo.wait()
            # without a reader its later lines would fill the pipe
            threading.Thread(target=demo.stderr.read, daemon=True).start()
            page, _, lab = addresses
            head = Text(f"status page {page}  fault lab {lab}", style="bold cyan")
            place = daemon_at(page.rstrip("/"))
            show_until_quit(place, place.summaries(), console, head)
        finally:
            demo.kill()  # it stores nothing
    return COMPLETE


def _first_lines(stderr: IO[str]) -> Iterator[str]:
    """Yield the lines with the addresses, or all lines if it cannot start."""
    for line in stderr:
        yield line
        if line.startswith(_LAST):
            return
